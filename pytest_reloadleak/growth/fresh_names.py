"""Spell names of which each round makes a new one, with `*` for the part that differs: `job-*.lock`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile

from pytest_reloadleak.effects import spelling

_RANDOM = re.compile(
    rf"{spelling.DRAWN}"
    r"|(?<![A-Za-z0-9])(?=[a-f]*\d)[0-9a-f]{6,}(?![A-Za-z0-9])"  # secrets.token_hex
    r"|\d+"
)
_WORD = re.compile(r"[A-Za-z0-9_]*")
_DRAWN = 8
"""Number of random characters of `tempfile` and `multiprocessing`. Names may agree by chance in some of them."""


def opened(names: Sequence[str]) -> list[str]:
    """Spell each name: exactly if it is the only one, otherwise with `*` for what differs.

    Args:
        names: names that one line of code made.
    """
    if len(set(names)) == 1:
        return [_RANDOM.sub("*", name) for name in names]
    shapes = {_RANDOM.sub("*", name) for name in names}
    if len(shapes) == 1:
        return [*shapes] * len(names)
    return [_differing(names)] * len(names)


def _differing(names: Sequence[str]) -> str:
    """The text that the names have in common, with `*` for whole numbers and whole random parts."""
    first = names[0]
    head = _common(names)
    tail = _common([name[head:][::-1] for name in names])
    end = len(first) - tail
    end += len(_WORD.match(first, end).group())  # type: ignore[union-attr]  # it matches the empty text
    if len({len(name) for name in names}) == 1 and end - head < _DRAWN:
        word = len(_WORD.match(first[:end][::-1]).group())  # type: ignore[union-attr]  # as above
        head = max(end - _DRAWN, end - word, 0)
    return f"{spelling.open_numbers(first[:head]).rstrip('*')}*{first[end:]}"


def _common(names: Sequence[str]) -> int:
    """The number of characters with which all names begin."""
    return sum(1 for _ in takewhile(lambda drawn: len(set(drawn)) == 1, zip(*names, strict=False)))
