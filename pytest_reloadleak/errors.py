"""Every exception that the tool raises on purpose, one sentence each."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_reloadleak.model import Report


class ReloadLeakError(AssertionError):
    """A check whose outcome is neither `clean` nor `known`; `report` is its `Report`."""

    def __init__(self, message: str, report: Report) -> None:
        super().__init__(message)
        self.report = report


class UsageError(ValueError):
    """What the caller asked for cannot be checked; the text says what was wrong, what was received, what to do."""


class RoundError(Exception):
    """A round could not be completed; ends the check with the outcome `error`.

    `text` is one line: the round, what happened, and where in the user's own files. It holds no exception and no
    traceback, since either would keep the half-built generation alive (reload facts, row 44).
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class TargetError(Exception):
    """The target's code raised where no exception can be passed on from; the text has its type, text and frames."""
