"""Define what a strategy is, and what the built-in strategies share."""

from __future__ import annotations

import sys
from typing import Any

from pytest_reloadleak.effects.probe import Probe
from pytest_reloadleak.strategies.imports.unit import Unit
from pytest_reloadleak.strategies.imports.unload import unload


class Strategy:
    """One way to reload."""

    name = ""
    is_in_place = False
    """Whether modules are executed again in the same namespaces."""
    loads_here = True
    """Whether the target is loaded in the process of the check."""

    def __init__(self) -> None:
        self.failures: list[str] = []
        """Errors from disposing generations in another process."""

    def begin(self) -> None:
        """Prepare for a check, before the target is imported."""

    def end(self) -> None:
        """Undo what `begin` did, whatever has happened since."""

    def widen(self, unit: Unit) -> Unit:
        """The unit with everything else that this strategy reloads; called once, after the target is imported."""
        return unit

    def reload(self, names: list[str]) -> None:
        """Reload the unit once. Exceptions of the target's code reach the caller.

        Args:
            names: the target's modules, parents first.
        """
        raise NotImplementedError

    def unload(self, names: list[str]) -> None:
        """Drop the last generation, and import nothing."""
        unload(names)

    def proof(self) -> set[str]:
        """Modules that the last reload certainly executed, where this process cannot see it."""
        return set()

    def trace_next(self, module: str, job: dict[str, Any]) -> str | None:
        """Let the process of the next generation trace the lines that it executes.

        Args:
            module: the module whose `main` that process calls.
            job: its instructions.

        Returns:
            The file for its record; `None` if the lines of the target run in this process.
        """
        del module, job
        return None

    def end_traced(self) -> None:
        """End the process that traces, if there is one."""

    def probes(self) -> list[Probe]:
        """Probes for what only this strategy leaves behind."""
        return []

    def outgoing(self, names: list[str]) -> list[str]:
        """Those of the unit's loaded modules that the next reload drops, in the order of disposal."""
        return children_first(names)

    def successor(self, name: str) -> str:
        """The name of the module that the next reload loads in place of a present one."""
        return name

    def module(self, name: str) -> Any:
        """A module of the target in the present round, or its stand-in."""
        return sys.modules.get(name)

    def not_reloaded(self, unit: Unit, same: list[str]) -> list[str]:
        """Modules of the unit and of its dependencies that keep their state.

        Args:
            unit: the unit.
            same: its modules that no round executed again.
        """
        del unit
        return same


def children_first(names: list[str]) -> list[str]:
    """Modules with the deepest first; among equally deep ones, the one that was imported last."""
    return sorted(names, key=lambda name: name.count("."))[::-1]
