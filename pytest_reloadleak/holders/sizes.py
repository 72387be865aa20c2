"""Measure what only old generations keep alive: what the sinks lead to and the sweep did not reach.

The sweep never enters a sink, so only the sinks keep what it has not seen. Counting that walks the leak, not the heap.
"""

from __future__ import annotations

import types
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.heap.own_objects import is_of_tool
from pytest_reloadleak.holders.retained import Retained
from pytest_reloadleak.holders.sweep import Sweep
from pytest_reloadleak.model import Cost, TypeCost

_SIZEOF = object.__sizeof__


_TYPES = 20
"""The largest number of types that a cost lists; all others share one more entry."""


class Reach(NamedTuple):
    """The objects that can be reached from some sinks."""

    generations: frozenset[int]
    ids: set[int]
    objects: int
    size_bytes: int


class Reaches:
    """What sinks keep alive, for one finished sweep.

    Hundreds of holders may lead to the same old namespaces, and through them to a whole generation. So this class
    stores what a namespace leads to, and later walks reuse it.

    Args:
        sweep: the finished sweep.
        retained: all retained objects, for their generations.
        rename: returns the stable form of a text that contains module names.
        limit: if some of the sinks come from before this generation, `of` is called for these alone as well.
    """

    def __init__(
        self,
        sweep: Sweep,
        retained: Retained,
        rename: Callable[[str], str] = str,
        limit: int | None = None,
    ) -> None:
        self._rename = rename
        self._limit = limit
        self._sweep = sweep
        self._retained = retained
        self._bytes: dict[int, int] = {}
        self._types: dict[int, int] = {}
        """Ids of the types of the objects walked, by the objects' ids. Ids, since a reference would hold the class."""
        self._names: dict[int, str] = {}
        self._own_types: set[int] = set()
        self._own: set[int] = set()
        """Ids of the markers in old namespaces, which are this tool's and no cost of the leak."""
        self._closures: dict[int, set[int]] = {}
        """Ids of what a namespace leads to, by its own id; namespaces that lead to one another share one set."""
        self._counted: dict[frozenset[int], Reach] = {}
        self._earlier: dict[frozenset[int], tuple[frozenset[int], set[int]]] = {}
        """By the ids of all sinks: the ids of the earlier sinks among them, and of everything that these lead to."""

    def of(self, sinks: Mapping[int, Any], among: Iterable[int] = ()) -> Reach:
        """What some retained objects, by id, keep alive.

        Args:
            sinks: the objects.
            among: ids of the sinks of an earlier call, if the present ones are what those keep of earlier generations.
        """
        key = frozenset(sinks)
        if key not in self._counted:
            self._counted[key] = self._count(sinks, frozenset(among))
        return self._counted[key]

    def costs(self, reaches: Sequence[Reach]) -> list[Cost]:
        """What dies if one holder alone lets go, for each of several that lead to these reaches."""
        keepers = Counter(key for reach in reaches for key in reach.ids)
        return [self._cost({key for key in reach.ids if keepers[key] == 1}) for reach in reaches]

    def _cost(self, ids: set[int]) -> Cost:
        objects: Counter[str] = Counter()
        sizes: Counter[str] = Counter()
        for key in ids:
            name = self._names[self._types[key]]
            objects[name] += 1
            sizes[name] += self._bytes[key]
        ordered = sorted(sizes, key=lambda name: (-sizes[name], name))
        shown, rest = ordered[:_TYPES], ordered[_TYPES:]
        parts = [TypeCost(type=name, objects=objects[name], bytes=sizes[name]) for name in shown]
        if rest:
            sums = (sum(map(objects.__getitem__, rest)), sum(map(sizes.__getitem__, rest)))
            parts.append(TypeCost(type=f"{len(rest)} other types", objects=sums[0], bytes=sums[1]))
        return Cost(objects=len(ids), bytes=sum(sizes.values()), by_type=tuple(parts))

    def _count(self, sinks: Mapping[int, Any], among: frozenset[int]) -> Reach:
        born = self._retained.born
        first, ids = self._earlier.get(among, (among, set()))
        # If the sinks include the known ones, and those lead to all of them, both lead to the same objects.
        if not first or not first <= sinks.keys() <= ids:
            ids = self._all_of(sinks)
        generations = frozenset(born[key] for key in ids & born.keys())
        return Reach(generations, ids, len(ids), sum(map(self._bytes.__getitem__, ids)))

    def _all_of(self, sinks: Mapping[int, Any]) -> set[int]:
        """Ids of everything that some sinks lead to. Notes what the earlier ones lead to, for the next call of `of`."""
        born, limit = self._retained.born, self._limit
        earlier = {key: o for key, o in sinks.items() if limit is not None and born[key] < limit}
        if not earlier or len(earlier) == len(sinks):
            return self._led_to(sinks, set())
        ids = self._led_to(earlier, set())
        self._earlier[frozenset(sinks)] = frozenset(earlier), ids
        return self._led_to(sinks, ids)

    def _led_to(self, sinks: Mapping[int, Any], known: set[int]) -> set[int]:
        # A function keeps its namespace, and through it ten thousand other objects. So the walk begins at namespaces.
        homes = {id(o): o for o in map(_home, sinks.values()) if id(o) in self._retained.born}
        ids = self._walk(homes, known)
        if not sinks.keys() <= ids:
            ids = self._walk({**homes, **sinks}, known)
        return ids

    def _walk(self, start: Mapping[int, Any], known: set[int], closing: int | None = None) -> set[int]:
        """Ids of some objects and of everything they lead to.

        Args:
            start: the objects by id.
            known: ids of objects already walked, with everything that they lead to; part of the result.
            closing: id of the namespace whose closure this walk stores. Without it, the walk also stores the closure of
                a namespace that it meets, so that the next walk finds one of many namespaces that lead to one another.
        """
        seen, ids, sizes = self._sweep.seen, known.union(start), self._bytes
        stack = [o for key, o in start.items() if key not in known]
        merged: list[set[int]] = []
        closed: set[int] = set()  # union of the merged closures
        may_close = closing is None
        # They are called for every reference of the leak.
        referents, is_tracked, getrefcount = gc.get_referents_of_all, gc.is_tracked, gc.getrefcount
        while stack:
            o = stack.pop()
            key = id(o)
            if key in closed:
                continue
            if type(o) is dict:
                if may_close and key not in self._closures and key in self._retained.born:
                    self._closures[key] = self._walk({key: o}, set(), key)
                    may_close = False
                closure = self._closures.get(key)
                if closure is not None:
                    if closing in closure:
                        return closure  # each leads to the other
                    merged.append(closure)
                    closed = _joined(closed, closure, len(merged))
                    ids |= closure
                    continue
            own = []
            for child in referents(o) if type(o) is not types.ModuleType else gc.get_referents(o):
                if is_tracked(child):
                    number = id(child)
                    if number not in ids and number not in seen:
                        ids.add(number)
                        stack.append(child)
                elif getrefcount(child) <= _ONE_OWNER:
                    own.append(child)  # a string or number with no other owner: size, but no object
            # A walk that this one interrupted may still refer to its last child, which then has two owners.
            if key not in sizes:
                self._note_type(o)
                sizes[key] = size_bytes(o) + (_bytes_with_own(own) if own else 0)
        ids -= self._own
        return next((closure for closure in merged if len(closure) == len(ids)), ids)

    def _note_type(self, o: Any) -> None:
        kind = self._types[id(o)] = id(type(o))
        if kind not in self._names:
            self._names[kind] = self._rename(foreign.type_name(o))
            if is_of_tool(foreign.class_module(type(o))):
                self._own_types.add(kind)
        if kind in self._own_types:
            self._own.add(id(o))


