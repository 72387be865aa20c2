"""Count the objects of each type over some rounds, and find the types of which each round leaves more."""

from __future__ import annotations

import sys
from itertools import pairwise
from typing import Any

from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.heap.own_objects import adopt, is_of_tool
from pytest_reloadleak.model import TypeGrowth

_MOST = 20
"""Types that a report lists."""
_SKIPPED = frozenset({"tuple", "frame", "cell"})
"""Types whose number is chance: the collector untracks tuples, and frames come and go with the tool's own."""
_READS = frozenset({"__getattribute__", "__name__"})
"""What makes it unsafe to ask a class for its name, if its metaclass defines it."""


class ByType:
    """Notes how many objects of each type the collector tracks. Keeps names and numbers only."""

    def __init__(self) -> None:
        self._counts: list[dict[str, int]] = []

    def note(self) -> None:
        """Count the objects of each type at the end of a settled round, or before the first one."""
        self._counts.append(_counted())

    def found(self) -> tuple[TypeGrowth, ...]:
        """The types of which most rounds left more, those that grew most first."""
        names = self._counts[-1] if len(self._counts) > 1 else {}
        steps = {
            name: _usual([b.get(name, 0) - a.get(name, 0) for a, b in pairwise(self._counts)])
            for name in names
        }
        grown = sorted((-step, name) for name, step in steps.items() if step > 0 and name not in _SKIPPED)
        return tuple(TypeGrowth(type=name, per_round=-step) for step, name in grown[:_MOST])


def _usual(steps: list[int]) -> int:
    """The median, and of two middle ones the lower: what one round leaves by chance does not count."""
    return sorted(steps)[(len(steps) - 1) // 2]


def _counted() -> dict[str, int]:
    """Numbers of objects by the short name of their type."""
    if "objgraph" not in sys.modules:
        adopt("objgraph")
    import objgraph  # only what leaks is worth a look at types

    objects = gc.get_objects()
    kinds: dict[int, Any] = dict(zip(map(id, map(type, objects)), map(type, objects), strict=True))
    hostile = {key for key, kind in kinds.items() if not _is_named_safely(kind)}
    own = {key for key, kind in kinds.items() if is_of_tool(foreign.class_module(kind))}
    counted: dict[str, int] = objgraph.typestats([o for o in objects if id(type(o)) not in hostile | own])
    for o in objects if hostile else ():
        if id(type(o)) in hostile:
            name = foreign.type_name(o).rpartition(".")[2]
            counted[name] = counted.get(name, 0) + 1
    return counted


def _is_named_safely(kind: Any) -> bool:
    """Whether the plain read of a class's name, which objgraph does, runs no code of the program."""
    metaclasses = (cls for cls in foreign.mro(type(kind)) if cls is not type and cls is not object)
    return all(_READS.isdisjoint(foreign.class_dict(cls)) for cls in metaclasses)
