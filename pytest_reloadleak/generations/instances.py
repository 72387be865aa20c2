"""Count the instances of the target's classes: if a reloader keeps the class, none belongs to an old generation."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable
from typing import Any

from pytest_reloadleak.generations.ledger import Ledger
from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import foreign

_STEPS = 4
"""References from an entry of a host, through its attributes and a bound method, to the instance."""
_MOST = 2_000
"""The largest number of objects to visit."""
_CLOSED = foreign.type_ids(types.FunctionType, types.FrameType, types.CodeType)
"""Types whose objects are not entered, since they lead to everything else."""


def references_to_classes(ledger: Ledger, namespaces: Iterable[dict[str, Any]]) -> int:
    """Count the references to the present classes of modules that are reloaded in place, one from each instance.

    The number is not exact, since a subclass refers to its base as well. It costs next to nothing.

    Args:
        ledger: records the births.
        namespaces: the target's present namespaces.
    """
    if not any(map(ledger.markers.is_shared, namespaces)):
        return 0
    classes = (reference() for reference in ledger.births[-1].classes.values())
    return sum(gc.getrefcount(cls) for cls in classes if cls is not None)


def count_instances(objects: Iterable[Any], owns_class: Callable[[type], bool]) -> int:
    """Count the instances that can be reached from some objects in a few steps.

    Args:
        objects: the objects.
        owns_class: whether a class is the target's.
    """
    seen: set[int] = set()
    instances: set[int] = set()
    level = list(objects)
    for _ in range(_STEPS):
        below: list[Any] = []
        for o in level:
            if id(o) in seen or len(seen) > _MOST or _is_closed(o):
                continue
            seen.add(id(o))
            if owns_class(type(o)):
                instances.add(id(o))
            else:
                below += gc.get_referents(o)
        level = below
    return len(instances)


def _is_closed(o: Any) -> bool:
    return foreign.is_atom(o) or foreign.is_exactly(o, _CLOSED) or foreign.is_module(o) or foreign.is_class(o)
