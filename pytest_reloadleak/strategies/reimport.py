"""Drop the unit from everywhere in the import system, and import it again: the default strategy."""

from __future__ import annotations

import sys
from importlib import import_module

from pytest_reloadleak.strategies.imports.extension_modules import kept_modules
from pytest_reloadleak.strategies.imports.finder_caches import invalidate_caches
from pytest_reloadleak.strategies.imports.name_stamps import fresh_name
from pytest_reloadleak.strategies.imports.unit import reloadable
from pytest_reloadleak.strategies.imports.unload import unload
from pytest_reloadleak.strategies.single import Single


class Reimport(Single):
    """The strategy `reimport`."""

    name = "reimport"

    def reload(self, names: list[str]) -> None:
        """Drop the modules, the parents' attributes and the finders' caches, and import again."""
        modules = reloadable(names)
        # With the parent's attribute kept, `from pkg import sub` would find the old module (reload facts, row 4).
        unload(names)
        invalidate_caches()
        with kept_modules([name for name in names if name not in modules]):
            for name in modules:
                if name not in sys.modules:
                    import_module(fresh_name(name))
