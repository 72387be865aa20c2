"""Sweep once forward over the heap, with the target's old objects as sinks.

The sweep goes breadth first from the roots, in slices of 64 objects. It never enters a sink, so each reference that
arrives at one comes from a holder, and no holder is missed. It stores no parent per object: the children of a slice lie
together in the next level, so the position of an object shows its slice, and only the slices on a reported path are
read again. For a heap of a million objects a sweep costs about three collections in Python and a third of one in C
(`heap.levels`), whatever the number of targets.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, NamedTuple

from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap.instances import unsafe_modules
from pytest_reloadleak.heap.levels.choice import Addresses, expand, positions, referring
from pytest_reloadleak.model import Kind

SLICE = 64
"""Objects per `get_referents` call. 16 to 256 measured alike; smaller slices make tracing back cheaper."""


_FEW = 100
"""Up to this many objects, `gc.get_referrers` finds holders faster than a pass over all referents."""


class Cause(NamedTuple):
    """An effect as values; effects with an equal cause are one finding."""

    kind: Kind
    root: str
    """As `Holder.root`: `thread`, `loop`, `fd`, or the registry's name."""
    path: str
    """As `Holder.path`: the effect's own name, without what differs from round to round."""
    type: str
    """As `Holder.type`."""
    registry: str | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Root:
    """Where a sweep starts."""

    kind: str
    """`sys.modules`, `frame`, or the name of an interpreter registry."""
    label: str
    """How a trace spells it: `sys.modules['app.bus']`."""
    path: str
    """How a holder's path spells it: `app.bus`."""
    value: object
    is_caller: bool = False
    """Whether this is a local of a frame that called the check."""
    is_runner: bool = False
    """Whether it belongs to the test runner."""
    cause: Cause | None = None
    """The effect that this is, or is a part of."""
    effect: int = 0
    """Number of the effect among those with the same cause."""
    is_further: bool = False
    """Whether the effect merely refers to the value, and does not consist of it."""
    bars: bool = False
    """Whether no other root enters it, so that everything below it is found because of the effect."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Arrival:
    """One reference from a holder to a sink. Lives only during one diagnosis."""

    root: Root
    path: tuple[Any, ...]
    """Objects from the root's value to the sink, both included."""


Way = tuple[Root, tuple[Any, ...]]
"""A root, and the objects from its value to the object that was asked about, both included."""


