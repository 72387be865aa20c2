"""Turn groups of references into retentions: what each holder had after the first pass, and what it has taken since."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import NamedTuple

from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.holders.grouping import Group
from pytest_reloadleak.holders.retained import Retained
from pytest_reloadleak.holders.retention import Later, Retention
from pytest_reloadleak.holders.runner_noise import is_noise
from pytest_reloadleak.holders.search import Search
from pytest_reloadleak.holders.sizes import Reach, Reaches


class _Share(NamedTuple):
    """What a group had after the first pass, and what the second added."""

    early: dict[int, int]
    """Its generations after the first pass by their present numbers, each with its number in the report."""
    reach: Reach
    """What it keeps alive of these generations."""
    later: Later | None


def retentions(
    groups: Sequence[Group], reaches: Reaches, retained: Retained, search: Search
) -> tuple[Retention, ...]:
    """The groups as values.

    Args:
        groups: all groups of one diagnosis.
        reaches: what sinks keep alive.
        retained: all retained objects.
        search: has the state after the first pass.
    """
    holders: dict[int, set[int]] = defaultdict(set)
    full = [reaches.of(group.sinks) for group in groups]
    for number, (group, reach) in enumerate(zip(groups, full, strict=True)):
        for generation in reach.generations if not is_noise(group.first.cause) else ():
            holders[generation].add(number)
    again = _taken_again(groups, search)
    shares = [_share(g, reach, reaches, retained, search) for g, reach in zip(groups, full, strict=True)]
    company = _company(holders, shares)
    costs = reaches.costs([share.reach if share is not None else _NOTHING for share in shares])
    out = []
    for number, (group, share, cost) in enumerate(zip(groups, shares, costs, strict=True)):
        if share is None:
            continue
        early, reach, later = share
        if later == Later():
            later = Later(again[number])
        out.append(
            Retention(
                holder=group.holder,
                held=group.first.held,
                trace=group.trace,
                generations=tuple(sorted(early.values())),
                items=sum(1 for born in group.tops.values() if born in early),
                objects=reach.objects,
                size_bytes=reach.size_bytes,
                is_sole=not company[number],
                is_binding=group.first.is_binding,
                is_within=group.first.is_within,
                cause=group.first.cause,
                cache=group.first.cache,
                consequences=frozenset(reach.ids & search.consequences),
                number=number,
                together=tuple(sorted(company[number])),
                later=later,
                present=frozenset(early),
                cost=cost,
            )
        )
    return tuple(out)


def _company(holders: Mapping[int, Collection[int]], shares: Sequence[_Share | None]) -> list[set[int]]:
    """For each group, the other groups that keep one of its generations, or of which it keeps a generation.

    The two differ: a slot that each round fills anew keeps another generation now than after the first pass.
    """
    company: list[set[int]] = [set() for _ in shares]
    for number, share in enumerate(shares):
        for other in set().union(*(holders[g] for g in share.early)) if share is not None else ():
            if other != number:
                company[number].add(other)
                company[other].add(number)
    return company


_NOTHING = Reach(frozenset(), set(), 0, 0)


def _share(group: Group, reach: Reach, reaches: Reaches, retained: Retained, search: Search) -> _Share | None:
    """The part of a group that was there after the first pass; `None` if nothing was."""
    known, cause = search.first_pass, group.first.cause
    if known is None or is_noise(cause):
        return _Share({generation: generation for generation in reach.generations}, reach, None)
    gone = known.alive.difference(retained.born.values())
    of_probe: Hashable = cause if any(root.cause == cause for root in search.effects) else None
    early = known.share(reach.generations, search.limit, gone, of_probe)
    if early is None:
        return None
    added = sum(1 for born in group.tops.values() if born not in early)
    later = Later(added, reach.generations - early.keys())
    return _Share(early, _of_generations(group, reach, early, reaches, retained), later)


def _of_generations(
    group: Group, reach: Reach, generations: Collection[int], reaches: Reaches, retained: Retained
) -> Reach:
    """What a group's objects of some generations keep alive."""
    if reach.generations <= frozenset(generations):
        return reach
    ids = [key for key in reach.ids & retained.born.keys() if retained.born[key] in generations]
    return reaches.of({key: retained.objects[key] for key in ids}, group.sinks)


def _taken_again(groups: Sequence[Group], search: Search) -> list[int]:
    """The number of references to the same old objects that the second pass added to each group.

    The reference counts show how many each object gained. A group that takes more in each round has at least doubled
    its references after as many rounds again. So the gain is attributed to the groups with the most references.
    """
    counts = [_references(group) if search.gained else Counter[int]() for group in groups]
    found = [0] * len(groups)
    for key, gained in search.gained.items():
        left = gained
        for number in sorted(range(len(groups)), key=lambda number: -counts[number][key]):
            taken = min(counts[number][key] // 2, left)
            found[number] += taken
            left -= taken
    return found


def _references(group: Group) -> Counter[int]:
    """The number of references from a group to each sink and to the instances of each class, by id of sink or class."""
    found: Counter[int] = Counter()
    holders = {id(path[-2]): path[-2] for path in group.paths if len(path) > 1}
    shown = Counter(id(o) for holder in holders.values() for o in gc.get_referents(holder))
    # An instance that got a dict meanwhile no longer shows its references, so each path to a sink counts as well.
    paths = Counter(id(path[-1]) for path in group.paths)
    for key, sink in group.sinks.items():
        count = max(shown[key], paths[key])
        found[key] += count
        found[id(type(sink))] += count
    return found
