"""Reload with `importlib.reload`, the standard library's way: submodules first, and in the same namespaces."""

from __future__ import annotations

import sys
from importlib import reload

from pytest_reloadleak.heap import foreign
from pytest_reloadleak.strategies.dependencies.importers import bound_modules
from pytest_reloadleak.strategies.dependencies.project import Project
from pytest_reloadleak.strategies.imports.name_stamps import stamp_specs
from pytest_reloadleak.strategies.imports.unit import reloadable
from pytest_reloadleak.strategies.single import Single


class Reload(Single):
    """The strategy `reload`."""

    name = "reload"
    is_in_place = True

    def __init__(self, project: Project) -> None:
        super().__init__(project)
        self._ranks: dict[str, int] = {}
        """The order of the modules at the first reload. Each reload moves modules to the end of `sys.modules`, so in a
        circle of imports another module would come first each time, and would keep objects of another age."""

    def reload(self, names: list[str]) -> None:
        """Reload each module in place, after its submodules and after the modules that it imported from."""
        modules = [name for name in reloadable(names) if not _is_substitute(name, names)]
        stamp_specs(modules)
        for name in modules:
            self._ranks.setdefault(name, len(self._ranks))
        for name in in_order(sorted(modules, key=self._ranks.__getitem__)):
            reload(sys.modules[name])


def _is_substitute(name: str, names: list[str]) -> bool:
    """Whether a module of the unit put a non-module into `sys.modules`: its own execution does that again."""
    return not foreign.is_module(sys.modules.get(name)) and name.rpartition(".")[0] in names


def in_order(names: list[str]) -> list[str]:
    """Modules of a unit, each after its submodules and after the modules whose objects it binds."""
    # In any other order, `from .base import Base` would bind the old `Base`. In a circle of imports one module must
    # come first and keeps an old object. That is a property of the circle, so it is reported.
    done: dict[str, None] = {}
    under_way: set[str] = set()

    def visit(name: str) -> None:
        if name in done or name in under_way:
            return
        under_way.add(name)
        for other in sorted(names, key=lambda other: -other.count(".")):
            if other.startswith(f"{name}.") or (other in needed[name] and not name.startswith(f"{other}.")):
                visit(other)
        done[name] = None

    needed = {name: bound_modules(name) for name in names}
    for name in sorted(names, key=lambda name: -name.count(".")):
        visit(name)
    return list(done)