class Sweep:
    """A sweep from one group of roots after the other; each reaches what the earlier ones could not.

    Args:
        roots: where reachability starts, in groups.
        sinks: the target's old objects by id.
        skip: ids of the tool's own objects, which are not entered. Unsafe modules never are, and may not be roots.
        withheld: ids of objects that are not entered before the group with this number is swept.
        is_enough: whether the sweep may end; called before each level with the ids of the sinks met so far.
    """

    def __init__(
        self,
        roots: Sequence[Sequence[Root]],
        sinks: dict[int, object],
        skip: Iterable[int],
        withheld: Mapping[int, Collection[int]] = MappingProxyType({}),
        *,
        is_enough: Callable[[set[int]], bool] = lambda _: False,
    ) -> None:
        self.sinks = sinks
        self.roots = [root for group in roots for root in group]
        self.seen = Addresses({*skip, *map(id, unsafe_modules())})
        self.levels: list[list[Any]] = []
        self._starts: list[list[int]] = []
        self._origins: list[int] = []
        self._hits: dict[tuple[int, int], set[int]] = {}
        self._before: dict[int, Arrival] = {}
        self._parents: dict[tuple[int, int], int] = {}
        self._of_root: list[tuple[int, int]] = []
        self._reported_levels = 0
        self._is_enough = is_enough
        self._met: set[int] = set()
        """Ids of the sinks that were met."""
        self.seen.update(
            map(id, (self.seen, self.levels, self._starts, self._hits, self._met, self.__dict__))
        )
        self._has_untracked = not all(map(gc.is_tracked, sinks.values()))
        self._barred = {id(root.value) for root in self.roots if root.bars}
        self._bars = frozenset(self._barred)
        self.seen.update(self._barred)
        enabled = gc.isenabled()
        gc.disable()  # the lists below would trigger collections of the whole heap, one per quarter of its size
        try:
            start = 0
            late = {key for keys in withheld.values() for key in keys if key not in self.seen}
            self.seen.update(late)
            for number, group in enumerate(roots):
                self.seen.difference_update(late.intersection(withheld.get(number, ())))
                self._run(start, start + len(group))
                start += len(group)
        finally:
            if enabled:
                gc.enable()

    def _run(self, start: int, stop: int) -> None:
        level: list[Any] = []
        for index in range(start, stop):
            root = self.roots[index]
            key = id(root.value)
            if key in self.sinks:
                self._of_root.append((index, key))
                self._met.add(key)
            elif key not in self.seen or (root.bars and key in self._barred):
                self.seen.add(key)
                self._barred.discard(key)
                level.append(root.value)
        self._origins.append(len(self.levels))
        self.levels.append(level)
        self._starts.append([])
        sinks = Addresses(self.sinks)
        while level and not self._is_enough(self._met):
            here = len(self.levels) - 1
            below, starts, hits = expand(level, SLICE, self.seen, sinks, has_untracked=self._has_untracked)
            self._hits.update(((here, at), keys) for at, keys in hits.items())
            self._met.update(*hits.values())
            self.levels.append(below)
            self._starts.append(starts)
            level = below

    def own_ids(self) -> set[int]:
        """Ids of the sweep's own containers, for searches of the heap while it is open."""
        inner = (*self.levels, *self._starts, *self._hits.values())
        return set(map(id, (self, self.__dict__, self.levels, self._starts, self._hits, self.seen, *inner)))

    def entered(self) -> Iterable[Any]:
        """Every object that the sweep entered."""
        for level in self.levels:
            yield from level

    def arrivals(self) -> list[Arrival]:
        """Every reference from an entered object to a sink since the last call, by a shortest path, in order."""
        found = [Arrival(self.roots[index], (self.sinks[key],)) for index, key in self._of_root]
        for (level, at), keys in self._hits.items():
            objects = self.levels[level]
            for position in range(at, min(len(objects), at + SLICE)):
                held = {id(o): o for o in gc.get_referents_of_all(objects[position]) if id(o) in keys}
                traced = self.trace(level, position) if held else None
                if traced is not None:
                    found += [Arrival(traced[0], (*traced[1], sink)) for sink in held.values()]
        self._of_root.clear()
        self._hits.clear()
        return found

    def enter(self, arrivals: Iterable[Arrival]) -> None:
        """Continue through objects that turned out not to be sinks, each from its first arrival."""
        group = []
        for arrival in arrivals:
            o = arrival.path[-1]
            if self.sinks.pop(id(o), None) is not None:
                self._before[id(o)] = arrival
                group.append(replace(arrival.root, value=o))
        start = len(self.roots)
        self.roots += group
        self._run(start, len(self.roots))

    def causes(self, wanted: set[int]) -> dict[Cause, set[int]]:
        """Ids in `wanted` of the objects entered since the last call, by the effect that leads to them."""
        found: dict[Cause, set[int]] = {}
        sought = Addresses(wanted)
        for level in range(self._reported_levels, len(self.levels)) if wanted else ():
            objects = self.levels[level]
            for position in positions(objects, sought):
                traced = self.trace(level, position)
                if traced is not None and traced[0].cause is not None:
                    found.setdefault(traced[0].cause, set()).add(id(objects[position]))
        self._reported_levels = len(self.levels)
        return found

    def ways(self, objects: list[Any], skip: Iterable[int]) -> dict[int, list[Way]]:
        """Every way to some entered objects, by their ids: one way for each object that refers to one of them.

        The sweep enters an object by the first reference that it meets. If the object leads to an old generation, each
        other reference is a way too: removing one of two references does not cure the leak.

        Args:
            objects: the objects.
            skip: ids of objects whose references do not count.
        """
        wanted = set(map(id, objects))
        found: dict[int, list[Way]] = {key: [] for key in wanted}
        for root in self.roots:
            key = id(root.value)
            if key in wanted and key not in self._before and (root.bars or key not in self._bars):
                found[key].append((root, (root.value,)))
        for level, position in self._referring(objects, {*skip, id(objects), *self.own_ids()}):
            traced = self.trace(level, position)
            if traced is None:
                continue
            root, path = traced
            for o in gc.get_referents(path[-1]):
                # A way must not lead through the object itself.
                if id(o) in wanted and all(one is not o for one in path):
                    found[id(o)].append((root, (*path, o)))
        return found

    def _referring(self, objects: list[Any], but: set[int]) -> Iterator[tuple[int, int]]:
        """Level and position of each entered object that refers to one of some, except those with ids in `but`."""
        wanted = set(map(id, objects))
        if len(objects) <= _FEW:
            referrers = gc.get_referrers(*objects) if objects else []
            holding = Addresses({id(o) for o in referrers if id(o) in self.seen} - but)
            del referrers
            for level, entered in enumerate(self.levels) if holding else ():
                yield from ((level, position) for position in positions(entered, holding))
            return
        sought = Addresses(wanted)
        for level, entered in enumerate(self.levels):
            for position in referring(entered, 0, len(entered), sought):
                o = entered[position]
                if gc.is_tracked(o) and id(o) not in but:
                    yield level, position

    def trace(self, level: int, position: int) -> tuple[Root, tuple[Any, ...]] | None:
        """The path from a root to the object at `position` of `level`; `None` if another thread has broken it."""
        # This reads the order of the levels, and needs no search.
        path = [self.levels[level][position]]
        while level not in self._origins:
            parent = self._parent(level, position)
            if parent is None:
                return None
            level, position = level - 1, parent
            path.append(self.levels[level][position])
        path.reverse()
        before = self._before.get(id(path[0]))
        if before is not None:
            return before.root, (*before.path[:-1], *path)
        bars = id(path[0]) in self._bars
        entered = (root for root in self.roots if root.value is path[0] and (root.bars or not bars))
        return next(entered), tuple(path)

    def _parent(self, level: int, position: int) -> int | None:
        """Position in the level above of an object that refers to the one at `position`."""
        known = self._parents.get((level, position))
        if known is not None:
            return known
        o = self.levels[level][position]
        at = (bisect_right(self._starts[level], position) - 1) * SLICE
        above = self.levels[level - 1]
        parent = next(iter(referring(above, at, at + SLICE, Addresses((id(o),)))), None)
        if parent is not None:
            self._parents[level, position] = parent
        return parent

    def close(self) -> None:
        """Let go of every object."""
        self.levels.clear()
        for table in (self._hits, self._before, self._parents):
            table.clear()
        self.sinks = {}
        self.roots = []
