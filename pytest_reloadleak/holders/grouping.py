"""Join references that have one cause: they differ only in a number, in a name, or in the length of a chain."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Any, NamedTuple

from pytest_reloadleak.heap import foreign
from pytest_reloadleak.holders.sweep import Root
from pytest_reloadleak.holders.trace import Trace
from pytest_reloadleak.model import Holder

_CONTAINERS = foreign.type_ids(list, tuple, dict, set, frozenset, type)
_LONGEST_LINK = 4
"""Steps from one link of a chain to the next, at most: a link, its dict, a closure and a cell."""
_LENGTHS = 3
"""This many different lengths show that builtin containers form a chain, and are not merely nested. The same holds for
classes, which have bases."""
_NUMBER = re.compile(r"(\d+)")
_NAMES = 3
"""This many generations with different names show that each one makes up a name."""


@dataclass(slots=True, eq=False, repr=False)
class Group:
    """References that have one cause. Lives only during one diagnosis."""

    first: Trace
    """The trace that is reported."""
    sinks: dict[int, Any] = field(default_factory=dict)
    tops: dict[int, int] = field(default_factory=dict)
    """Ids of the held objects, each with the oldest generation that it leads to."""
    paths: list[tuple[Any, ...]] = field(default_factory=list)
    """Objects from the root's value to the sink, of each reference."""
    roots: list[Root] = field(default_factory=list)
    """The root of each path."""
    steps: tuple[str, ...] | None = None
    """Steps to the held object, with `*` for what differs; `None` if they are those of the first trace."""
    at: int | None = None
    """Number of steps to the objects, one per generation, through which all references lead; `None` without them."""
    holder_type: str = ""
    """The type of what holds those objects."""

    @property
    def holder(self) -> Holder:
        """The holder, with `*` for what differs."""
        holder = self.first.holder
        if self.steps is None and self.at is None:
            return holder
        before = self.first.to_held[:-1] if self.steps is None else self.steps[:-1]
        start = holder.path.removesuffix("".join(self.first.to_held[:-1]))
        path = start + "".join(before[: self.at])
        return replace(holder, path=path, type=self.holder_type or holder.type)

    @property
    def trace(self) -> tuple[str, ...]:
        """The whole trace, with `*` for what differs."""
        return (self.first.root, *(self.steps or self.first.to_held), *self.first.tail)

    def add(self, other: Group) -> None:
        """Take in another group's references."""
        if other.first.rank < self.first.rank:  # the order of discovery may differ in the next look
            self.first = other.first
        self.sinks |= other.sinks
        for top, born in other.tops.items():
            self.tops[top] = min(born, self.tops.get(top, born))
        self.paths += other.paths
        self.roots += other.roots


Born = Callable[[int], int]
"""The generation of a sink, by its id."""


def joined(groups: Iterable[Group], born: Born) -> list[Group]:
    """The groups, with those that have one cause joined."""
    alone: list[Group] = []
    several: list[Group] = []
    groups = list(groups)
    _forget_patches(groups, born)
    for group in groups:
        is_fixed = group.first.cause is not None or group.first.is_one
        (alone if is_fixed else several).append(group)
    return [*alone, *_chains(_renamed(_numbered(several, born), born))]


def generations_of(group: Group, born: Born) -> set[int]:
    """The generations that a group retains."""
    return set(map(born, group.sinks))


def by(groups: Iterable[Group], key: Callable[[Group], Hashable]) -> list[list[Group]]:
    """The groups that have equal keys, together and in order."""
    found: dict[Hashable, list[Group]] = defaultdict(list)
    for group in groups:
        found[key(group)].append(group)
    return list(found.values())


def union(groups: Sequence[Group], steps: tuple[str, ...] | None = None) -> Group:
    """Several groups as one. It gets the name of the group with the lowest trace, or `steps`."""
    first, *others = sorted(groups, key=lambda group: group.first.rank)
    for other in others:
        first.add(other)
    first.steps = steps or first.steps
    return first


# -- numbers ----------------------------------------------------------------------------------------------------------


def _numbered(groups: list[Group], born: Born) -> list[Group]:
    """Join groups of one generation each whose steps differ in numbers: each generation took the next name.

    A name that holds several generations is a holder of its own, whatever number is in it.
    """
    out: list[Group] = []
    for alike in by(groups, lambda group: group.first.key):
        single = [group for group in alike if len(generations_of(group, born)) == 1]
        generations = {generation for group in single for generation in generations_of(group, born)}
        if len(single) < 2 or len(generations) < 2:
            out += alike
            continue
        steps = tuple(
            _open(set(texts)) for texts in zip(*(group.first.to_held for group in single), strict=True)
        )
        out += [group for group in alike if group not in single]
        out.append(union(single, steps))
    return out


def _forget_patches(groups: Iterable[Group], born: Born) -> None:
    """Make references of patches under names that each generation adds: a new name replaces nothing."""
    patches = [g for g in groups if g.first.cause is not None and g.first.cause.kind == "patched-global"]
    patches = [g for g in patches if g.first.holder.path.endswith("".join(g.first.to_held[:-1]))]
    for alike in by(patches, _around_name):
        if _has_name_each(alike, born):
            for group in alike:
                group.first.cause, group.first.is_one = None, False


