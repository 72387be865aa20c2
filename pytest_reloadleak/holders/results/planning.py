"""Note what a diagnosis found, with the objects, for the trial removal after it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from pytest_reloadleak.holders.grouping import Group
from pytest_reloadleak.holders.retained import Retained
from pytest_reloadleak.holders.search import Known, KnownHolder, Plan
from pytest_reloadleak.holders.sizes import Reaches


def fill(plan: Plan, groups: Sequence[Group], reaches: Reaches, retained: Retained, kept: int | None) -> None:
    """Note groups in a plan, by number.

    Args:
        plan: receives the groups.
        groups: all groups of one diagnosis.
        reaches: what sinks keep alive.
        retained: all retained objects.
        kept: the generation that the check keeps, if it keeps one.
    """
    born = retained.born
    for number, group in enumerate(groups):
        beside: dict[int, set[int]] = defaultdict(set)
        for key in group.sinks:
            beside[born[key]].add(key)
        references = []
        for root, path in zip(group.roots, group.paths, strict=True):
            sink = path[-1]
            generations = reaches.of({id(sink): sink}).generations
            references.append(Known(root, path, frozenset(beside[born[id(sink)]]), generations))
        named = len(group.trace) - len(group.first.tail) - 2 if group.at is None else group.at
        plan.holders[number] = KnownHolder(
            group.first.cause, references, named, group.at, frozenset(group.tops)
        )
    plan.watch(retained.objects, born, kept)
