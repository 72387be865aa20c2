"""Recognize entries of weak mappings that end with the original generation.

The check keeps that generation alive, and so every entry that would end when a part of it, its weak key or value, dies.
"""

from __future__ import annotations

import weakref
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Any

_referent = weakref.ref.__call__


def ends_with(path: Sequence[Any], ours: Collection[int]) -> bool:
    """Whether a path leads through an entry that ends when the check releases what only the check keeps alive.

    Args:
        path: objects, each of which refers to the next.
        ours: ids of what only the check keeps alive.
    """
    if not ours:
        return False
    steps = ((above, below) for above, below in pairwise(path) if issubclass(type(above), dict))
    return any(_ends(mapping, item, ours) for mapping, item in steps)


def _ends(mapping: dict[Any, Any], item: object, ours: Collection[int]) -> bool:
    """Whether every dict entry with `item` as its key or value refers weakly to an object in `ours`."""
    entries = list(dict.items(mapping))
    others = [value if key is item else key for key, value in entries if key is item or value is item]
    return bool(others) and all(
        issubclass(type(other), weakref.ref) and id(_referent(other)) in ours for other in others
    )
