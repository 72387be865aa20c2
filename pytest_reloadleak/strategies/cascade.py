"""Reload the target and every first-party module that depends on it: hot module replacement with a dependency graph."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from typing import Any, NamedTuple

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
"""A module that defines this name accepts updates of its dependencies. It is not reloaded, and the search for
dependents stops there. `True` accepts any update; a list of module names accepts updates of those; a function accepts
any, and is called with the fresh modules by name."""


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
        """Start recording which module imports which."""
        import_records.start()

    def end(self) -> None:
        """Stop recording, and give the original modules to the modules that accepted updates of them."""
        import_records.stop()
        if self._given and all(name in sys.modules for name in self._given):
            for name in self._accepting:
                with suppress(Exception, SystemExit):  # a hook that rejects the original rejected all
                    _accept(name, self._given)

    def widen(self, unit: Unit) -> Unit:
        """The unit with every first-party module that depends on it."""
        with imports_locked(Closure.of(unit, self._project).order):  # wait for running imports
            closure = Closure.of(unit, self._project)
        self._order, self._accepting, self._left_alone = closure.order, closure.accepting, closure.left_alone
        return replace(unit, dependents=frozenset(closure.order) - frozenset(unit.loaded()))

    def reload(self, names: list[str]) -> None:
        """Drop all modules of the unit, and import them again, dependencies first."""
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
        """Dependents before their dependencies."""
        place = {name: at for at, name in enumerate(self._order)}
        return sorted(names, key=lambda name: place.get(name, -1), reverse=True)

    def not_reloaded(self, unit: Unit, same: list[str]) -> list[str]:
        """Also the libraries that the reloaded modules depend on, and the modules that accept the update instead."""
        del unit
        return [*same, *self._left_alone]


class Closure(NamedTuple):
    """The first-party modules that must be reloaded with a unit."""

    order: list[str]
    """These and the unit's own modules, dependencies first."""
    accepting: list[str]
    """Modules that accept the update instead of being reloaded."""
    left_alone: tuple[str, ...]
    """Modules that stay as they are: the accepting ones and the libraries."""

    @classmethod
    def of(cls, unit: Unit, project: Project) -> Closure:
        """The closure of a unit among the loaded modules; the unit's own modules need not be loaded."""
        nodes = [name for name in module_names() if unit.owns(name) or project.owns(name)]
        needs = importers.dependencies(nodes)
        mine = unit.loaded() or list(unit.names)
        accepting: dict[str, None] = {}

        def stops(name: str, changed: str) -> bool:
            accepts = _accepts(name, changed)
            if accepts:
                accepting[name] = None
            return accepts

        reached = graph.dependents(needs, mine, stops)
        names = {*mine, *reached}
        for name in reached:  # one path stopped at it, but another path reached it
            accepting.pop(name, None)
        islands = graph.islands([name for name in nodes if name in names], needs)
        # A circle is entered where its import entered it: at the module whose import ended last.
        order = [name for island in islands for name in (island[-1], *island[:-1])]
        libraries = {
            other.partition(".")[0]
            for name in order
            for other in needs.get(name, ())
            if other not in nodes and sys.modules.get(other) is not None
        }
        return cls(order, list(accepting), tuple(sorted({*libraries, *accepting})))


def dependents(target: str, project: Project) -> list[str]:
    """Loaded first-party modules that depend on a target, dependencies first."""
    return _others(target, Closure.of(Unit((target,)), project).order)


def loaded_with(target: str, project: Project) -> list[str]:
    """The modules that a program would have loaded with a target: its dependents, and those that accept its updates."""
    closure = Closure.of(Unit((target,)), project)
    return _others(target, [*closure.order, *closure.accepting])


def _others(target: str, names: list[str]) -> list[str]:
    unit = Unit((target,))
    return [name for name in names if not unit.owns(name)]


def _accepts(name: str, changed: str) -> bool:
    """Whether a module declares that it accepts an update of another."""
    declared = foreign.namespace(name).get(ACCEPT)
    if isinstance(declared, (list, tuple, set, frozenset)):
        return changed in declared
    return declared is True or callable(declared)


def _accept(name: str, modules: list[str]) -> None:
    declared: Any = foreign.namespace(name).get(ACCEPT)
    if callable(declared):
        accept: Callable[[dict[str, Any]], object] = declared
        accept({module: sys.modules.get(module) for module in modules})


def _submodules_left(modules: list[str]) -> dict[str, dict[str, Any]]:
    """For each reloaded package, its submodules that stay: nothing binds them, since they are not loaded again."""
    out: dict[str, dict[str, Any]] = {}
    for name, module in foreign.loaded_modules():
        parent, _, leaf = name.rpartition(".")
        if parent in modules and module is not None:
            out.setdefault(parent, {})[leaf] = module
    return out
