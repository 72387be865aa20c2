"""The sweep against brute force, on random heaps of every kind of object."""

from __future__ import annotations

import gc
import itertools
import sys
from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

import pytest
from hypothesis import given
from random_heaps import KINDS, Heap, Plan, Reached, brute_force, heap_of, plan_of, plans, seeded

from pytest_reloadleak.holders.sweep import Arrival, Cause, Root, Sweep


def roots_of(heap: Heap) -> list[list[Root]]:
    """Roots of several kinds; every second one is an effect, and so are those that bar others."""
    out: list[list[Root]] = [[] for _ in heap.plan.groups]
    for group, roots in zip(heap.plan.groups, out, strict=True):
        for at in group:
            bars = at in heap.plan.barred
            cause = Cause("live-thread", "thread", f"thread {at}", "Thread") if bars or at % 2 else None
            kind = ("sys.modules", "frame", "atexit", "thread")[at % 4]
            roots.append(Root(kind, f"root {at}", f"{at}", heap.nodes[at], cause=cause, bars=bars))
    return out


def sweep_of(heap: Heap) -> Sweep:
    """The sweep under test."""
    return Sweep(roots_of(heap), heap.sinks(), [id(heap.nodes[at]) for at in heap.plan.skipped])


def truth_of(heap: Heap, entered: Collection[int] = (), *, alone: int | None = None) -> Reached:
    """What brute force says.

    Args:
        heap: the heap.
        entered: ids of sinks that are none.
        alone: a root that is the only one of its group.
    """
    plan = heap.plan
    own = {id(heap.nodes[at]): n for n, group in enumerate(plan.groups) for at in group if at in plan.barred}
    groups = [[heap.nodes[at] for at in group if alone is None or at == alone] for group in plan.groups]
    if alone is not None:
        number = group_of(plan, alone)
        groups = [
            *([heap.nodes[at] for at in group] for group in plan.groups[:number]),
            [heap.nodes[alone]],
        ]
    closed = {id(heap.nodes[at]) for at in plan.skipped}
    return brute_force(groups, set(heap.sinks()).difference(entered), closed, own)


def group_of(plan: Plan, at: int) -> int:
    """Number of the group that a root is in."""
    return next(number for number, group in enumerate(plan.groups) if at in group)


def pairs(arrivals: Iterable[Arrival]) -> list[tuple[int, int]]:
    """Holder and sink of each arrival that is no root."""
    return [(id(a.path[-2]), id(a.path[-1])) for a in arrivals if len(a.path) > 1]


def is_a_way(path: tuple[Any, ...]) -> bool:
    """Whether the collector sees each reference of a path."""
    return all(
        any(child is held for child in gc.get_referents(one)) for one, held in itertools.pairwise(path)
    )


def tracked(objects: Iterable[Any]) -> set[int]:
    """Ids of those that the collector tracks: the sweep need not enter what leads nowhere."""
    return {id(o) for o in objects if gc.is_tracked(o)}


@pytest.mark.usefixtures("levels")
@seeded
@given(plans)
def test_every_holder_by_a_shortest_path(plan):
    """Each reference from what the roots reach to a sink is one arrival: none is missed, invented or told twice.

    Its path is as short as any from the first group that leads there.
    """
    with heap_of(plan) as heap:
        sweep = sweep_of(heap)
        arrivals = sweep.arrivals()
        truth = truth_of(heap)

        assert sorted(pairs(arrivals)) == sorted(truth.arrivals)
        sinks = dict(plan.sinks)
        at_roots = [f"{at}" for group in plan.groups for at in group if at in sinks]
        assert [a.root.path for a in arrivals if len(a.path) == 1] == at_roots
        for arrival in arrivals:
            *way, sink = arrival.path
            assert arrival.root.value is arrival.path[0]
            assert id(sink) in heap.sinks()
            assert is_a_way(arrival.path)
            assert all(id(o) in truth.objects for o in way)
            if way:
                place = (group_of(plan, int(arrival.root.path)), len(way) - 1)
                assert place == truth.places[id(way[-1])]
        assert tracked(sweep.entered()) == tracked(truth.objects.values())
        assert all(key in sweep.seen for key in tracked(truth.objects.values()))
        sweep.close()


