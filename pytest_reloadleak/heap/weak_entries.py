"""Entries of mappings with weak keys or values: each lasts for as long as what it refers to weakly.

The check keeps the original generation alive, and by that every entry that would have ended with a part of it.
"""

from __future__ import annotations

import weakref
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Any

_referent = weakref.ref.__call__


def ends_with(path: Sequence[Any], ours: Collection[int]) -> bool:
    """Whether a path leads through an entry that ends when the check lets go of what only it keeps alive.

    Args:
        path: objects, each of which refers to the next one.
        ours: ids of what nobody but the check keeps alive.
    """
    if not ours:
        return False
    steps = ((above, below) for above, below in pairwise(path) if issubclass(type(above), dict))
    return any(_ends(mapping, item, ours) for mapping, item in steps)


def _ends(mapping: dict[Any, Any], item: object, ours: Collection[int]) -> bool:
    """Whether every entry of a dict that has `item`, as its key or value, does."""
    entries = list(dict.items(mapping))
    others = [value if key is item else key for key, value in entries if key is item or value is item]
    return bool(others) and all(
        issubclass(type(other), weakref.ref) and id(_referent(other)) in ours for other in others
    )
