"""What a strategy is, and what the built-in ones share."""

from __future__ import annotations

import sys
from typing import Any

from pytest_reloadleak.heap import foreign
from pytest_reloadleak.strategies import targets


class Strategy:
    """One way to reload."""

    name = ""
    is_in_place = False
    """Whether the namespaces stay, and are executed into again."""

    def reload(self, names: list[str]) -> None:
        """Reload the unit once.

        Args:
            names: the target's modules, parents first. Raises whatever the target's code raises.
        """
        raise NotImplementedError

    def outgoing(self, names: list[str]) -> list[str]:
        """Which of the unit's loaded modules the next reload drops, in the order in which they are disposed."""
        return children_first(names)


def children_first(names: list[str]) -> list[str]:
    """Modules with the deepest first, and of those the one that was imported last."""
    return sorted(names, key=lambda name: name.count("."))[::-1]


def reloadable(names: list[str]) -> list[str]:
    """The modules whose code Python can execute again: extension modules stay where they are."""
    return [name for name in names if not targets.is_extension(spec_of(sys.modules.get(name)))]


def spec_of(module: Any) -> object:
    """The `__spec__` of a `sys.modules` entry, if it is a module."""
    return (foreign.module_dict(module) or {}).get("__spec__")
