"""Remember, as text, which objects of the program could not be read, so that the report can name them.

The getters of extension types run their own code and may raise anything. An error concerns only the object that raised
it; the check goes on to read all others.
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
