"""Find the effects of holders: an object of the host may hold an old generation and own a thread, as a handler does.

The object came with one generation, and its attributes lead to the thread, the task or the open file.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.holders.grouping import Group
from pytest_reloadleak.holders.results.dominators import own_parts

Mark = int | tuple[str, int]
"""The id of an effect's object, or `("fd", number)` for a descriptor, since a program may keep only the number."""

_DEPTH = 5
"""The largest number of references from an object to its effect: its dict, a queue, the queue's dict, a connection."""
_MOST = 300
"""The largest number of objects to read below one object."""
_OPAQUE = foreign.type_ids(
    types.FunctionType, types.CodeType, types.FrameType, types.CoroutineType, types.GeneratorType
)


def owned(
    groups: Iterable[Group], born: Callable[[int], int], wanted: Collection[Mark]
) -> dict[int, frozenset[Mark]]:
    """By the id of a group, the effects that belong to the objects through which it holds a generation.

    If the objects of two generations lead to an effect, for example over a common parent, it belongs to the nearer one.

    Args:
        groups: all groups of one diagnosis.
        born: the generation of a sink, by its id.
        wanted: the effects.
    """
    if not wanted:
        return {}
    found: dict[int, frozenset[Mark]] = {}
    for group in groups:
        generations: dict[int, dict[Mark, int]] = {}
        for parts in own_parts([group], born).values():
            path = parts[0][1]
            near = generations.setdefault(born(id(path[-1])), {})
            for mark, depth in _below(path[0], wanted):
                near[mark] = min(depth, near.get(mark, depth))
        found[id(group)] = frozenset(_nearest(list(generations.values())))
    return found


def _nearest(tables: list[dict[Mark, int]]) -> Iterator[Mark]:
    """The effects that one of several objects reaches in fewer steps than the others."""
    for mark in set().union(*tables):
        depths = sorted(table[mark] for table in tables if mark in table)
        if len(depths) == 1 or depths[0] < depths[1]:
            yield mark


def _below(start: Any, wanted: Collection[Mark]) -> Iterator[tuple[Mark, int]]:
    """The effects below an object, each with its distance in references."""
    level, seen, left = [start], {id(start)}, _MOST
    for depth in range(_DEPTH + 1):
        below = []
        for o in level:
            if type(o) is int and ("fd", o) in wanted:
                yield ("fd", o), depth
            elif id(o) in wanted:
                yield id(o), depth
            if left > 0 and not _is_closed(o):
                referents = [r for r in gc.get_referents(o) if id(r) not in seen]
                below += referents
                seen.update(id(r) for r in referents if type(r) is not int)
                left -= len(referents)
        level = below


def _is_closed(o: object) -> bool:
    """Whether an object is not entered, since many share it or it is code."""
    return (
        foreign.is_atom(o)
        or foreign.is_class(o)
        or foreign.is_module(o)
        or foreign.is_exactly(o, _OPAQUE)
        or (type(o) is dict and bool(foreign.module_name(o)))
    )
