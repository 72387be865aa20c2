"""Write names as a phrase that stays short: all of a few, otherwise the first ones and a count."""

from __future__ import annotations

from collections.abc import Sequence

_MOST = 4
"""Names that a reader still compares with others; of more, the report's JSON has them all."""


def parts(names: Sequence[str]) -> list[str]:
    """The names to write, the last of which may stand for all others: `["a", "b", "c", "9 more"]`."""
    if len(names) <= _MOST:
        return list(names)
    return [*names[: _MOST - 1], f"{len(names) - _MOST + 1} more"]


def phrase(names: Sequence[str]) -> str:
    """The names as `a, b and c`, or `a, b, c and 9 more`; empty without names."""
    *first, last = parts(names) or [""]
    return f"{', '.join(first)} and {last}" if first else last
