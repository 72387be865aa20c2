"""Expand the levels of a sweep in Python: used where there is no extension, and as its reference in the tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import compress, filterfalse
from typing import Any

from pytest_reloadleak.heap import collector as gc

Addresses = set[int]
"""Ids of objects."""


def expand(
    level: list[Any], slice_size: int, seen: set[int], sinks: Collection[int], *, has_untracked: bool
) -> tuple[list[Any], list[int], dict[int, set[int]]]:
    """Enter what the objects of a level refer to. The `_native` extension does the same.

    Args:
        level: objects that were entered.
        slice_size: number of consecutive objects whose children are stored together.
        seen: ids of objects that are not entered; receives the ids of those that are.
        sinks: ids of objects that are reported and not entered.
        has_untracked: whether there are sinks that the collector does not track.

    Returns:
        The objects entered; the position among them at which the children of each slice begin; and the ids of the
        sinks to which each slice refers, by the slice's first position in the level.
    """
    below: list[Any] = []
    starts: list[int] = []
    hits: dict[int, set[int]] = {}

    # An untracked sink is usually a dict of atoms or an `object()`, and the collector does not track a tuple that
    # holds only such objects. This test is slower than `gc.is_tracked`, so it runs only if some sink is untracked.
    def may_lead(o: Any) -> bool:
        return gc.is_tracked(o) or type(o) is tuple or type(o) is dict or id(o) in sinks

    followed = may_lead if has_untracked else gc.is_tracked
    add, push, referents, identity = seen.add, below.append, gc.get_referents_of_all, id
    for at in range(0, len(level), slice_size):
        starts.append(len(below))
        for o in filter(followed, referents(*level[at : at + slice_size])):
            key = identity(o)
            if key not in seen:
                if key in sinks:
                    hits.setdefault(at, set()).add(key)
                else:
                    add(key)
                    push(o)
    return below, starts, hits


def positions(objects: Sequence[Any], wanted: Collection[int]) -> list[int]:
    """Positions in a list of the objects with some ids.

    Args:
        objects: the list.
        wanted: the ids.
    """
    return list(compress(range(len(objects)), map(wanted.__contains__, map(id, objects))))


_ASKED = 64
"""Objects whose references are read together, before those of each single object are."""


def referring(objects: list[Any], start: int, stop: int, wanted: set[int]) -> Iterator[int]:
    """Positions in a part of a list of the objects that refer to wanted ones, as the collector sees it.

    Args:
        objects: the list.
        start: the first position of the part.
        stop: the position after its last one; may exceed the length of the list.
        wanted: ids of the wanted objects.
    """
    referents = gc.get_referents_of_all
    for at in range(start, min(stop, len(objects)), _ASKED):
        some = objects[at : min(at + _ASKED, stop)]
        if not wanted.isdisjoint(map(id, referents(*some))):
            for position, o in enumerate(some, at):
                if not wanted.isdisjoint(map(id, referents(o))):
                    yield position


def of_types(objects: list[Any], types: Collection[int]) -> list[Any]:
    """The objects of some types, in order.

    Args:
        objects: the objects.
        types: ids of the types.
    """
    return list(compress(objects, map(types.__contains__, map(id, map(type, objects)))))


def counted(objects: list[Any]) -> dict[int, int]:
    """The number of objects of each type, by the position of the first object of that type.

    Args:
        objects: the objects.
    """
    kinds = list(map(id, map(type, objects)))
    first = dict(zip(reversed(kinds), range(len(kinds) - 1, -1, -1), strict=True))
    return {first[kind]: count for kind, count in Counter(kinds).items()}


_READ = 1024
"""Objects whose references are read at once."""


def untracked(objects: list[Any], without: Collection[int], types: tuple[type, ...]) -> list[Any]:
    """The untracked objects of some types to which tracked objects or untracked dicts refer.

    Args:
        objects: tracked objects.
        without: ids of those whose references are not read.
        types: the types, all written in C.
    """
    kinds = frozenset(map(id, types))

    def among(owners: Iterable[Any]) -> list[Any]:
        some = list(filterfalse(gc.is_tracked, gc.get_referents_of_all(*owners)))
        return list(compress(some, map(kinds.__contains__, map(id, map(type, some)))))

    found: dict[int, Any] = {}
    for at in range(0, len(objects), _READ):
        some = objects[at : at + _READ]
        loose = among(o for o in some if id(o) not in without)
        loose += among(o for o in loose if type(o) is dict)  # a buffer as a value does not get a dict tracked
        found.update((id(o), o) for o in loose)
    return list(found.values())


def fingerprint(container: dict[Any, Any] | list[Any], without: frozenset[str] = frozenset()) -> object:
    """A value that stays equal while a container has the same objects in the same order: their ids, and their types'.

    Args:
        container: a dict or a list.
        without: keys of the dict that are left out.
    """
    own: Any = container
    if issubclass(type(own), list):
        objects = list.__getitem__(own, slice(None))
    else:
        keys, values = list(dict.keys(own)), list(dict.values(own))
        if without:
            counts = [type(key) is not str or key not in without for key in keys]
            keys, values = list(compress(keys, counts)), list(compress(values, counts))
        objects = keys + values
    return list(map(id, objects)), list(map(id, map(type, objects)))
