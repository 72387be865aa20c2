"""Find the edge over which several references lead: whoever removes it releases all that lies below.

Such an edge is a dominator of what it leads to, as in the retained sizes of heap analysers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from typing import Any

from pytest_reloadleak.heap import foreign, references
from pytest_reloadleak.holders.grouping import Born, Group, by, generations_of, steps_of, union


def below_one_edge(groups: list[Group], born: Born) -> list[Group]:
    """Join groups whose references all lead over one edge: removing that edge releases all of them.

    The edge leads to the first object of each path that belongs to one generation: a route in a host's list, of which
    two attributes are the target's.
    """
    fixed = [group for group in groups if group.first.cause is not None or group.first.is_one]
    groups = [group for group in groups if group.first.cause is None and not group.first.is_one]
    own = _leading_to(groups, born)
    edges: dict[int, tuple[Hashable, int, frozenset[int], str] | None] = {
        id(group): _edge(group, own) for group in groups
    }
    out = fixed
    for alike in by(groups, lambda group: edges[id(group)] or id(group)):
        edge = edges[id(alike[0])]
        if len(alike) < 2 or edge is None:
            out += alike
            continue
        first = union(alike)
        _, first.at, tops, first.holder_type = edge
        first.tops = _births(first.paths, tops, born)
        out.append(first)
    return out


def _births(paths: list[tuple[Any, ...]], wanted: frozenset[int], born: Born) -> dict[int, int]:
    """By id, the oldest generation to which each of the wanted objects on the paths leads."""
    found: dict[int, int] = {}
    for path in paths:
        for o in path:
            if id(o) in wanted:
                generation = born(id(path[-1]))
                found[id(o)] = min(generation, found.get(id(o), generation))
    return found


def _leading_to(groups: list[Group], born: Born) -> dict[int, set[int]]:
    """By id, the generations to which each object on the paths leads."""
    found: dict[int, set[int]] = defaultdict(set)
    for group in groups:
        for path in group.paths:
            generation = born(id(path[-1]))
            for o in path[:-1]:
                found[id(o)].add(generation)
    return found


def _edge(group: Group, own: dict[int, set[int]]) -> tuple[Hashable, int, frozenset[int], str] | None:
    """The edge over which all of a group's references lead: its key, steps, ids behind it, and the holder's type.

    The steps are those of the group, in which all links of a chain are one. In the oldest generation the links
    themselves lead to that generation alone, so the edge of a chain is the one nearest to the held object.
    """
    chain = next(
        (n for n, step in enumerate(steps_of(group)) if step.startswith("(") and step.endswith(")*")), None
    )
    counts: set[int] = set()
    folds: list[tuple[list[tuple[object, str, object]], int]] = []
    for path in group.paths:
        at = next((n for n, o in enumerate(path[:-1]) if len(own[id(o)]) == 1), None)
        if at is None or at == 0:
            return None
        steps = references.folded(path)
        folded_count = _links(steps, chain, steps_of(group)[chain]) - 1 if chain is not None else 0
        counts.add(_reaching(path, steps, at) - folded_count)
        folds.append((steps, folded_count))
    count = max(counts)
    if len(counts) != 1 and (chain is None or count <= chain + 1):
        return None
    ends = [
        steps[count + folded_count - 1] for steps, folded_count in folds if count + folded_count <= len(steps)
    ]
    tops = frozenset(id(child) for _, _, child in ends)
    kinds = {"module" if foreign.is_module(parent) else foreign.type_name(parent) for parent, _, _ in ends}
    if (
        len(ends) < len(folds)
        or len(tops) < 2
        or len(kinds) != 1
        or any(len(own.get(key, ())) != 1 for key in tops)
    ):
        return None
    return ((group.first.root, steps_of(group)[:count], tops), count, tops, kinds.pop())


def _links(steps: list[tuple[object, str, object]], start: int, pattern: str) -> int:
    """How many steps of a path the links of a chain take; the pattern is their text, as in `(.older)*`."""
    link, at = pattern[1:-2], start
    while at < len(steps):
        text, end = "", at
        while end < len(steps) and len(text) < len(link):
            text += steps[end][1]
            end += 1
        if text != link:
            break
        at = end
    return at - start


def _reaching(path: tuple[Any, ...], steps: list[tuple[object, str, object]], at: int) -> int:
    """The number of steps to the object at a position of a path."""
    positions = {id(o): position for position, o in enumerate(path)}
    for count, (_, _, child) in enumerate(steps, start=1):
        if positions[id(child)] >= at:
            return count
    raise AssertionError("the last step of a path leads to its last object")


def own_parts(groups: Iterable[Group], born: Born) -> dict[int, list[tuple[Any, tuple[Any, ...]]]]:
    """Objects that each belong to one generation and lead to its sinks: a subscription, a partial, a wrapper.

    Such an object came with its generation, so each further reference to it holds the generation as well. Modules and
    classes do not count, nor does a group whose paths all belong to one generation.

    Returns:
        By the object's id, for each path through the object: the object before it, and the path from it to the sink.
    """
    several = [g for g in groups if g.first.cause is None and not g.first.is_one]
    several = [g for g in several if len(generations_of(g, born)) > 1]
    own = _leading_to(several, born)
    found: dict[int, list[tuple[Any, tuple[Any, ...]]]] = defaultdict(list)
    for group in several:
        for path in group.paths:
            for at, o in enumerate(path[:-1]):
                if at and len(own[id(o)]) == 1 and not (foreign.is_module(o) or foreign.is_class(o)):
                    found[id(o)].append((path[at - 1], path[at:]))
    return found
