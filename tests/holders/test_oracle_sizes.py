"""What old generations keep alive against brute force, on random heaps of every kind of object."""

from __future__ import annotations

import gc
import sys
from collections.abc import Collection, Sequence
from typing import Any

from hypothesis import given
from random_heaps import Heap, brute_force, heap_of, plans, seeded

from pytest_reloadleak.holders.retained import Retained
from pytest_reloadleak.holders.sizes import Reach, Reaches
from pytest_reloadleak.holders.sweep import Root, Sweep


def reaches(heap: Heap, choices: Sequence[Collection[int]]) -> list[Reach]:
    """What some sinks keep, and others, as the tool has it."""
    retained = Retained()
    for at, generation in heap.plan.sinks:
        retained.add(heap.nodes[at], generation)
    roots = [
        [Root("test", f"root {at}", f"{at}", heap.nodes[at]) for at in group] for group in heap.plan.groups
    ]
    sweep = Sweep(roots, retained.objects, ())
    counted = Reaches(sweep, retained)
    found = [counted.of({id(heap.nodes[at]): heap.nodes[at] for at in chosen}) for chosen in choices]
    sweep.close()
    return found


def kept(heap: Heap, chosen: Collection[int]) -> list[Any]:
    """Brute force: what there is with these sinks and not without them: they, and what the collector tracks."""
    sinks = heap.sinks()
    groups = [[heap.nodes[at] for at in group] for group in heap.plan.groups]
    without = set(brute_force(groups, set(sinks), set()).objects)
    start = [heap.nodes[at] for at in chosen]
    found = brute_force([start], set(), without)
    chosen_ids = set(map(id, start))
    return [o for key, o in found.objects.items() if gc.is_tracked(o) or key in chosen_ids]


def size_of(objects: list[Any]) -> int:
    """Sum of shallow sizes: of these, and of what the collector does not track and only one of them leads to."""
    yardstick = [object()]
    of_one = sys.getrefcount(yardstick[0]) + 1  # the list of referents, and one who refers to it
    known = set(map(id, objects))
    total = 0
    stack = list(objects)
    while stack:
        o = stack.pop()
        total += sys.getsizeof(o)
        held = gc.get_referents(o)
        alone = [at for at in range(len(held)) if sys.getrefcount(held[at]) <= of_one]
        stack += [held[at] for at in alone if not gc.is_tracked(held[at]) and id(held[at]) not in known]
    return total


@seeded
@given(plans)
def test_what_sinks_keep(plan):
    """Objects, generations and bytes are those of what is there with these sinks and not without them."""
    with heap_of(plan) as heap:
        everything = [at for at, _ in plan.sinks]
        choices = (everything, everything[::2], *([at] for at in everything))
        for chosen, mine in zip(choices, reaches(heap, choices), strict=True):
            truth = kept(heap, chosen)

            assert mine.ids == set(map(id, truth))
            assert mine.objects == len(truth)
            born = {id(heap.nodes[at]): generation for at, generation in plan.sinks}
            assert mine.generations == {born[id(o)] for o in truth if id(o) in born}
            assert mine.size_bytes == size_of(truth)
            del truth


@seeded
@given(plans)
def test_what_the_earlier_of_some_sinks_keep(plan):
    """They are walked first, so the answer is at hand when it is asked: the same as that of a walk of its own."""
    with heap_of(plan) as heap:
        retained = Retained()
        for at, generation in plan.sinks:
            retained.add(heap.nodes[at], generation)
        roots = [[Root("test", f"{at}", f"{at}", heap.nodes[at]) for at in group] for group in plan.groups]
        sweep = Sweep(roots, retained.objects, ())
        limit = max(retained.born.values(), default=0)
        staged = Reaches(sweep, retained, limit=limit)
        plain = Reaches(sweep, retained)
        for chosen in (dict(retained.objects), dict(list(retained.objects.items())[::2])):
            all_of_them = staged.of(chosen)
            assert all_of_them == plain.of(chosen)
            earlier = {
                key: o
                for key, o in retained.objects.items()
                if key in all_of_them.ids and retained.born[key] < limit
            }
            assert staged.of(earlier, chosen) == plain.of(earlier)
            del earlier
        sweep.close()
