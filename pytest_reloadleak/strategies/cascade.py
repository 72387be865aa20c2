"""Reload the target and every first-party module that depends on it: hot module replacement with a dependency graph."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from typing import Any

from pytest_reloadleak.heap import foreign
from pytest_reloadleak.strategies.dependencies import graph, import_records, importers
from pytest_reloadleak.strategies.dependencies.project import Project
from pytest_reloadleak.strategies.imports.extension_modules import kept_modules
from pytest_reloadleak.strategies.imports.finder_caches import invalidate_caches
from pytest_reloadleak.strategies.imports.handover import given
from pytest_reloadleak.strategies.imports.locks import imports_locked
from pytest_reloadleak.strategies.imports.name_stamps import fresh_name
from pytest_reloadleak.strategies.imports.unit import Unit, module_names, reloadable
from pytest_reloadleak.strategies.imports.unload import unload
from pytest_reloadleak.strategies.strategy import Strategy

ACCEPT = "__reload_accept__"
"""By this name a module declares that it can take an update of what it depends on: it is then not reloaded, and the
climb stops there. `True`: of anything; a list of module names: of those; a function: of anything, and it is called
with the fresh modules by name."""


class Cascade(Strategy):
    """The strategy `cascade`.

    Args:
        project: what is first-party.
    """

    name = "cascade"

    def __init__(self, project: Project) -> None:
        super().__init__()
        self._project = project
        self._order: list[str] = []
        self._accepting: list[str] = []
        self._left_alone: tuple[str, ...] = ()
        self._given: list[str] = []

    def begin(self) -> None:
        """Record who imports whom from now on."""
        import_records.start()

    def end(self) -> None:
        """Record no longer, and give the original modules to who accepted updates of them."""
        import_records.stop()
        if self._given and all(name in sys.modules for name in self._given):
            for name in self._accepting:
                with suppress(Exception, SystemExit):  # if this is not accepted, the others were not either
                    _accept(name, self._given)

    def widen(self, unit: Unit) -> Unit:
        """The unit with every first-party module that depends on it."""
        with imports_locked(Closure.of(unit, self._project).order):  # who imports one just now is waited for
            closure = Closure.of(unit, self._project)
        self._order, self._accepting, self._left_alone = closure.order, closure.accepting, closure.left_alone
        return replace(unit, dependents=frozenset(closure.order) - frozenset(unit.loaded()))

    def reload(self, names: list[str]) -> None:
        """Drop all of them, and import them again in the order of their dependencies."""
        modules = reloadable(names)
        unload(names)
        invalidate_caches()
        place = {name: at for at, name in enumerate(self._order)}
        kept = [name for name in names if name not in modules]
        with given(_submodules_left(modules)), kept_modules(kept):
            for name in sorted(modules, key=lambda name: place.get(name, -1)):
                if name not in sys.modules:
                    import_module(fresh_name(name))
        self._given = modules if self._accepting else []
        for name in self._accepting:
            _accept(name, modules)

    def outgoing(self, names: list[str]) -> list[str]:
        """Whoever depends on others before those."""
        place = {name: at for at, name in enumerate(self._order)}
        return sorted(names, key=lambda name: place.get(name, -1), reverse=True)

    def not_reloaded(self, unit: Unit, same: list[str]) -> list[str]:
        """Also the libraries on which the reloaded modules depend, and who takes the update without being reloaded."""
        del unit
        return [*same, *self._left_alone]


class Closure:
    """The first-party modules that have to be reloaded with a unit.

    Attributes:
        order: all of them, the unit's included, in the order of their dependencies.
        accepting: modules that take the update instead.
        left_alone: what stays as it is: those, and the libraries.
    """

    def __init__(self, order: list[str], accepting: list[str], left_alone: tuple[str, ...]) -> None:
        self.order = order
        self.accepting = accepting
        self.left_alone = left_alone

    @classmethod
    def of(cls, unit: Unit, project: Project) -> Closure:
        """The closure of a unit in what is loaded now; the modules of the unit itself need not be loaded."""
        nodes = [name for name in module_names() if unit.owns(name) or project.owns(name)]
        needs = importers.among(nodes)
        mine = unit.loaded() or list(unit.names)
        accepting: dict[str, None] = {}

        def stops(name: str, changed: str) -> bool:
            takes = _takes(name, changed)
            if takes:
                accepting[name] = None
            return takes

        reached = graph.dependents(needs, mine, stops)
        names = {*mine, *reached}
        for name in reached:  # one path stopped at it, and another did not
            accepting.pop(name, None)
        islands = graph.islands([name for name in nodes if name in names], needs)
        # A circle is entered where it was before: by the module whose import was over last.
        order = [name for island in islands for name in (island[-1], *island[:-1])]
        libraries = {
            other.partition(".")[0]
            for name in order
            for other in needs.get(name, ())
            if other not in nodes and sys.modules.get(other) is not None
        }
        return cls(order, list(accepting), tuple(sorted({*libraries, *accepting})))


def dependents(target: str, project: Project) -> list[str]:
    """Loaded first-party modules that depend on a target, in the order of their dependencies."""
    return _others(target, Closure.of(Unit((target,)), project).order)


def beside(target: str, project: Project) -> list[str]:
    """What a program would have loaded beside a target: its dependents, and who accepts updates of it."""
    closure = Closure.of(Unit((target,)), project)
    return _others(target, [*closure.order, *closure.accepting])


def _others(target: str, names: list[str]) -> list[str]:
    unit = Unit((target,))
    return [name for name in names if not unit.owns(name)]


def _takes(name: str, changed: str) -> bool:
    """Whether a module declares that it can take an update of another."""
    declared = (foreign.module_dict(sys.modules.get(name)) or {}).get(ACCEPT)
    if isinstance(declared, (list, tuple, set, frozenset)):
        return changed in declared
    return declared is True or callable(declared)


def _accept(name: str, modules: list[str]) -> None:
    declared: Any = (foreign.module_dict(sys.modules.get(name)) or {}).get(ACCEPT)
    if callable(declared):
        accept: Callable[[dict[str, Any]], object] = declared
        accept({module: sys.modules.get(module) for module in modules})


def _submodules_left(modules: list[str]) -> dict[str, dict[str, Any]]:
    """For each package that is reloaded without all of its submodules: those, as its attributes.

    The import system binds them when it loads them, which it will not do again.
    """
    out: dict[str, dict[str, Any]] = {}
    for name, module in foreign.loaded_modules():
        parent, _, leaf = name.rpartition(".")
        if parent in modules and module is not None:
            out.setdefault(parent, {})[leaf] = module
    return out
