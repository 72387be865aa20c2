"""What a strategy is, and what the built-in ones share."""

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
    """Whether the namespaces stay, and are executed into again."""
    loads_here = True
    """Whether the target is loaded in the process that checks."""

    def __init__(self) -> None:
        self.failures: list[str] = []
        """What went wrong when generations were disposed elsewhere than here."""

    def begin(self) -> None:
        """Prepare for a check, before the target is imported."""

    def end(self) -> None:
        """Undo what `begin` did, whatever happened since."""

    def widen(self, unit: Unit) -> Unit:
        """The unit with whatever else this strategy reloads; asked once, when the target has been imported."""
        return unit

    def reload(self, names: list[str]) -> None:
        """Reload the unit once.

        Args:
            names: the target's modules, parents first. Raises whatever the target's code raises.
        """
        raise NotImplementedError

    def unload(self, names: list[str]) -> None:
        """Drop the last generation, and import nothing."""
        unload(names)

    def proof(self) -> set[str]:
        """Modules that the last reload is known to have executed, where that cannot be seen in this process."""
        return set()

    def probes(self) -> list[Probe]:
        """Probes for what only this strategy leaves behind."""
        return []

    def outgoing(self, names: list[str]) -> list[str]:
        """Which of the unit's loaded modules the next reload drops, in the order in which they are disposed."""
        return children_first(names)

    def heir(self, name: str) -> str:
        """The module that the next reload loads in the place of a present one."""
        return name

    def module(self, name: str) -> Any:
        """What stands for a module of the target in the present round."""
        return sys.modules.get(name)

    def not_reloaded(self, unit: Unit, same: list[str]) -> list[str]:
        """Modules that keep their state: of the unit, and of those on which it depends.

        Args:
            unit: the unit.
            same: its modules that no round executed anew.
        """
        del unit
        return same


def children_first(names: list[str]) -> list[str]:
    """Modules with the deepest first, and of those the one that was imported last."""
    return sorted(names, key=lambda name: name.count("."))[::-1]
