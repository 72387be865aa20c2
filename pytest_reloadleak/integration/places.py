"""Give failures a place and a short message, for the summary, `--tb=line`, annotations and editors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from _pytest._code.code import ReprEntry, ReprExceptionInfo, ReprFileLocation, ReprTraceback

from pytest_reloadleak.model import Report
from pytest_reloadleak.report import short
from pytest_reloadleak.strategies.imports import targets

if TYPE_CHECKING:
    from _pytest._code.code import TerminalRepr


def shown(text: str, message: str, path: str, line: int) -> TerminalRepr:
    """A failure that is shown as `text` only.

    Args:
        text: the whole text, in place of a traceback.
        message: one line for the summary.
        path: the file to show.
        line: its line, from 1.
    """
    # pytest's own classes, since xdist transfers no others.
    entry = ReprEntry(text.split("\n"), None, None, None, "value")
    crash = ReprFileLocation(path, line, message)
    return ReprExceptionInfo(ReprTraceback([entry], None, "value"), crash)


def of_reports(
    reports: Sequence[Report], text: str, fallback: tuple[str, int], *, names_target: bool = False
) -> TerminalRepr:
    """The failure of a test whose checks do not pass.

    Args:
        reports: those that do not pass; at least one.
        text: all of them as text.
        fallback: file and line, if the reports know none.
        names_target: as for `short.line`.
    """
    path, line = next(filter(None, map(short.place, reports)), fallback)
    message = "; ".join(short.line(report, names_target=names_target) for report in reports)
    return shown(text, message, path, line)


def file_of(target: str) -> str | None:
    """The source file of a target, or the folder of a namespace package; `None` if it has none or cannot be found."""
    try:
        spec = targets.find(target)
        folders = [] if spec is None else list(spec.submodule_search_locations or ())
    except Exception:  # noqa: BLE001 - a foreign finder may raise anything
        return None
    if spec is not None and spec.has_location and spec.origin is not None:
        return spec.origin
    return folders[0] if folders else None
