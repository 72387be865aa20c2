"""How much is alive only because of old generations: what the sinks lead to and the sweep did not reach.

The sweep never enters a sink, so what it has not seen is exactly what nothing but the sinks keeps; counting it is a
walk over the leak, not over the heap.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.holders.retained import Retained
from pytest_reloadleak.holders.sweep import Sweep

_SIZEOF = object.__sizeof__


class Reach(NamedTuple):
    """What some sinks lead to."""

    generations: frozenset[int]
    ids: set[int]
    objects: int
    size_bytes: int


class Reaches:
    """What sinks keep alive, for one finished sweep.

    Hundreds of holders may each lead to the same old namespaces, and by them to all of a generation. So what a
    namespace leads to is kept: whoever comes to it later has all of that, without a walk.

    Args:
        sweep: the finished sweep.
        retained: all retained objects, for their generations.
    """

    def __init__(self, sweep: Sweep, retained: Retained) -> None:
        self._sweep = sweep
        self._retained = retained
        self._bytes: dict[int, int] = {}
        self._closures: dict[int, set[int]] = {}
        """Ids of what a namespace leads to, by its own id; those that lead to one another have one set in common."""
        self._counted: dict[frozenset[int], Reach] = {}

    def of(self, sinks: Mapping[int, Any]) -> Reach:
        """What some retained objects, by id, keep alive.

        A function keeps its namespace, and with it ten thousand others: they are where to begin.
        """
        key = frozenset(sinks)
        if key not in self._counted:
            self._counted[key] = self._count(sinks)
        return self._counted[key]

    def _count(self, sinks: Mapping[int, Any]) -> Reach:
        born = self._retained.born
        homes = {id(home): home for home in map(_home, sinks.values()) if id(home) in born}
        ids = self._walk(homes)
        if not sinks.keys() <= ids:
            ids = self._walk({**homes, **sinks})
        generations = frozenset(born[key] for key in ids & born.keys())
        return Reach(generations, ids, len(ids), sum(map(self._bytes.__getitem__, ids)))

    def _walk(self, start: Mapping[int, Any], closing: int | None = None) -> set[int]:
        """Ids of what some objects lead to, they included.

        Args:
            start: the objects by id.
            closing: id of the namespace whose closure this becomes; otherwise one more closure is made on the way, no
                more: of a thousand namespaces that lead to one another the next walk finds the first one closed.
        """
        seen, ids, stack = self._sweep.seen, set(start), list(start.values())
        merged: list[set[int]] = []
        may_close = closing is None
        while stack:
            o = stack.pop()
            key = id(o)
            if any(key in closure for closure in merged):
                continue
            if may_close and key not in self._closures and type(o) is dict and key in self._retained.born:
                self._closures[key] = self._walk({key: o}, key)
                may_close = False
            closure = self._closures.get(key)
            if closure is not None:
                if closing in closure:
                    return closure  # each leads to the other
                merged.append(closure)
                ids |= closure
                continue
            own = []
            for child in gc.get_referents(o):
                if gc.is_tracked(child):
                    if id(child) not in ids and id(child) not in seen:
                        ids.add(id(child))
                        stack.append(child)
                elif gc.getrefcount(child) <= _ONE_OWNER:
                    own.append(child)  # a string or number of nobody else's: it is size, no object
            # A walk that this one interrupted may still have a hand on the last that it looked at, which then has two.
            if key not in self._bytes:
                self._bytes[key] = size_bytes(o) + (_bytes_with_own(own) if own else 0)
        return next((closure for closure in merged if len(closure) == len(ids)), ids)


def _bytes_with_own(objects: list[Any]) -> int:
    """Size of objects that the collector does not track, with what only they have."""
    total = 0
    while objects:
        one = objects.pop()
        total += size_bytes(one)
        objects += [c for c in gc.get_referents(one) if gc.getrefcount(c) <= _ONE_OWNER]
    return total


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


_DEEPEST = 6
_MOST = 10_000


def own_size(objects: list[Any]) -> tuple[int, int]:
    """Tracked objects, and size in bytes, of some objects with what only they have, a few references deep.

    What somebody else refers to as well is not counted, nor is what lies beyond `_MOST` objects: both are lower bounds.

    Args:
        objects: items of one container, in a list of the caller's. One that somebody else has too is size, but no
            object of the container's, and nor is what it has.
    """
    # A sweep that goes on may have them in a list of its own.
    owned = [o for o in objects if gc.getrefcount(o) <= _ONE_OWNER + 1]
    tracked = sum(sum(map(gc.is_tracked, level)) for level in _levels(owned))
    return tracked, sum(sum(map(size_bytes, level)) for level in _levels(objects))


def _levels(objects: list[Any]) -> Iterator[list[Any]]:
    """Some objects, then what only they have, then what only that has, and so on."""
    level = objects
    for _ in range(_DEEPEST):
        yield level
        level = [
            child
            for o in level[:_MOST]
            for child in gc.get_referents(o)
            if gc.getrefcount(child) <= _ONE_OWNER
        ]


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
