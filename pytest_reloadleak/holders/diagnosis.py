"""One look at the heap: who is retained, and every holder, as values that hold no object.

The order is that of the design: suspicion is cheap and exact, the diagnosis is paid for only when something is wrong.
Everything that refers to an object of the program dies when `diagnose` returns.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import filterfalse
from typing import Any

from pytest_reloadleak.generations.original import suspect
from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import foreign, own_objects, references
from pytest_reloadleak.heap.weak_entries import ends_with
from pytest_reloadleak.holders import native
from pytest_reloadleak.holders.retained import Retained, gather, is_suspicious
from pytest_reloadleak.holders.retention import Diagnosis, Retention
from pytest_reloadleak.holders.runner_noise import is_noise
from pytest_reloadleak.holders.search import Search
from pytest_reloadleak.holders.sizes import Reach, Reaches
from pytest_reloadleak.holders.skew import sights
from pytest_reloadleak.holders.skew import text as skewed
from pytest_reloadleak.holders.sweep import Arrival, Cause, Root
from pytest_reloadleak.holders.sweep_order import sweep_of
from pytest_reloadleak.holders.trace import (
    Trace,
    cause_at,
    is_collected,
    of_effect,
    of_owned_root,
    runners,
    trace_of,
    without_numbers,
)
from pytest_reloadleak.model import Held, Holder

_ANONYMOUS = foreign.type_ids(tuple, list, dict, types.CellType)
_HEAP = 1000
"""Objects that every process has."""
_OWNED_ROOTS = frozenset({"thread", "task"})
"""Kinds of roots that may belong to a generation as a whole."""


def diagnose(search: Search, complete: Callable[[], None] = lambda: None) -> Diagnosis:
    """Judge who is alive, and find every holder if anybody is who should not be.

    Args:
        search: whom to look at.
        complete: adds the rest of the effects to the search, if they matter.
    """
    suspicion = None
    if search.kept is not None and search.kept < search.limit:
        suspicion = suspect(search.original, search.ledger, search.namespaces)
    is_held = suspicion is not None and suspicion.is_held
    if not is_held and not search.has_findings and not is_suspicious(search):
        return Diagnosis()
    complete()
    search.ask_runner()
    retained = gather(search, suspicion.own if suspicion is not None else None)
    if suspicion is not None:
        for value in suspicion.values:
            retained.add(value, search.original.generation)
        retained.names.update(suspicion.data)
        retained.held_outside |= suspicion.outside
        retained.ours |= suspicion.ours
    del suspicion
    return _diagnosed(search, retained)


def _diagnosed(search: Search, retained: Retained) -> Diagnosis:
    diagnosis = _HolderSearch(search, retained)
    try:
        retentions = diagnosis.retentions()
        generations = tuple(sorted({g for retention in retentions for g in retention.generations}))
        skew = None
        if any(retention.is_binding and not retention.is_within for retention in retentions):
            skew = skewed(sights(search, retained), search.target, search.ledger.current)
        return Diagnosis(generations, retentions, diagnosis.consequences, skew, search.ledger.current)
    finally:
        diagnosis.close()


@dataclass(slots=True, eq=False, repr=False)
class _Group:
    """References with the same trace."""

    first: Trace
    sinks: dict[int, Any] = field(default_factory=dict)
    tops: set[int] = field(default_factory=set)
    """Ids of the held objects."""
    differs: bool = False
    """Whether the paths differ, in numbers."""

    @property
    def holder(self) -> Holder:
        """The holder, with what differs left open."""
        path = without_numbers(self.first.holder.path) if self.differs else self.first.holder.path
        return replace(self.first.holder, path=path)

    @property
    def trace(self) -> tuple[str, ...]:
        """The whole trace, with what differs left open."""
        first = self.first
        steps = tuple(map(without_numbers, first.to_held)) if self.differs else first.to_held
        return (first.root, *steps, *first.tail)


def _is_of_everything(o: object) -> bool:
    """Whether a function of the tool had this for a list of the heap's objects: it leads to what anybody holds."""
    return type(o) is list and len(o) > _HEAP


