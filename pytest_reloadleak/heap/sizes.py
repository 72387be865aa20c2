"""How much is alive only because of old generations: what the sinks lead to and the sweep did not reach.

The sweep never enters a sink, so what it has not seen is exactly what nothing but the sinks keeps; counting it is a
walk over the leak, not over the heap.
"""

from __future__ import annotations

import types
from dataclasses import dataclass, field
from typing import Any

from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.heap.retained import Retained
from pytest_reloadleak.heap.sweep import Sweep

_SIZEOF = object.__sizeof__


@dataclass(slots=True, eq=False, repr=False)
class Reach:
    """What some sinks lead to."""

    generations: set[int] = field(default_factory=set)
    ids: set[int] = field(default_factory=set)
    objects: int = 0
    size_bytes: int = 0


def reach_of(
    sinks: dict[int, Any], sweep: Sweep, retained: Retained, cache: dict[frozenset[int], Reach]
) -> Reach:
    """What `sinks` keep alive.

    Args:
        sinks: retained objects by id.
        sweep: the finished sweep.
        retained: all retained objects, for their generations.
        cache: reaches already counted, by the namespaces they start from: ten thousand functions of one old namespace
            keep the same things alive.
    """
    homes = {id(home): home for home in map(_home, sinks.values())}
    key = frozenset(homes)
    if key not in cache:
        cache[key] = _walk(homes, sweep, retained)
    base = cache[key]
    if all(sink in base.ids for sink in sinks):
        return base
    return _walk({**homes, **sinks}, sweep, retained)


def _home(o: Any) -> Any:
    """The namespace that an object of the target keeps alive, or the object itself."""
    return o.__globals__ if type(o) is types.FunctionType else o


def _references_of_one_owner() -> int:
    """The reference count that `_walk` reads of an object with one owner: what borrows differs between interpreters."""
    owner = [object()]
    count = 0
    for child in gc.get_referents(owner):
        count = gc.getrefcount(child)
    return count


_ONE_OWNER = _references_of_one_owner()


def _walk(start: dict[int, Any], sweep: Sweep, retained: Retained) -> Reach:
    reach = Reach(ids=set())
    stack = [o for key, o in start.items() if key in retained.born]
    reach.ids.update(map(id, stack))
    while stack:
        o = stack.pop()
        reach.size_bytes += size_bytes(o)
        generation = retained.born.get(id(o))
        if generation is not None:
            reach.generations.add(generation)
        for child in gc.get_referents(o):
            if id(child) in reach.ids or id(child) in sweep.seen:
                continue
            if gc.is_tracked(child):
                reach.ids.add(id(child))
                stack.append(child)
            # A string or number of nobody else's: it is size, no object.
            elif gc.getrefcount(child) <= _ONE_OWNER:
                stack.append(child)
    reach.objects = len(reach.ids)
    return reach


_DEEPEST = 6
_MOST = 10_000


def own_size(objects: list[Any]) -> tuple[int, int]:
    """Tracked objects, and size in bytes, of some objects with what only they have, a few references deep.

    What somebody else refers to as well is not counted, nor is what lies beyond `_MOST` objects: both are lower bounds.

    Args:
        objects: what has one owner besides this list, or else is not counted as an object either.
    """
    tracked, total_bytes, level = 0, 0, objects
    for depth in range(_DEEPEST):
        # A sweep that goes on may have the first in a list of its own.
        owned = level if depth else [o for o in level if gc.getrefcount(o) <= _ONE_OWNER + 1]
        tracked += sum(map(gc.is_tracked, owned))
        total_bytes += sum(map(size_bytes, level))
        level = [
            child
            for o in level[:_MOST]
            for child in gc.get_referents(o)
            if gc.getrefcount(child) <= _ONE_OWNER
        ]
    return tracked, total_bytes


_TYPE_FLAGS = type.__dict__["__flags__"].__get__
_HAVE_GC = 1 << 14
_MANAGED = 1 << 3 | 1 << 4
"""Flags of a type whose objects are preceded by a header of the collector's, tracked at the moment or not, and by two
pointers to their dict and weak references (since 3.11): part of them, as `sys.getsizeof` has it."""
_HEADER_BYTES = 16


def _header_bytes(o: Any) -> int:
    flags = _TYPE_FLAGS(type(o))
    # Classes written in C are not the collector's, whatever their type says.
    is_collected = gc.is_tracked(o) or (flags & _HAVE_GC and not foreign.is_class(o))
    return _HEADER_BYTES * (bool(is_collected) + bool(flags & _MANAGED))


def size_bytes(o: Any) -> int:
    """Shallow size in bytes, headers included, never through a `__sizeof__` that Python code defines."""
    for cls in foreign.mro(type(o)):
        method = foreign.class_dict(cls).get("__sizeof__")
        if type(method) is types.MethodDescriptorType:
            return int(method(o)) + _header_bytes(o)
    return int(_SIZEOF(o)) + _header_bytes(o)
