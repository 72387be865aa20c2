"""Ask the collector for what no registry lists: the live instances of a class, and what else refers to an object.

Each answer takes a pass over the heap, so a run asks only when it searches for leaks, not in each round.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.heap.own_objects import is_frame_or_own_generator


def instances(classes: Iterable[type]) -> list[Any]:
    """All live instances of some classes and their subclasses, as far as the collector tracks them."""
    wanted = set(map(id, with_subclasses(classes)))
    if not wanted:
        return []
    objects = gc.get_objects()
    return list(itertools.compress(objects, map(wanted.__contains__, map(id, map(type, objects)))))


def with_subclasses(classes: Iterable[type]) -> list[type]:
    """Some classes and all classes that derive from them, directly or not."""
    found: dict[int, type] = {}
    left = list(classes)
    while left:
        cls = left.pop()
        if id(cls) not in found:
            found[id(cls)] = cls
            left += foreign.subclasses(cls)
    return list(found.values())


def unsafe_modules() -> list[Any]:
    """All modules with an unsafe name: those in `sys.modules`, and copies that only their classes still lead to."""
    listed = [module for name, module in foreign.loaded_modules() if name in gc.UNSAFE]
    classes = [cls for cls in foreign.subclasses(object) if foreign.class_module(cls) in gc.UNSAFE]
    return [*listed, *(o for cls in classes for o in gc.get_referents(cls) if foreign.is_module(o))]


def referents(o: object) -> list[Any]:
    """What an object refers to. Use it for C types that give no other access to what they hold."""
    return gc.get_referents(o)


def held_besides(objects: list[Any], containers: Iterable[Any], is_theirs: Callable[[Any], bool]) -> set[int]:
    """Ids of those `objects` that have other holders than frames and the exceptions listed below.

    Args:
        objects: the objects to check.
        containers: further holders that do not count: lists that list all such objects, and the caller's own.
        is_theirs: whether a holder does not count. An attribute dict is treated as its owner is.
    """
    wanted = set(map(id, objects))
    but = {id(objects), *map(id, containers)}
    held = set()
    for referrer in gc.get_referrers(*objects) if objects else ():
        if id(referrer) in but or is_frame_or_own_generator(referrer) or is_theirs(referrer):
            continue
        if type(referrer) is tuple and list(map(id, referrer)) == list(map(id, objects)):
            continue  # the arguments of the call, which `get_referrers` includes since 3.14
        if type(referrer) is dict and _is_owned(referrer, is_theirs):
            continue
        held.update(wanted.intersection(map(id, gc.get_referents(referrer))))
    return held


def _is_owned(namespace: dict[Any, Any], is_theirs: Callable[[Any], bool]) -> bool:
    """Whether a dict holds the attributes of an object that does not count."""
    return any(
        foreign.instance_dict(owner) is namespace and is_theirs(owner)
        for owner in gc.get_referrers(namespace)
    )