@pytest.mark.usefixtures("levels")
@seeded
@given(plans)
def test_what_is_behind_sinks_that_turned_out_to_be_none(plan):
    """Entering some of them adds the arrivals that there are without them, and no other; the paths lead on."""
    with heap_of(plan) as heap:
        sweep = sweep_of(heap)
        first = sweep.arrivals()
        chosen = {id(heap.nodes[at]) for at, _ in plan.sinks if at % 2}
        entering = [arrival for arrival in first if id(arrival.path[-1]) in chosen]
        entered = {id(arrival.path[-1]) for arrival in entering}
        sweep.enter(entering)
        second = sweep.arrivals()
        truth = truth_of(heap, entered)

        assert sorted(pair for pair in pairs(first) if pair[1] not in entered) + sorted(pairs(second)) == [
            *sorted(pair for pair in truth.arrivals if pair in pairs(first)),
            *sorted(pair for pair in truth.arrivals if pair not in pairs(first)),
        ]
        for arrival in second:
            assert is_a_way(arrival.path)
            assert all(id(o) in truth.objects for o in arrival.path[:-1])
            assert arrival.path[0] is heap.nodes[int(arrival.root.path)]
        sweep.close()


@pytest.mark.usefixtures("levels")
@seeded
@given(plans)
def test_what_effects_lead_to(plan):
    """An object is told once, below an effect that leads to it by a shortest path, or below none if none does."""
    with heap_of(plan) as heap:
        sweep = sweep_of(heap)
        wanted = tracked(heap.nodes)
        told = [(cause, key) for cause, keys in sweep.causes(wanted).items() for key in keys]
        truth = truth_of(heap)

        assert len({key for _, key in told}) == len(told)
        assert {key for _, key in told} <= wanted & set(truth.objects)
        effects = {root.cause: int(root.path) for root in sweep.roots if root.cause is not None}
        for cause, key in told:
            assert truth_of(heap, alone=effects[cause]).places[key] == truth.places[key]
        innocent = [int(root.path) for root in sweep.roots if root.cause is None]
        alone = [truth_of(heap, alone=at).places for at in innocent]
        for key in wanted.intersection(truth.objects).difference(key for _, key in told):
            assert truth.places[key] in [places.get(key) for places in alone]

        sweep.enter(sweep.arrivals())
        later = [key for keys in sweep.causes(wanted).values() for key in keys]
        assert not set(later).intersection(truth.objects)  # what was entered before is not told again
        sweep.close()


def test_the_heaps_are_worth_something():
    """In some of them every kind of object is a sink that is held, most kinds hold one, and all that varies matters."""
    sinks: set[str] = set()
    holders: set[str] = set()
    counts: Counter[str] = Counter()
    for seed in range(300):
        plan = plan_of(seed, 3 + 2 * (seed % 30))
        with heap_of(plan) as heap:
            truth = truth_of(heap)
            kinds = {id(node): plan.kinds[at] for at, node in enumerate(heap.nodes)}
            untracked = [key for key, o in truth.objects.items() if not gc.is_tracked(o)]
        sinks.update(kinds[sink] for _, sink in truth.arrivals)
        holders.update(kinds.get(holder, "part of one") for holder, _ in truth.arrivals)
        counts["far"] += max((distance for _, distance in truth.places.values()), default=0) > 5
        counts["wide"] += len(truth.objects) > 80
        counts["groups"] += len({group for group, _ in truth.places.values()}) > 1
        counts["barred"] += bool(plan.barred)
        counts["skipped"] += bool(plan.skipped)
        counts["held by what is not tracked"] += any(holder in untracked for holder, _ in truth.arrivals)

    assert sinks == set(KINDS)
    assert holders >= {"list", "dict", "set", "tuple", "cell", "slots", "property", "callback"}
    assert "instance" in holders or sys.version_info < (3, 11)  # there, its dict is a holder of its own
    assert len(counts) == 6
    assert min(counts.values()) >= 4, counts
