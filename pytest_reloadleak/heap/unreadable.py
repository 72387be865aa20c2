"""Remember, as text, what of the program's objects could not be read, so that the report can say so.

The getters of extension types run code of theirs, and may raise what they like. An error counts against the one object
that raised it, and the rest is read all the same.
"""

from __future__ import annotations

_texts: dict[str, None] = {}


def note(what: str) -> None:
    """Remember one thing that could not be read; the same text counts once."""
    _texts[what] = None


def take() -> list[str]:
    """What could not be read since the last call, in order."""
    found = list(_texts)
    _texts.clear()
    return found
