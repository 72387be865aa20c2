"""Draw reports on a terminal through pytest's own writer, in its width and with its colours if it has any."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest
from _pytest._code.code import ExceptionRepr, ReprExceptionInfo
from _pytest._io import TerminalWriter

from pytest_reloadleak.model import PASSING, Report
from pytest_reloadleak.report import jsonfile, short, terminal
from pytest_reloadleak.report.text.layout import Line, Style

_LOOKS: Mapping[Style, dict[str, bool]] = {
    "holder": {"red": True, "bold": True},
    "old": {"yellow": True, "bold": True},
    "place": {"cyan": True, "bold": True},
    "code": {"green": True},
}
_NARROWEST = 40
"""Below this width, wrapped text is harder to read than lines that the terminal breaks."""


def width_of(config: pytest.Config) -> int:
    """Columns of the terminal. Without one, as in an xdist worker, those of the environment, or 80."""
    if config.pluginmanager.has_plugin("terminalreporter"):
        return max(config.get_terminal_writer().fullwidth, _NARROWEST)
    return max(shutil.get_terminal_size().columns, _NARROWEST)


def draw(writer: TerminalWriter, lines: Iterable[Line]) -> None:
    """Write lines in colour, if the writer has any."""
    for line in lines:
        for number, span in enumerate(line):
            text = span.text.rstrip() if number == len(line) - 1 else span.text
            writer.write(text, **_LOOKS.get(span.style, {}))
        writer.line()


class Drawn(ReprExceptionInfo):
    """A failure that draws itself for the terminal that shows it. When stored, it looks like pytest's own class."""

    def __init__(self, plain: ReprExceptionInfo, drawer: Callable[[TerminalWriter], None]) -> None:
        super().__init__(plain.reprtraceback, plain.reprcrash)
        self.sections = list(plain.sections)
        self._drawer = drawer

    def toterminal(self, tw: TerminalWriter) -> None:
        """Write it."""
        self._drawer(tw)
        ExceptionRepr.toterminal(self, tw)


def drawn(config: pytest.Config, report: pytest.TestReport) -> None:
    """Let a failure draw itself if it is a report of this plugin."""
    plain = report.longrepr
    if not getattr(report, "reload_leak_shown", False) or not isinstance(plain, ReprExceptionInfo):
        return
    failing = failing_of(report)

    def drawer(writer: TerminalWriter) -> None:
        width = max(writer.fullwidth, _NARROWEST)
        for number, found in enumerate(failing):
            if number:
                draw(writer, [(), ()])
            draw(writer, _lines(config, found, width))

    if failing:
        report.longrepr = Drawn(plain, drawer)


def failing_of(report: pytest.TestReport) -> list[Report]:
    """The reports that a test failed for."""
    checks: list[dict[str, Any]] = getattr(report, "reload_leak_checks", [])
    return [jsonfile.from_dict(check) for check in checks if check["outcome"] not in PASSING]


def _lines(config: pytest.Config, report: Report, width: int) -> Iterable[Line]:
    return terminal.lines(
        report, verbose=config.get_verbosity() > 0, rootdir=str(config.rootpath), width=width
    )


def fit_summary(reporter: pytest.TerminalReporter) -> None:
    """Shorten the messages of the short summary to the room beside the node id, before pytest cuts them."""
    config = reporter.config
    if config.get_verbosity() > 1 or any(os.environ.get(name) for name in ("CI", "BUILD_NUMBER")):
        return  # pytest shows them whole
    for report in reporter.stats.get("failed", []):
        crash = getattr(getattr(report, "longrepr", None), "reprcrash", None)
        failing = failing_of(report)
        if crash is None or len(failing) != 1:
            continue
        names_target = not report.nodeid.startswith("reload-leak::")
        if crash.message == short.line(failing[0], names_target=names_target):
            nodeid: Any = getattr(report, "id", report.nodeid)  # pytest 9.2 shows its own type, others text
            taken = len(f"FAILED {config.cwd_relative_nodeid(nodeid)} - ")
            room = reporter._tw.fullwidth - taken
            crash.message = short.line(failing[0], names_target=names_target, room=room)
