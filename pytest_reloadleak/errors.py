"""Define every exception that the tool raises on purpose."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_reloadleak.model import Report


class ReloadLeakError(AssertionError):
    """A check whose outcome is neither `clean` nor `known`; `report` is its `Report`."""

    def __init__(self, message: str, report: Report) -> None:
        super().__init__(message)
        self.report = report


class UsageError(ValueError):
    """The request cannot be checked; the text says what is wrong, what was received and what to do."""


class RefusedError(UsageError):
    """A glob matches nothing but modules that are refused: the other targets can be checked."""


class RoundError(Exception):
    """A round could not be completed; ends the check with the outcome `error`.

    `text` is one line: the round, what happened, and where in the user's own files. No exception and no traceback is
    kept: either would keep the half-built generation alive (reload facts, row 44).
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class TargetError(Exception):
    """A worker process could not answer: its target raised, an object cannot pass, or it ended. The text says which."""


def did_you_mean(name: object, names: Iterable[str], *, cutoff: float = 0.8) -> str:
    """A question that suggests the most similar other name, with a trailing space; empty if no name is similar."""
    from difflib import get_close_matches  # only an error needs it

    spelled = {one.lower(): one for one in names if one != name}
    found = get_close_matches(str(name).lower(), list(spelled), n=1, cutoff=cutoff)
    return f"did you mean {spelled[found[0]]!r}? " if found else ""


def unknown_keyword(name: str, keywords: Sequence[str]) -> str:
    """The error text for a keyword that does not exist."""
    hint = did_you_mean(name, keywords).strip()
    return f"unknown keyword {name!r}; the keywords are {', '.join(keywords)}{f'; {hint}' if hint else ''}"
