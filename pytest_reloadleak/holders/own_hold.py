"""Tell what lives only because the check holds the original: it is never a finding.

The check keeps that generation alive, and with it every entry that would end when a part of the generation dies: an
entry of a weak mapping with the part as its weak key or value, and an entry with a weak reference to the part and a
callback.
"""

from __future__ import annotations

import types
import weakref
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Any

from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.holders.native import led_to
from pytest_reloadleak.holders.retained import Retained
from pytest_reloadleak.holders.search import Search
from pytest_reloadleak.holders.sweep import Sweep

_referent = weakref.ref.__call__
_callback = vars(weakref.ref)["__callback__"].__get__
_MANY = foreign.type_ids(list, set, types.FunctionType, types.MethodType, types.CellType, types.FrameType)
"""Types whose objects are no entries: collections, which outlive their items, and code."""


def is_own(path: Sequence[Any], search: Search, retained: Retained) -> bool:
    """Whether a path to a part of the original would end if the check released the original.

    Args:
        path: objects from a root's value, or the topmost visible one, to the retained object.
        search: knows the effects that end with the original, and what its finalizers use.
        retained: knows what only the check keeps alive.
    """
    if retained.born[id(path[-1])] != search.kept:
        return False
    is_effect = not search.kept_alive.isdisjoint(map(id, path))
    is_finalized = len(path) > 1 and search.ended.issuperset(map(id, path[-2:]))
    return is_effect or is_finalized or _ends_with(path, retained.ours)


def kept_ids(search: Search, sweep: Sweep) -> set[int]:
    """Ids of what only the kept original leads to."""
    original = search.original
    # The sweep counts the tool's own parts as seen, so the walk starts at each of them.
    own = (part for pair in original.namespaces.values() for part in (pair, pair[1]))
    return led_to([*original.containers, *own], sweep)


def _ends_with(path: Sequence[Any], ours: Collection[int]) -> bool:
    """Whether a path leads through an entry that ends when the check releases the objects that only it keeps alive.

    Args:
        path: objects, each of which refers to the next.
        ours: ids of what only the check keeps alive.
    """
    return bool(ours) and any(_ends(above, below, ours) for above, below in pairwise(path))


def _ends(above: Any, below: object, ours: Collection[int]) -> bool:
    if issubclass(type(above), dict) and foreign.module_name(above):
        return False
    if issubclass(type(above), dict) and _is_mapped_weakly(above, below, ours):
        return True
    is_entry = not (foreign.is_exactly(above, _MANY) or foreign.is_class(above) or foreign.is_module(above))
    return is_entry and any(_refers_to(o, ours) and _callback(o) is not None for o in gc.get_referents(above))


def _is_mapped_weakly(mapping: dict[Any, Any], item: object, ours: Collection[int]) -> bool:
    """Whether every dict entry with `item` as its key or value refers weakly to an object in `ours`."""
    entries = list(dict.items(mapping))
    others = [value if key is item else key for key, value in entries if key is item or value is item]
    return bool(others) and all(_refers_to(other, ours) for other in others)


def _refers_to(o: Any, ours: Collection[int]) -> bool:
    """Whether `o` is a weak reference to an object in `ours`."""
    return issubclass(type(o), weakref.ref) and id(_referent(o)) in ours
