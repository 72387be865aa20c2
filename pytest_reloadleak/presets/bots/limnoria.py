"""Check plugins of Limnoria (supybot), by a bot that is connected to no network."""

from __future__ import annotations

import atexit
import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pytest_reloadleak.errors import UsageError
from pytest_reloadleak.presets.preset import Hosted, Preset
from pytest_reloadleak.presets.source import Source, file_of
from pytest_reloadleak.verdict.known import Known

_NETWORK = "reloadleak"


class Plugin(Hosted):
    """A plugin and the connection to whose messages it listens."""

    def __init__(self, target: str, irc: object) -> None:
        super().__init__()
        file = file_of(target)
        if file is None:
            raise UsageError(f"preset 'Limnoria': {target} has no file; name the plugin's package")
        self._name = target.rpartition(".")[2]
        self.names = (self._name,)
        self._places: Any = importlib.import_module("supybot.conf").supybot.directories.plugins
        self._folder = str(file.parent.parent if file.stem == "__init__" else file.parent)
        self._is_loaded = False
        self._own = None if irc is not None else _connection()
        self.host["irc"] = irc or self._own

    def reload(self) -> None:
        """Do as the commands `load` and, the next times, `reload` do."""
        plugin: Any = importlib.import_module("supybot.plugin")
        before = list(self._places())
        self._places().append(self._folder)
        try:
            module = plugin.loadPluginModule(self._name, True)
        finally:
            self._places().clear()
            self._places().extend(before)
        if self._is_loaded and hasattr(module, "config"):
            importlib.reload(module.config)
        self._is_loaded = True
        plugin.loadPluginClass(self.host["irc"], module)

    def unload(self, module: Any) -> None:
        """Do as the command `unload` does: it removes the plugin and calls its `die`."""
        del module
        for callback in self.host["irc"].removeCallback(self._name):  # type: ignore[attr-defined]  # the host has them
            callback.die()

    def close(self) -> None:
        """Forget the connection that was made for the check."""
        if self._own is not None:
            importlib.import_module("supybot.world").ircs.remove(self._own)


def _connection() -> Any:
    """A connection to no network, with settings and logs in a folder that lives as long as the process."""
    if "supybot.log" not in sys.modules:  # Limnoria opens its logs when it is imported, once for a process
        folder = TemporaryDirectory()
        atexit.register(folder.cleanup)
        directories: Any = importlib.import_module("supybot.conf").supybot.directories
        for name in ("conf", "data", "log"):
            place = Path(folder.name) / name
            place.mkdir()
            getattr(directories, name).setValue(str(place))
    conf: Any = importlib.import_module("supybot.conf")
    importlib.import_module("supybot.log")
    conf.supybot.log.stdout.setValue(False)
    conf.registerNetwork(_NETWORK)
    importlib.import_module("supybot.plugin")
    return importlib.import_module("supybot.irclib").Irc(_NETWORK)


class Limnoria(Preset):
    """The preset `Limnoria`."""

    name = "Limnoria"
    aliases = ("supybot",)
    modules = ("supybot",)
    takes = ("irc",)
    is_given = False
    reloads = True
    undone = (
        (
            "supybot.conf.*._callbacks[*",
            "give the same function to removeCallback() of the same setting in die(), as addCallback() got it",
        ),
    )
    known = (
        Known(
            pattern="retained-generation:supybot.conf.*._children*",
            is_bounded=True,
            why="Limnoria keeps the first object of each setting, and with it the class that the plugin defines for it",
            link="https://github.com/progval/Limnoria/blob/master/src/registry.py",
        ),
    )
    hook = "die(self) of the plugin, which Limnoria calls when it unloads or reloads it"

    def fits(self, source: Source) -> bool:
        """Whether it is the package of a plugin, which names its class `Class`, or a module with one."""
        return source.imports("supybot") and (
            source.derives("Plugin", "PluginRegexp") or source.assigns("Class")
        )

    def open(self, target: str, source: Source, options: Mapping[str, object]) -> Plugin:
        """Make a connection, or take the test's own."""
        del source
        return Plugin(target, options.get("irc"))
