"""Count the objects of each type over some rounds, and find the types of which each round leaves more."""

from __future__ import annotations

import sys
import weakref
from itertools import pairwise
from typing import Any

from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.heap.levels.choice import counted
from pytest_reloadleak.heap.own_objects import adopt, is_of_tool
from pytest_reloadleak.model import TypeGrowth

_MOST = 20
"""The largest number of types that a report lists."""
_SKIPPED = frozenset({"tuple", "frame", "cell"})
"""Types whose number is random: the collector untracks tuples, and frames come and go with the tool's own calls."""
_REFERENCE = weakref.ref.__name__
_READS = frozenset({"__getattribute__", "__name__"})
"""Attributes that make it unsafe to read a class's name, if its metaclass defines them."""

Names = dict[int, "tuple[weakref.ref[type], str | None]"]
"""By a type's id, the type and its name. The type, since another one may get the id later; `None` for the tool's."""


class ByType:
    """Counts the objects of each type before, between and after some rounds. It keeps only numbers."""

    def __init__(self, rounds: int) -> None:
        self._due = {0, rounds // 2, rounds}
        self._counts: list[tuple[int, dict[str, int]]] = []
        self._names: Names = {}

    def is_due(self, number: int) -> bool:
        """Whether to count after this round: three counts distinguish growth from what was left once."""
        return number in self._due

    def note(self, number: int, own_references: int = 0) -> None:
        """Count the objects of each type at the end of a settled round, or before the first one.

        Args:
            number: of the round.
            own_references: how many of the weak references are this tool's.
        """
        found = _counted(self._names)
        if _REFERENCE in found:
            found[_REFERENCE] -= own_references
        self._counts.append((number, found))

    def found(self) -> tuple[TypeGrowth, ...]:
        """The types of which each part of the rounds left more, those that grew most first."""
        rates: dict[str, int] = {}
        for (first, before), (last, after) in pairwise(self._counts):
            steps = {
                name: round((count - before.get(name, 0)) / (last - first)) for name, count in after.items()
            }
            rates = {name: min(step, rates.get(name, step)) for name, step in steps.items()}
        grown = sorted((-rate, name) for name, rate in rates.items() if rate > 0 and name not in _SKIPPED)
        return tuple(TypeGrowth(type=name, per_round=-rate) for rate, name in grown[:_MOST])


def _counted(names: Names) -> dict[str, int]:
    """Numbers of objects by the short name of their type.

    Args:
        names: the known names, to which new ones are added. Naming a type takes longer than counting its objects.
    """
    objects = gc.get_objects()
    # Counted by address. Each type's name is read once; that of a hostile type, or of our own, is not.
    found: dict[str, int] = {}
    for position, count in counted(objects).items():
        kind = type(objects[position])
        known = names.get(id(kind))
        if known is None or known[0]() is not kind:
            known = names[id(kind)] = (weakref.ref(kind), _name(objects[position]))
        name = known[1]
        if name is not None:
            found[name] = found.get(name, 0) + count
    return found


def _name(example: Any) -> str | None:
    """The short name of an object's type; `None` if it is the tool's own."""
    kind = type(example)
    if not _is_named_safely(kind):
        return foreign.class_name(kind).rpartition(".")[2]
    if is_of_tool(foreign.class_module(kind)):
        return None
    if "objgraph" not in sys.modules:
        adopt("objgraph")
    import objgraph  # only what leaks is worth a look at types

    (name,) = objgraph.typestats([example])
    return str(name)


def _is_named_safely(kind: Any) -> bool:
    """Whether the plain read of a class's name, which objgraph does, runs no code of the program."""
    # It is empty for a class that is its own type and that the collector has cleared.
    mro = foreign.mro(type(kind))
    metaclasses = [cls for cls in mro if cls is not type and cls is not object]
    return len(metaclasses) < len(mro) and all(
        _READS.isdisjoint(foreign.class_dict(cls)) for cls in metaclasses
    )
