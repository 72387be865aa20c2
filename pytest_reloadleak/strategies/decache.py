"""Drop the names from `sys.modules` and import again, as `delete require.cache[...]` does in Node."""

from __future__ import annotations

import sys
from importlib import import_module

from pytest_reloadleak.strategies.imports.extension_modules import kept_modules
from pytest_reloadleak.strategies.imports.name_stamps import fresh_name
from pytest_reloadleak.strategies.imports.unit import reloadable
from pytest_reloadleak.strategies.single import Single


class Decache(Single):
    """The strategy `decache`."""

    name = "decache"

    def reload(self, names: list[str]) -> None:
        """Drop the modules and import them again; parents' attributes and finders' caches stay as they are."""
        modules = reloadable(names)
        for name in modules:
            del sys.modules[name]
        with kept_modules([name for name in names if name not in modules]):
            for name in modules:
                import_module(fresh_name(name))
