"""Check plugins of Yapsy: a manager loads, activates and deactivates them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_reloadleak.presets.preset import Hosted, Preset
from pytest_reloadleak.presets.source import Source, described
from pytest_reloadleak.strategies.imports.unload import unload


class Plugin(Hosted):
    """A plugin and its manager, which loads each generation under the first name that is free."""

    def __init__(self, target: str, manager: Any) -> None:
        super().__init__()
        self._description, self._plugin = described(target, ".yapsy-plugin", "Yapsy")
        normal = importlib.import_module("yapsy.PluginManager").NormalizePluginNameForModuleName(self._plugin)
        self.names = (f"yapsy_loaded_plugin_{normal}_0",)
        self.host["manager"] = manager

    def reload(self) -> None:
        """Let the manager collect the plugin, as if it found it for the first time, and activate it."""
        manager: Any = self.host["manager"]
        places = manager.getPluginLocator().plugins_places if hasattr(manager, "getPluginLocator") else []
        manager.setPluginPlaces([str(self._description.parent)])
        manager.locatePlugins()
        for candidate in list(manager.getPluginCandidates()):
            if Path(candidate[0]) != self._description:
                manager.removePluginCandidate(candidate)
        (info,) = manager.loadPlugins()
        manager.setPluginPlaces(places)
        if info.error is not None:
            raise info.error[1]
        for category in info.categories:
            manager.activatePluginByName(info.name, category)

    def unload(self, module: Any) -> None:
        """Deactivate the plugin, which calls its `deactivate`, and forget it, as Yapsy itself never does."""
        del module
        manager: Any = self.host["manager"]
        for info in [info for info in manager.getAllPlugins() if info.name == self._plugin]:
            for category in info.categories:
                manager.deactivatePluginByName(info.name, category)
                manager.removePluginFromCategory(info, category)
        manager.setCategoriesFilter(manager.categories_interfaces)  # forgets which files it has read
        unload([name for name in self.names if name in sys.modules])


class Yapsy(Preset):
    """The preset `Yapsy`."""

    name = "Yapsy"
    modules = ("yapsy",)
    takes = ("manager",)
    is_given = False
    reloads = True
    hook = "deactivate(self) of the plugin, which Yapsy calls when it deactivates it"

    def fits(self, source: Source) -> bool:
        """Whether it imports Yapsy, and derives a class from `IPlugin`."""
        return source.imports("yapsy") and source.derives("IPlugin")

    def open(self, target: str, source: Source, options: Mapping[str, object]) -> Plugin:
        """Make a manager, or take the test's own, which has not loaded the plugin yet."""
        del source
        manager = options.get("manager") or importlib.import_module("yapsy.PluginManager").PluginManager()
        return Plugin(target, manager)