def _joined(closed: set[int], closure: set[int], count: int) -> set[int]:
    """The union of the closures so far. A single one is not copied, since hundreds of walks may reuse it."""
    if count == 1:
        return closure
    if count == 2:
        return closed | closure
    closed |= closure
    return closed


def _bytes_with_own(objects: list[Any]) -> int:
    """Size of untracked objects, with everything that only they refer to."""
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
    """The reference count that `_walk` sees for an object with one owner, which depends on the interpreter."""
    owner = [object()]
    count = 0
    for child in gc.get_referents(owner):
        count = gc.getrefcount(child)
    return count


_ONE_OWNER = _references_of_one_owner()

_MAX_DEPTH = 6
_MAX_OBJECTS = 10_000


def own_size(objects: list[Any]) -> tuple[int, int]:
    """Number of tracked objects and size in bytes of some objects and of what only they hold, a few references deep.

    Both are lower bounds: parts to which other objects refer do not count, nor do those beyond `_MAX_OBJECTS`.

    Args:
        objects: items of one container, in a list of the caller. An item with another owner adds to the size, but
            neither it nor its parts add to the number of objects.
    """
    # A sweep that is still open may have them in its own list as well.
    owned = [o for o in objects if gc.getrefcount(o) <= _ONE_OWNER + 1]
    tracked = sum(sum(map(gc.is_tracked, level)) for level in _levels(owned))
    return tracked, sum(sum(map(size_bytes, level)) for level in _levels(objects))