class _HolderSearch:
    """The holders of what is retained; open while the heap is looked at."""

    def __init__(self, search: Search, retained: Retained) -> None:
        self._search = search
        self._retained = retained
        self._groups: dict[tuple[Any, ...], _Group] = {}
        self._spared: list[Any] = []
        self._own = [
            *search.own_objects(),
            retained,
            retained.born,
            retained.objects,
            retained.names,
            self.__dict__,
        ]
        self._sweep = sweep_of(search, self._own, retained.objects)
        self._reach = Reaches(self._sweep, retained)
        self.consequences: dict[Cause, set[int]] = {}
        """Ids of what owns other effects, by the effect that keeps it."""
        self._note_consequences()

    def retentions(self) -> tuple[Retention, ...]:
        """Every holder, grouped."""
        self._take_arrivals()
        self._add_native(self._unexplained())
        return self._grouped()

    def close(self) -> None:
        """Let go of every object."""
        self._groups.clear()
        self._own.clear()
        self._spared.clear()
        self._sweep.close()

    def _take_arrivals(self) -> None:
        """A function of its own: its locals would otherwise be so many holders for the native search."""
        while arrivals := self._sweep.arrivals():
            unbound = self._take_all([a for a in arrivals if not references.is_inherited(a.path)])
            self._sweep.enter(unbound)
            self._note_consequences()

    def _note_consequences(self) -> None:
        """Which of what was entered last owns effects, and below which effect it is.

        At once, before anything is named: an instance that is asked for its attributes gets a dict (3.11 and later),
        and what it referred to by itself is no longer found below it.
        """
        for cause, ids in self._sweep.causes(self._search.consequences).items():
            self.consequences.setdefault(cause, set()).update(ids)

    def _take_all(self, arrivals: list[Arrival]) -> list[Arrival]:
        """Put arrivals into words; returns those at data of the original generation that no name is bound to.

        A timer or handler that the target created is data of the target, and whoever runs it is no stale binding. It
        must not stand in the way of what it leads to.
        """
        below: dict[int, set[int]] = {}
        within: dict[int, list[Arrival]] = {}
        for arrival in arrivals:
            generation = self._retained.born[id(arrival.path[-1])]
            if generation == self._search.kept and ends_with(arrival.path, self._retained.ours):
                self._spared.append(arrival.path[-1])
                continue
            below.setdefault(id(arrival.root), set()).add(generation)
            within.setdefault(id(arrival.path[-2]) if is_collected(arrival.path) else id(arrival), []).append(
                arrival
            )
        unbound = []
        for together in within.values():
            generations = {self._retained.born[id(arrival.path[-1])] for arrival in together}
            # A collection that each generation made for itself is one thing, whatever and however much is in it.
            is_one = len(together) > 1 and len(generations) == 1
            for arrival in together[:1] if is_one else together:
                trace = self._put(arrival, below)
                if id(trace.sink) in self._retained.names and not trace.is_binding:
                    unbound.append(arrival)
                elif trace.is_spared:
                    self._spared += [a.path[-1] for a in together] if is_one else [trace.sink]
                else:
                    self._take(trace, [a.path[-1] for a in together] if is_one else [trace.sink])
        return unbound

    def _put(self, arrival: Arrival, below: dict[int, set[int]]) -> Trace:
        """An arrival in words. All that an effect leads to, or a thread or task of one generation, is one cause."""
        root = arrival.root
        cause = cause_at(arrival, self._search)
        if cause is None:
            cause = runners(arrival, self._search)
        if cause is not None:
            return of_effect(arrival, cause, self._search, self._retained)
        is_owned = root.kind in _OWNED_ROOTS and len(below[id(root)]) == 1
        return (of_owned_root if is_owned else trace_of)(arrival, self._search, self._retained)

    def _take(self, trace: Trace, sinks: list[Any]) -> None:
        group = self._groups.setdefault(trace.key, _Group(trace))
        group.differs = group.differs or trace.holder.path != group.first.holder.path
        if trace.rank < group.first.rank:  # the first to be discovered may be another in the second look
            group.first = trace
        group.sinks.update((id(sink), sink) for sink in sinks)
        group.tops.add(trace.top)

    def _reaches(self) -> dict[tuple[Any, ...], Reach]:
        return {key: self._reach.of(group.sinks) for key, group in self._groups.items()}

    def _unexplained(self) -> dict[int, Any]:
        """Retained objects that no holder found so far keeps, and that not only the check itself keeps."""
        explained: set[int] = set().union(*(reach.ids for reach in self._reaches().values()))
        explained |= native.led_to(self._spared, self._sweep)
        only_kept = self._kept_ids() - self._retained.held_outside
        missing = {
            key: o
            for key, o in self._retained.objects.items()
            if key not in explained and key not in only_kept and key not in self._retained.names
        }
        if missing:  # where the target is a module that this tool uses, the tool is one of those who keep it
            left_out = native.led_to([*own_objects.own_things(), *self._search.ignored], self._sweep)
            missing = {key: o for key, o in missing.items() if key not in left_out}
        return missing

    def _kept_ids(self) -> set[int]:
        """Ids of what only the original generation holds: the check's doing, so never a finding."""
        stack: list[Any] = list(self._search.original.containers)
        ids = set(map(id, stack))
        while stack:
            for o in gc.get_referents(stack.pop()):
                if id(o) not in ids and id(o) not in self._sweep.seen and gc.is_tracked(o):
                    ids.add(id(o))
                    stack.append(o)
        return ids

    def _add_native(self, missing: dict[int, Any]) -> None:
        if not missing:
            return
        mine = [*self._own, self._groups, self._spared, missing, self._sweep.roots, *own_objects.own_locals()]
        kept = own_objects.kept_locals()
        own = native.own_closure([*mine, *filterfalse(_is_of_everything, kept)], self._sweep)
        own.update(map(id, [kept, *kept]))
        found = native.find(self._sweep, missing, own)
        for holder in sorted(
            found, key=lambda holder: self._retained.born[id(holder.path[-1])], reverse=True
        ):
            kind = holder.registry or "native"
            root = (
                holder.root
                or self._running(holder.path)
                or native.registration(holder, self._search.watched, self._search.rename)
                or Root(kind, kind, kind, None)
            )
            arrival = Arrival(root, holder.path)
            trace = (
                of_effect(arrival, root.cause, self._search, self._retained)
                if root.cause is not None
                else trace_of(arrival, self._search, self._retained)
            )
            if holder.opaque:
                trace.holder = Holder(root="native", path=trace.holder.path, type=holder.opaque)
            is_seen = holder.opaque is not None or not self._says_nothing(holder, root)
            # That the original generation is alive proves nothing: the check keeps it. Where no holder can be seen, it
            # counts only along with other generations that are held in the same way.
            if (
                is_seen
                or self._retained.born[id(trace.sink)] != self._search.kept
                or trace.key in self._groups
            ):
                self._take(trace, [trace.sink])

    @staticmethod
    def _says_nothing(holder: native.NativeHolder, root: Root) -> bool:
        """Whether what is known of a native holder is no more than that there is one: a container that nobody has."""
        is_bare = root.kind == "native" and root.value is None
        return len(holder.path) < 2 or (is_bare and foreign.is_exactly(holder.path[0], _ANONYMOUS))

    def _running(self, path: tuple[Any, ...]) -> Root | None:
        """The effect whose frame runs a function that nothing else is seen to hold: frames hide theirs (since 3.11)."""
        code = foreign.own_code(path[-1]) if len(path) == 1 else None
        if code is None:
            return None
        return next(
            (r for r in self._search.effects if type(r.value) is types.FrameType and r.value.f_code is code),
            None,
        )

    def _grouped(self) -> tuple[Retention, ...]:
        reaches = self._reaches()
        holders: dict[int, int] = {}
        for reach in (r for key, r in reaches.items() if not is_noise(self._groups[key].first.cause)):
            for generation in reach.generations:
                holders[generation] = holders.get(generation, 0) + 1
        alike: dict[tuple[str, Held], tuple[set[int], set[int]]] = {}
        for key, group in self._groups.items():
            tops, generations = alike.setdefault((group.holder.type, group.first.held), (set(), set()))
            tops |= group.tops
            generations |= reaches[key].generations
        numbers = {key: (len(tops), len(generations)) for key, (tops, generations) in alike.items()}
        return tuple(
            Retention(
                holder=group.holder,
                held=group.first.held,
                trace=group.trace,
                generations=tuple(sorted(reaches[key].generations)),
                items=len(group.tops),
                objects=reaches[key].objects,
                size_bytes=reaches[key].size_bytes,
                is_sole=all(holders.get(g) == 1 for g in reaches[key].generations),
                is_binding=group.first.is_binding,
                is_within=group.first.is_within,
                cause=group.first.cause,
                cache=group.first.cache,
                consequences=frozenset(reaches[key].ids & self._search.consequences),
                alike=numbers[group.holder.type, group.first.held],
            )
            for key, group in self._groups.items()
        )


def caller_namespaces() -> Iterable[dict[str, Any]]:
    """Globals of the frames that called the check, this tool's own excluded."""
    for frame in own_objects.stack():
        yield frame.f_globals


def caller_frames() -> set[int]:
    """Ids of those frames."""
    return {id(frame) for frame in own_objects.stack()}
