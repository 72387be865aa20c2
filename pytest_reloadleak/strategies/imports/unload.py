"""Drop the unit from everywhere in the import system, or enter a module that a host made; import nothing."""

from __future__ import annotations

import sys
from types import ModuleType

from pytest_reloadleak.heap import foreign
from pytest_reloadleak.strategies.imports.unit import reloadable


def unload(names: list[str]) -> None:
    """Drop modules from `sys.modules` and from their parents' attributes. Extension modules stay.

    A parent that is dropped too keeps its attributes: the import system no longer finds it, and code that continues
    with the old version, such as a thread in the middle of a call, needs all of it.

    Args:
        names: the unit's loaded modules.
    """
    modules = reloadable(names)
    for name in modules:
        parent, _, leaf = name.rpartition(".")
        if parent in modules:
            continue
        holder = foreign.namespace(parent)
        if holder.get(leaf) is sys.modules[name]:
            del holder[leaf]
    for name in modules:
        del sys.modules[name]


def enter(name: str, module: ModuleType) -> None:
    """Give a name in `sys.modules` to a module that a host executed and keeps to itself.

    Args:
        name: the target's name.
        module: its newest generation.
    """
    sys.modules[name] = module
