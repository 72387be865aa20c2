"""Loading and reloading of plugins."""

import importlib
import sys
from types import ModuleType


class PluginHost:
    """The plugins of a running program; each is a module that subscribes itself when it is imported."""

    def __init__(self) -> None:
        self.plugins: dict[str, ModuleType] = {}

    def load(self, name: str) -> ModuleType:
        """Import the plugin `name`, unless it is loaded, and return its module."""
        self.plugins[name] = importlib.import_module(name)
        return self.plugins[name]

    def reload(self, name: str) -> ModuleType:
        """Import the plugin `name` afresh and return the new module; one that fails leaves the old in place."""
        old = sys.modules.pop(name, None)
        try:
            return self.load(name)
        except BaseException:
            if old is not None:
                sys.modules[name] = old
            raise
