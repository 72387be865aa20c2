"""Entries of mappings with weak keys or values: each lasts for as long as what it refers to weakly.

The check keeps the original generation alive, and by that every entry that would have ended with a part of it.
"""

from __future__ import annotations

import weakref
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from typing import Any

_referent = weakref.ref.__call__


def ends_with(path: Sequence[Any], ours: Collection[int]) -> bool:
    """Whether a path leads through an entry that ends when the check lets go of what only it keeps alive.

    Args:
        path: objects, each of which refers to the next one.
        ours: ids of what nobody but the check keeps alive.
    """
    return bool(ours) and any(
        partners and all(id(referent) in ours for referent in partners)
        for container, item in pairwise(path)
        if issubclass(type(container), dict)
        for partners in (list(_partners(container, item)),)
    )


def _partners(mapping: dict[Any, Any], item: object) -> Iterator[object]:
    """What the other half of each entry of a dict that has `item` refers to weakly; `None` where it does not."""
    for key, value in list(dict.items(mapping)):
        if key is item or value is item:
            other = value if key is item else key
            yield _referent(other) if issubclass(type(other), weakref.ref) else None
