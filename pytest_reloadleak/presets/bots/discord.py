"""Check extensions of discord.py and of its forks py-cord and disnake, by a bot that is not connected."""

from __future__ import annotations

import asyncio
import importlib
import inspect
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pytest_reloadleak.presets.preset import Hosted, Preset
from pytest_reloadleak.presets.source import Source


class Extension(Hosted):
    """An extension and its bot, which is made in the first round: its loop runs only then."""

    def __init__(self, name: str, library: str, bot: object) -> None:
        super().__init__()
        self._name, self._library = name, library
        if bot is not None:
            self.host["bot"] = bot

    def _bot(self) -> Any:
        if "bot" not in self.host:
            library: Any = importlib.import_module(self._library)
            commands: Any = importlib.import_module(f"{self._library}.ext.commands")
            bot = commands.Bot(command_prefix=commands.when_mentioned, intents=library.Intents.default())
            with suppress(AttributeError):  # what a login sets in discord.py, and a property in the forks
                bot.loop = asyncio.get_running_loop()
            self.host["bot"] = bot
        return self.host["bot"]

    async def reload(self) -> None:
        """Load the extension; after the first time the last one was unloaded, as `reload_extension` does."""
        bot = self._bot()
        if self._name in bot.extensions:  # a bot of the test's own, which had it before the check
            await _done(bot.unload_extension(self._name))
        await _done(bot.load_extension(self._name))

    async def unload(self, module: Any) -> None:
        """Unload the extension: the library calls `cog_unload` of its cogs and the extension's `teardown`."""
        del module
        bot = self._bot()
        if self._name in bot.extensions:
            await _done(bot.unload_extension(self._name))
        await asyncio.sleep(0)  # what `cog_unload` cancelled ends in the loop's next turn


async def _done(result: Any) -> None:
    """Wait for a coroutine of discord.py; the forks load and unload at once."""
    if inspect.isawaitable(result):
        await result


class Discord(Preset):
    """The preset `discord.py`."""

    name = "discord.py"
    aliases = ("discord", "py-cord", "pycord", "disnake")
    modules = ("discord", "disnake")
    takes = ("bot",)
    reloads = True
    has_methods = True
    hook = "teardown(bot) of the extension, or, where it says self, into cog_unload() of the cog; the bot calls both"

    def fits(self, source: Source) -> bool:
        """Whether it has the `setup` that `load_extension` calls, and imports the library or calls it a bot."""
        is_of_bot = source.imports(*self.modules) or source.takes("setup", "bot")
        return is_of_bot and source.defines("setup")

    def open(self, target: str, source: Source, options: Mapping[str, object]) -> Extension:
        """Make an unconnected bot, or take the test's own."""
        library = "disnake" if source.imports("disnake") else "discord"
        importlib.import_module(f"{library}.ext.commands")  # before the check begins: it imports much
        return Extension(target, library, options.get("bot"))
