"""Find everything retained and all its holders, as values that hold no object of the program.

As in the design, a cheap and exact suspicion comes first; the full diagnosis runs only when something is wrong.
Everything that refers to an object of the program dies when `diagnose` returns.
"""

from __future__ import annotations

import collections
import types
from collections.abc import Callable, Sequence
from typing import Any

from pytest_reloadleak.generations.original import Suspicion, suspect
from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import foreign, own_objects, references
from pytest_reloadleak.holders import native, own_hold
from pytest_reloadleak.holders.grouping import Group, joined, paths_of
from pytest_reloadleak.holders.homes import Homes
from pytest_reloadleak.holders.results.dominators import below_one_edge, own_parts
from pytest_reloadleak.holders.results.effect_owners import objects_of_effects, owners_of_effects
from pytest_reloadleak.holders.results.entries import joined_entries
from pytest_reloadleak.holders.results.onions import Onions, joined_layers
from pytest_reloadleak.holders.results.ownership import owned
from pytest_reloadleak.holders.results.planning import fill
from pytest_reloadleak.holders.results.retentions import retentions
from pytest_reloadleak.holders.results.skew import in_words, sights
from pytest_reloadleak.holders.results.taken_data import is_taken
from pytest_reloadleak.holders.retained import Retained, alive_generations, gather_with, is_suspicious
from pytest_reloadleak.holders.retention import Diagnosis, EffectOwners, Retention
from pytest_reloadleak.holders.search import Search, sweep_of
from pytest_reloadleak.holders.sizes import Reaches
from pytest_reloadleak.holders.sweep import Arrival, Cause, Root
from pytest_reloadleak.holders.trace import (
    Trace,
    cause_at,
    holder_index,
    is_item,
    of_effect,
    of_owned_root,
    runner_cause,
    trace_of,
)
from pytest_reloadleak.model import Holder

_OWNED_ROOTS = frozenset({"thread", "task"})
"""Kinds of roots that may belong as a whole to one generation."""


def diagnose(search: Search, complete: Callable[[Sequence[list[Any]]], None] = lambda _: None) -> Diagnosis:
    """Find what is retained and all its holders; return an empty diagnosis if nothing is suspicious.

    Args:
        search: what to look for, where to start, and what to leave out.
        complete: adds the remaining effects to the search when they matter. Its argument is the lists through which
            this function holds parts of the original during the call.
    """
    if not _is_warranted(search, suspicion_of(search)):
        return Diagnosis()
    # An object that its `__del__` resurrected in the last collection may have replaced another one, which has been
    # garbage since. Its weak references are dead, so settling did not wait for it.
    if not search.is_confirmed:
        gc.collect()
    if search.first_pass is not None:  # before anything here refers to the objects
        search.gained = search.first_pass.gained(search.ledger)
    suspicion = suspicion_of(search)
    if not _is_warranted(search, suspicion):
        return Diagnosis()
    complete([suspicion.own, suspicion.values] if suspicion is not None else [])
    search.ask_runner()
    retained = gather_with(search, suspicion)
    del suspicion
    return _diagnosed(search, retained)


def suspected(search: Search) -> frozenset[int]:
    """The judged generations of which something is alive, without a pass over the heap where nothing is."""
    suspicion = suspicion_of(search)
    is_held = suspicion is not None and suspicion.is_held
    return alive_generations(search) | ({search.original.generation} if is_held else frozenset())


def suspicion_of(search: Search) -> Suspicion | None:
    """The parts of the original that may have another holder; `None` if the check does not judge the original."""
    if search.kept is None or search.kept >= search.limit:
        return None
    # Most callers import the module that they check. If that is the only reference, no search is needed.
    callers = {id(n): n for n in own_objects.caller_namespaces() if id(n) in search.spared}
    return suspect(search.original, search.ledger, search.namespaces, callers.values())