def owned_together(items: list[Any]) -> int:
    """Number of tracked objects that only some containers hold: their items, and what only these hold.

    Args:
        items: the items, in a list of the caller, each as often as it occurs in the containers.
    """
    places = Counter(map(id, items))
    once = {id(o): o for o in items}
    # Each occurrence is one reference from a container and one from the list; `once` adds another.
    owned = [o for o in once.values() if gc.getrefcount(o) <= _ONE_OWNER + 1 + 2 * (places[id(o)] - 1)]
    return sum(sum(map(gc.is_tracked, level)) for level in _levels(owned))


def _levels(objects: list[Any]) -> Iterator[list[Any]]:
    """Some objects, then what only they refer to, then what only that refers to, and so on."""
    level = objects
    for _ in range(_MAX_DEPTH):
        yield level
        level = [
            child
            for o in level[:_MAX_OBJECTS]
            for child in gc.get_referents(o)
            if gc.getrefcount(child) <= _ONE_OWNER
        ]


_TYPE_FLAGS = type.__dict__["__flags__"].__get__
_HAVE_GC = 1 << 14
_MANAGED = 1 << 3 | 1 << 4
"""Flags of types whose objects follow a header of the collector's (even while untracked) and two pointers to their dict
and weak references (since 3.11). `sys.getsizeof` counts both as part of the object."""
_HEADER_BYTES = 16


def _header_bytes(o: Any) -> int:
    flags = _TYPE_FLAGS(type(o))
    # The collector does not manage classes written in C, whatever their type's flags say.
    is_collected = gc.is_tracked(o) or (flags & _HAVE_GC and not foreign.is_class(o))
    return _HEADER_BYTES * (bool(is_collected) + bool(flags & _MANAGED))


def _type_header_bytes(flags: int) -> int:
    return _HEADER_BYTES * (bool(flags & _HAVE_GC) + bool(flags & _MANAGED))


_PLAIN = (str, bytes, int, float, dict, list, tuple, set, frozenset, types.FunctionType, types.CellType)
_KNOWN: dict[int, tuple[Callable[[Any], int], int]] = {
    id(kind): (vars(kind).get("__sizeof__", _SIZEOF), _type_header_bytes(_TYPE_FLAGS(kind)))
    for kind in _PLAIN
}
"""By type id: how the objects of the most frequent types are measured, since a leak may have a million of them. These
types never die, so no other type gets their ids."""


def size_bytes(o: Any) -> int:
    """Shallow size in bytes, headers included; never calls a `__sizeof__` that Python code defines."""
    known = _KNOWN.get(id(type(o)))
    if known is not None:
        return known[0](o) + known[1]
    for cls in foreign.mro(type(o)):
        method = foreign.class_dict(cls).get("__sizeof__")
        if type(method) is types.MethodDescriptorType:
            return int(method(o)) + _header_bytes(o)
    return int(_SIZEOF(o)) + _header_bytes(o)
