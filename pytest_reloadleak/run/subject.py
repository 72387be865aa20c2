"""Define what a run reloads, and how: the unit, the strategy, the dispose hooks, and the test runner's part."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any

from pytest_reloadleak.heap import foreign
from pytest_reloadleak.run.runner import Runner
from pytest_reloadleak.strategies.dispose import Call, Disposal
from pytest_reloadleak.strategies.imports.earlier import Earlier
from pytest_reloadleak.strategies.imports.unit import Unit
from pytest_reloadleak.strategies.imports.unload import unload
from pytest_reloadleak.strategies.strategy import Strategy, children_first


@dataclass(slots=True, eq=False, repr=False)
class Subject:
    """What a run reloads.

    Attributes:
        unit: the target's modules; `widen` adds the others that the strategy reloads.
        strategy: a built-in strategy, or `None` when the application's own reload is checked.
        runner: the test runner's part.
        disposal: the dispose hooks.
        dependents: modules that depend on the target, imported with it since a program would have them loaded.
        earlier: modules that match the target's pattern but were loaded before the run.
    """

    unit: Unit
    strategy: Strategy | None
    runner: Runner = field(default_factory=Runner)
    disposal: Disposal = field(default_factory=Disposal)
    dependents: tuple[str, ...] = ()
    earlier: Earlier = field(default_factory=Earlier)

    @property
    def is_loaded_here(self) -> bool:
        """Whether the target is loaded in this process."""
        return self.strategy is None or self.strategy.loads_here

    @property
    def is_in_place(self) -> bool:
        """Whether a reload may execute in the existing namespaces."""
        return self.strategy is None or self.strategy.is_in_place

    def widen(self) -> None:
        """Add the other modules that the strategy reloads, once the target has been imported."""
        if self.strategy is not None:
            self.unit = self.strategy.widen(self.unit)

    def loaded(self, names: list[str] | None = None) -> list[str]:
        """Names of the unit's loaded modules, parents first, without those that were loaded before the run.

        Args:
            names: all loaded modules of the unit, if the caller has just looked them up.
        """
        entries = ((n, sys.modules.get(n)) for n in (names if names is not None else self.unit.loaded()))
        return [name for name, module in entries if module is not None and not self.earlier.has(name, module)]

    def entries(self, names: list[str] | None = None) -> list[tuple[str, object]]:
        """Name and `sys.modules` entry of each loaded module of the unit; `names` as for `loaded`."""
        return [(name, sys.modules[name]) for name in self.loaded(names)]

    def namespaces(self) -> dict[str, dict[str, Any]]:
        """The unit's current namespaces by module name."""
        found = {name: foreign.module_dict(module) for name, module in self.entries()}
        return {name: namespace for name, namespace in found.items() if namespace is not None}

    def files(self) -> tuple[str, ...]:
        """The source files of the unit's loaded modules."""
        files = [dict.get(namespace, "__file__") for namespace in self.namespaces().values()]
        return tuple(file for file in files if type(file) is str)

    def module(self, name: str) -> Any:
        """The object that stands for a module of the target in the current round."""
        return self.strategy.module(name) if self.strategy is not None else sys.modules.get(name)

    def proof(self) -> set[str]:
        """Modules that the last reload executed outside this process."""
        return self.strategy.proof() if self.strategy is not None else set()

    def unload(self) -> None:
        """Drop the last generation and import nothing: there is no successor to hand data to."""
        loaded = self.loaded()
        self.disposal.handover(loaded)
        if self.strategy is not None:
            self.strategy.unload(loaded)
        else:
            unload(loaded)
        self.runner.unloaded()

    def hooks_due(self) -> list[Call]:
        """The dispose hooks of the outgoing generation that have not run yet, in order."""
        loaded = self.loaded()
        names = self.strategy.outgoing(loaded) if self.strategy is not None else children_first(loaded)
        return self.disposal.calls(names, self.unit.names, self.module)

    def failures(self) -> list[str]:
        """What failed in the disposal of generations."""
        elsewhere = self.strategy.failures if self.strategy is not None else []
        return list(dict.fromkeys((*self.disposal.errors, *elsewhere)))