def _is_warranted(search: Search, suspicion: Suspicion | None) -> bool:
    """Whether anything calls for a pass over the heap."""
    is_held = suspicion is not None and suspicion.is_held
    return is_held or search.has_findings or is_suspicious(search)


def _diagnosed(search: Search, retained: Retained) -> Diagnosis:
    holders = _HolderSearch(search, retained)
    try:
        retentions = holders.retentions()
        generations = tuple(sorted({g for retention in retentions for g in retention.generations}))
        skew, current = None, search.reported(search.ledger.current)
        if any(retention.is_binding and not retention.is_within for retention in retentions):
            skew = in_words(sights(search, retained), search.target, current)
        return Diagnosis(generations, retentions, holders.consequences, skew, current, holders.effect_owners)
    finally:
        holders.close()


class _HolderSearch:
    """The holders of everything retained; open during one diagnosis."""

    def __init__(self, search: Search, retained: Retained) -> None:
        self._search = search
        self._retained = retained
        self._groups: dict[tuple[Any, ...], Group] = {}
        self._spared: list[Any] = []
        self._own = [*search.own_objects(), retained, retained.born, retained.objects, retained.names]
        self._own.append(self.__dict__)
        self._sweep = sweep_of(search, self._own, retained.objects)
        limit = search.first_pass.limit if search.first_pass is not None else None
        self._reach = Reaches(self._sweep, retained, search.rename, limit)
        self._homes = Homes(self._sweep, search.ledger.owns, set(map(id, self._own)))
        self._onions = Onions(self._sweep, search, set(map(id, self._own)))
        self.consequences: dict[Cause, set[int]] = {}
        """Ids of the owners of other effects, by the effect that keeps these owners."""
        self.effect_owners = EffectOwners()
        self._note_consequences()

    def retentions(self) -> tuple[Retention, ...]:
        """Every holder, grouped by cause."""
        self._add_arrivals()
        self._follow_other_ways()
        self._add_native(self._unexplained())
        return self._grouped()

    def close(self) -> None:
        """Let go of every object."""
        self._groups.clear()
        self._own.clear()
        self._spared.clear()
        self._sweep.close()

    def _add_arrivals(self) -> None:
        """Group all arrivals; in a separate function, or its locals would be holders for the native search."""
        while arrivals := self._sweep.arrivals():
            unbound = self._add_all([a for a in arrivals if not references.is_inherited(a.path)])
            self._sweep.enter(unbound)
            self._note_consequences()

    def _note_consequences(self) -> None:
        """Record which of the newly entered objects own effects, and which effect leads to each."""
        # This runs before anything is named: reading the attributes of an instance gives it a dict (3.11 and later),
        # and what the instance itself referred to is then no longer found below it.
        for cause, ids in self._sweep.causes(self._search.consequences).items():
            self.consequences.setdefault(cause, set()).update(ids)

    def _add_all(self, arrivals: list[Arrival]) -> list[Arrival]:
        """Group arrivals, and return those at data of the original that no name is bound to."""
        # A timer or handler that the target created is data of the target, and the loop that runs it is no stale
        # binding. This data must not hide what it leads to.
        below: dict[int, set[int]] = {}
        within: dict[int, list[Arrival]] = {}
        for arrival in self._homes.rehomed(self._onions.over_places(arrivals)):
            generation = self._retained.born[id(arrival.path[-1])]
            if own_hold.is_own(arrival.path, self._search, self._retained):
                self._spared.append(arrival.path[-1])
                continue
            below.setdefault(id(arrival.root), set()).add(generation)
            within.setdefault(id(arrival.path[-2]) if is_item(arrival.path) else id(arrival), []).append(
                arrival
            )
        unbound, original = [], self._search.original
        for together in within.values():
            generations = {self._retained.born[id(arrival.path[-1])] for arrival in together}
            # A collection that each generation made for itself is one cause, whatever it holds.
            is_one = len(together) > 1 and len(generations) == 1
            for arrival in together[:1] if is_one else together:
                trace = self._read_trace(arrival, below)
                if trace is None:
                    continue
                data = self._retained.names.get(id(trace.sink))
                if data is not None and not (trace.is_binding and not is_taken(data, arrival.path, original)):
                    unbound.append(arrival)
                elif trace.is_spared:
                    self._search.tell(arrival.root.path, trace.holder.path, trace.held.name)
                    self._spared += [a.path[-1] for a in together] if is_one else [trace.sink]
                else:
                    sinks = [a.path[-1] for a in together] if is_one else [trace.sink]
                    self._add(trace, sinks, arrival.path, arrival.root)
        return unbound

    def _read_trace(self, arrival: Arrival, below: dict[int, set[int]]) -> Trace | None:
        """The trace of an arrival; `None`, with a note for the report, if it cannot be read."""
        try:
            return self._trace(arrival, below)
        except Exception as error:  # noqa: BLE001 - an error at one object must not hide the others
            self._search.lose(arrival.path, error)
            return None

    def _trace(self, arrival: Arrival, below: dict[int, set[int]]) -> Trace:
        """The trace of an arrival. An effect, or a thread or task of one generation, is the cause of all below it."""
        root = arrival.root
        cause = cause_at(arrival, self._search)
        if cause is None:
            cause = runner_cause(arrival, self._search)
        if cause is not None:
            return of_effect(arrival, cause, self._search, self._retained)
        is_owned = root.kind in _OWNED_ROOTS and len(below[id(root)]) == 1
        return (of_owned_root if is_owned else trace_of)(arrival, self._search, self._retained)

    def _add(self, trace: Trace, sinks: list[Any], path: tuple[Any, ...], root: Root) -> None:
        key = trace.exact_key
        born = min(self._retained.born[id(sink)] for sink in sinks)
        group = Group(trace, {id(sink): sink for sink in sinks}, {trace.top: born}, [path], [root])
        if key in self._groups:
            self._groups[key].add(group)
        else:
            self._groups[key] = group

    def _follow_other_ways(self) -> None:
        """Find what else refers to an object that belongs to one generation, and add the paths through it."""
        own = own_parts(self._groups.values(), self._retained.born.__getitem__)
        skip = {*map(id, self._own), *own, *self._retained.objects}
        wanted = [*(parts[0][1][0] for parts in own.values()), *objects_of_effects(self._search)]
        found = self._sweep.ways(wanted, skip)
        self.effect_owners = owners_of_effects(self._search, found)
        arrivals = []
        for key, parts in own.items():
            known = {id(holder) for holder, _ in parts}
            others = [way for way in found[key] if len(way[1]) < 2 or id(way[1][-2]) not in known]
            rests = {tuple(map(id, rest)): rest for _, rest in parts}.values() if others else ()
            arrivals += [Arrival(root, (*path[:-1], *rest)) for root, path in others for rest in rests]
        for arrival in self._homes.rehomed(arrivals):
            trace = self._read_trace(arrival, collections.defaultdict(set))
            if trace is not None and not trace.is_spared:
                self._add(trace, [trace.sink], arrival.path, arrival.root)

    def _unexplained(self) -> dict[int, Any]:
        """Retained objects that no holder found so far keeps, without those that only the check keeps."""
        reaches = [self._reach.of(group.sinks) for group in self._groups.values()]
        explained: set[int] = set().union(*(reach.ids for reach in reaches))
        explained |= native.led_to(self._spared, self._sweep)
        only_kept = own_hold.kept_ids(self._search, self._sweep) - self._retained.held_outside
        missing = {
            key: o
            for key, o in self._retained.objects.items()
            if key not in explained and key not in only_kept and key not in self._retained.names
        }
        if missing:  # if the target is a module that this tool uses, the tool itself is a holder
            others = [*own_objects.own_namespaces_and_classes(), *self._search.ignored]
            left_out = native.led_to(others, self._sweep)
            missing = {key: o for key, o in missing.items() if key not in left_out}
        return missing

    def _add_native(self, missing: dict[int, Any]) -> None:
        if not missing:
            return
        mine = [*self._own, self._groups, self._spared, missing, self._sweep.roots, *own_objects.own_locals()]
        kept = own_objects.kept_locals()
        own = native.own_closure(
            [*mine, *(o for o in kept if not own_objects.is_heap_listing(o))], self._sweep
        )
        own.update(map(id, [kept, *kept]))
        found = native.find(self._sweep, missing, own)
        for holder in sorted(
            found, key=lambda holder: self._retained.born[id(holder.path[-1])], reverse=True
        ):
            if own_hold.is_own(holder.path, self._search, self._retained):
                continue
            try:
                self._add_one_native(holder)
            except Exception as error:  # noqa: BLE001 - as in `_read_trace`
                self._search.lose(holder.path, error)

    def _add_one_native(self, holder: native.NativeHolder) -> None:
        path = holder.path
        root = (
            holder.root
            or self._running_effect(path)
            or native.registration(holder, self._search.watched, self._search.rename)
        )
        if root is None:
            root, path = native.in_c(holder)
        arrival = Arrival(root, path)
        trace = (
            of_effect(arrival, root.cause, self._search, self._retained)
            if root.cause is not None
            else trace_of(arrival, self._search, self._retained)
        )
        if holder.opaque:
            trace.holder = Holder(root="native", path=trace.holder.path, type=holder.opaque)
        is_seen = holder.opaque is not None or not native.is_uninformative(holder, root)
        # The original is alive because the check keeps it, which proves nothing. Without a visible holder it counts
        # only together with other generations that are held in the same way.
        if (
            is_seen
            or self._retained.born[id(trace.sink)] != self._search.kept
            or trace.exact_key in self._groups
        ):
            self._add(trace, [trace.sink], path, root)

    def _running_effect(self, path: tuple[Any, ...]) -> Root | None:
        """The effect whose frame runs the function. Since 3.11 a frame hides its function from the collector."""
        code = foreign.own_code(path[-1]) if len(path) == 1 else None
        if code is None:
            return None
        roots = self._search.effects
        return next((r for r in roots if type(r.value) is types.FrameType and r.value.f_code is code), None)

    def _grouped(self) -> tuple[Retention, ...]:
        born = self._retained.born.__getitem__
        groups = joined_entries(below_one_edge(joined(self._groups.values(), born), born), born)
        groups = joined_layers(groups, self._search.namespaces.values(), self._search.ledger.owns)
        if self._search.paths is not None:
            self._search.paths.update(paths_of(groups, born))
        if self._search.plan is not None:
            fill(self._search.plan, groups, self._reach, self._retained, self._search.kept)
        found = retentions(groups, self._reach, self._retained, self._search)
        of_groups = owned(groups, born, self._search.effect_marks)
        each = [(one, groups[one.number or 0]) for one in found]
        return tuple(
            self._with_cure(one, group)._replace(owns=of_groups.get(id(group), frozenset()))
            for one, group in each
        )

    def _with_cure(self, retention: Retention, group: Group) -> Retention:
        from pytest_reloadleak.cures.writing import Leak, mended  # only what leaks needs a cure

        search = self._search
        leak = Leak(
            paths=group.paths,
            held_at=holder_index(min(group.paths, key=len), search.ledger.owns) + 1,
            held=retention.held.name,
            is_single=len(group.tops) <= len(self._reach.of(group.sinks).generations) > 1,
            is_binding=retention.is_binding and not retention.is_within,
            effect=retention.cause,
            is_native=retention.holder.path == "native",
        )
        cure, advice = mended(leak, search.target, search.namespaces, search.given)
        return retention._replace(cure=cure, advice=advice or retention.advice)
