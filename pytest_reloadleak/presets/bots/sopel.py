"""Check plugins of Sopel, by a bot that is not connected."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pytest_reloadleak.presets.preset import Hosted, Preset
from pytest_reloadleak.presets.source import Source

_SETTINGS = "[core]\nnick = reloadleak\nowner = reloadleak\n"


class Plugin(Hosted):
    """A plugin, the bot's handler of it, and the bot."""

    def __init__(self, target: str, bot: object) -> None:
        super().__init__()
        self._own = ExitStack()
        self._target = target
        self._handler: Any = None
        self.host["bot"] = bot or self._opened()

    def _opened(self) -> Any:
        """A bot with settings of its own, which connects to nothing."""
        file = Path(self._own.enter_context(TemporaryDirectory())) / "sopel.cfg"
        file.write_text(_SETTINGS, encoding="utf-8")
        settings = importlib.import_module("sopel.config").Config(str(file))
        return importlib.import_module("sopel.tests.factories").BotFactory()(settings)

    def reload(self) -> None:
        """Load the plugin as the command `.load` does, and then as `.reload` does."""
        bot: Any = self.host["bot"]
        package, _, name = self._target.rpartition(".")
        if self._handler is None and bot.has_plugin(name):
            # A bot of the test's own, which had it before the check.
            bot.reload_plugin(name)
            self._handler = bot._plugins[name]
            return
        if self._handler is None:
            handlers: Any = importlib.import_module("sopel.plugins.handlers")
            self._handler = handlers.PyModulePlugin(name, package or None)
            self._handler.load()
        else:
            self._handler.reload()
        self._handler.setup(bot)
        self._handler.register(bot)

    def unload(self, module: Any) -> None:
        """Call the plugin's `shutdown`, and unregister its commands, rules and jobs."""
        del module
        if self._handler is not None and self.host["bot"].has_plugin(self._handler.name):  # type: ignore[attr-defined]  # the host has them
            self._handler.shutdown(self.host["bot"])
            self._handler.unregister(self.host["bot"])

    def close(self) -> None:
        """Remove the settings of the bot that was made for the check."""
        self._own.close()


class Sopel(Preset):
    """The preset `Sopel`."""

    name = "Sopel"
    modules = ("sopel",)
    takes = ("bot",)
    reloads = True
    hook = "shutdown(bot), which Sopel calls before it reloads the plugin"

    def fits(self, source: Source) -> bool:
        """Whether it imports what marks commands, rules and jobs."""
        return source.imports("sopel.plugin", "sopel.module")

    def open(self, target: str, source: Source, options: Mapping[str, object]) -> Plugin:
        """Make an unconnected bot, or take the test's own."""
        del source
        return Plugin(target, options.get("bot"))
