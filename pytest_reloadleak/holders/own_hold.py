"""Tell what only the check's own hold on the original keeps alive: it is never a finding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_reloadleak.heap.weak_entries import ends_with
from pytest_reloadleak.holders.native import led_to
from pytest_reloadleak.holders.retained import Retained
from pytest_reloadleak.holders.search import Search
from pytest_reloadleak.holders.sweep import Sweep


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
    return is_effect or is_finalized or ends_with(path, retained.ours)


def kept_ids(search: Search, sweep: Sweep) -> set[int]:
    """Ids of what only the kept original leads to."""
    original = search.original
    # The sweep counts the tool's own parts as seen, so the walk starts at each of them.
    own = (part for pair in original.namespaces.values() for part in (pair, pair[1]))
    return led_to([*original.containers, *own], sweep)
