"""Check plugins of a pluggy host: a manager registers and unregisters them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from pytest_reloadleak.presets.preset import Hosted, Preset
from pytest_reloadleak.presets.source import Source


class Plugin(Hosted):
    """A plugin and its manager."""

    def __init__(self, manager: object) -> None:
        super().__init__()
        self.host["manager"] = manager

    def load(self, module: Any) -> None:
        """Register the module, as the host does once it has imported it."""
        manager: Any = self.host["manager"]
        if not manager.is_registered(module):
            manager.register(module)

    def unload(self, module: Any) -> None:
        """Unregister it."""
        manager: Any = self.host["manager"]
        if manager.is_registered(module):
            manager.unregister(module)


class Pluggy(Preset):
    """The preset `pluggy`."""

    name = "pluggy"
    modules = ("pluggy",)
    takes = ("manager",)
    is_given = False
    hook = "__reload_dispose__(data): pluggy calls no hook when it unregisters a plugin"

    def fits(self, source: Source) -> bool:
        """Whether it makes a marker for hook implementations."""
        return source.imports("pluggy") and bool(source.strings("HookimplMarker"))

    def open(self, target: str, source: Source, options: Mapping[str, object]) -> Plugin:
        """Make a manager of the project that the plugin's marker names, or take the test's own."""
        del target
        pluggy: Any = importlib.import_module("pluggy")
        names = source.strings("HookimplMarker")
        return Plugin(options.get("manager") or pluggy.PluginManager(names[0] if names else "host"))
