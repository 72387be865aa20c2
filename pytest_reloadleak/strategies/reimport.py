"""Drop the unit from wherever the import system keeps it, and import again: the default."""

from __future__ import annotations

import importlib
import sys

from pytest_reloadleak.heap import foreign
from pytest_reloadleak.strategies.base import reloadable
from pytest_reloadleak.strategies.kept import kept_modules
from pytest_reloadleak.strategies.stamps import fresh_name


class Reimport:
    """The strategy `reimport`."""

    name = "reimport"
    is_in_place = False

    def reload(self, names: list[str]) -> None:
        """Drop the modules, the parents' attributes and the finders' caches, and import again.

        Without the parent's attribute gone, `from pkg import sub` would go on to find the old module there
        (reload facts, row 4).
        """
        modules = reloadable(names)
        for name in modules:
            parent, _, leaf = name.rpartition(".")
            holder = foreign.module_dict(sys.modules.get(parent)) or {}
            if holder.get(leaf) is sys.modules[name]:
                del holder[leaf]
        for name in modules:
            del sys.modules[name]
        importlib.invalidate_caches()
        with kept_modules([name for name in names if name not in modules]):
            for name in modules:
                if name not in sys.modules:
                    importlib.import_module(fresh_name(name))
