"""Drop the unit from wherever the import system keeps it, and import again: the default."""

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
        """Drop the modules, the parents' attributes and the finders' caches, and import again.

        Without the parent's attribute gone, `from pkg import sub` would go on to find the old module there
        (reload facts, row 4).
        """
        modules = reloadable(names)
        unload(names)
        invalidate_caches()
        with kept_modules([name for name in names if name not in modules]):
            for name in modules:
                if name not in sys.modules:
                    import_module(fresh_name(name))
