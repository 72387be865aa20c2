"""Check plugins of errbot with the bot of its own test tools, which has no connection."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping
from typing import Any

from pytest_reloadleak.presets.preset import Hosted, Preset
from pytest_reloadleak.presets.source import Source, described


class Plugin(Hosted):
    """A plugin and its bot."""

    def __init__(self, target: str, testbot: Any) -> None:
        super().__init__()
        module = target.rpartition(".")[2]
        self.names = (f"errbot.plugins.{module}",)
        description, self._plugin = described(target, ".plug", "errbot")
        self._is_own = testbot is None
        self._root = (logging.getLogger().level, list(logging.getLogger().handlers))
        if testbot is None:
            made: Any = importlib.import_module("errbot.backends.test")
            config = {
                "CORE_PLUGINS": ("Utils",)
            }  # it answers the command by which the bot shows that it has started
            testbot = made.TestBot(
                extra_plugin_dir=str(description.parent), loglevel=logging.ERROR, extra_config=config
            )
            testbot.start()
        self._testbot = testbot
        self.host["bot"] = testbot.bot

    def reload(self) -> None:
        """Do as the command `!plugin reload` does."""
        self.host["bot"].plugin_manager.reload_plugin_by_name(self._plugin)  # type: ignore[attr-defined]  # the host has them

    def unload(self, module: Any) -> None:
        """Do as `!plugin deactivate` does: it calls the plugin's `deactivate`."""
        del module
        manager: Any = self.host["bot"].plugin_manager  # type: ignore[attr-defined]  # the host has them
        if manager.plugins[self._plugin].is_activated:
            manager.deactivate_plugin(self._plugin)

    def close(self) -> None:
        """End the bot that was made for the check, and put back the handlers that it gave to the log."""
        if self._is_own:
            self._testbot.stop()
            root = logging.getLogger()
            level, handlers = self._root
            root.setLevel(level)
            for handler in [handler for handler in root.handlers if handler not in handlers]:
                root.removeHandler(handler)
                handler.close()


class Errbot(Preset):
    """The preset `errbot`."""

    name = "errbot"
    modules = ("errbot",)
    takes = ("testbot",)
    is_given = False
    reloads = True
    hook = "deactivate(self) of the plugin, which errbot calls before it reloads"

    def fits(self, source: Source) -> bool:
        """Whether it imports errbot, and derives a class from `BotPlugin`."""
        return source.imports("errbot") and source.derives("BotPlugin")

    def open(self, target: str, source: Source, options: Mapping[str, object]) -> Plugin:
        """Start a bot, or take the one of errbot's fixture `testbot`."""
        del source
        return Plugin(target, options.get("testbot"))