def _renamed(groups: list[Group], born: Born) -> list[Group]:
    """Join groups whose steps differ in the last name, which each generation made up for itself."""
    out: list[Group] = []
    for alike in by(groups, _around_name):
        if not _has_name_each(alike, born):
            out += alike
            continue
        first, names = alike[0].first, {group.first.to_held[-2] for group in alike}
        out.append(union(alike, (*first.to_held[:-2], _open(names, name=".*"), first.to_held[-1])))
    return out


def _around_name(group: Group) -> Hashable:
    """A key that is equal for references that differ only in the last name on the path; unique for all others."""
    steps = group.first.to_held
    if group.steps is not None or len(steps) < 2 or not steps[-2].startswith("."):
        return id(group)
    return (group.first.root, steps[:-2], steps[-1], group.first.holder.type)


def _has_name_each(groups: Sequence[Group], born: Born) -> bool:
    """Whether there are several generations, each with one name of its own."""
    generations = [generations_of(group, born) for group in groups]
    return len(groups) >= _NAMES and all(len(g) == 1 for g in generations) and _are_apart(generations)


def _are_apart(sets: Sequence[set[int]]) -> bool:
    return len(set().union(*sets)) == sum(map(len, sets))


def _open(texts: set[str], name: str | None = None) -> str:
    """The text that some texts have in common, with `*` for numbers that differ; `name` if anything else differs."""
    if len(texts) == 1:
        return next(iter(texts))
    if name is not None and len({_NUMBER.sub("*", text) for text in texts}) > 1:
        return name
    parts = zip_longest(*map(_NUMBER.split, sorted(texts)), fillvalue="")
    return "".join(same[0] if len(set(same)) == 1 else "*" for same in parts)


# -- chains -----------------------------------------------------------------------------------------------------------


def _chains(groups: list[Group]) -> list[Group]:
    """Join groups whose paths differ only in the number of links of a chain, and fold the repeated steps."""
    left, out = list(groups), []
    for where, pattern in dict.fromkeys((_where(g), p) for g in groups if (p := _repeated(g)) is not None):
        lengths = {id(g): pattern.length(steps_of(g)[:-1]) for g in left if _where(g) == where}
        chain = [g for g in left if lengths.get(id(g)) is not None]
        are_containers = any(g.first.kinds[len(pattern.head)] in _CONTAINERS for g in chain)
        if not chain or (are_containers and len(set(lengths.values()) - {None}) < _LENGTHS):
            continue
        left = [g for g in left if lengths.get(id(g)) is None]
        held = min(steps_of(g)[-1] for g in chain)
        out.append(union(chain, (*pattern.head, f"({''.join(pattern.link)})*", *pattern.end, held)))
    return [*left, *out]


def _where(group: Group) -> tuple[str, str]:
    return group.first.root, group.first.holder.type


def steps_of(group: Group) -> tuple[str, ...]:
    """The steps from the root to the held object, its name included; all links of a chain are one step."""
    return group.steps or group.first.to_held


def _repeated(group: Group) -> _Pattern | None:
    """The longest chain in a group's steps, with the shortest links; `None` if no step is repeated."""
    steps, kinds = steps_of(group)[:-1], group.first.kinds
    best = (0, 0, 1)
    for size in range(1, _LONGEST_LINK + 1):
        at = 0
        while at + 2 * size <= len(steps):
            count = 1
            # All links have one type. The last of equal steps may lead out of the chain, to an item of another type.
            while (
                steps[at + count * size : at + (count + 1) * size] == steps[at : at + size]
                and kinds[at + count * size] == kinds[at]
            ):
                count += 1
            if kinds[at + count * size] != kinds[at]:
                count -= 1
            if count > 1 and count * size > best[0]:
                best = (count * size, at, size)
            at += max(count - 1, 0) * size + 1
    length, at, size = best
    return _Pattern(steps[:at], steps[at : at + size], steps[at + length :]) if length else None


class _Pattern(NamedTuple):
    """Steps in which links of a chain are repeated."""

    head: tuple[str, ...]
    link: tuple[str, ...]
    end: tuple[str, ...]

    def length(self, steps: tuple[str, ...]) -> int | None:
        """The number of links in some steps; `None` if the steps do not fit the pattern."""
        count, rest = divmod(len(steps) - len(self.head) - len(self.end), len(self.link))
        is_one = count >= 0 and not rest and steps == (*self.head, *self.link * count, *self.end)
        return count if is_one else None


def paths_of(groups: Iterable[Group], born: Born) -> dict[object, list[tuple[int, tuple[Any, ...]]]]:
    """The paths of each group with their generations, by the cause, or by trace and holder without one."""
    found: dict[object, list[tuple[int, tuple[Any, ...]]]] = defaultdict(list)
    for group in groups:
        key = group.first.cause or (group.trace, group.holder)
        found[key] += [(born(id(path[-1])), path) for path in group.paths]
    return found
