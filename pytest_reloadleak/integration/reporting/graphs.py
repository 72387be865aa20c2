"""Write a graph of each finding into a directory: DOT always, SVG where Graphviz is installed."""

from __future__ import annotations

import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pytest_reloadleak.integration.reporting import drawing
from pytest_reloadleak.integration.reporting.outputs import write_whole
from pytest_reloadleak.integration.reporting.reports import is_worker
from pytest_reloadleak.report import graphs


class Graphs:
    """The graphs of a session.

    Raises:
        pytest.UsageError: the directory cannot be written.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._checks: list[dict[str, Any]] = []
        given = str(config.getoption("reload_leak_graphs"))
        if not given:
            raise pytest.UsageError("--reload-leak-graphs: name a directory, not ''")
        self._directory = Path(given) if not is_worker(config) else None
        self._notes: list[str] = []
        if self._directory is not None:
            _assert_writable(self._directory)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect the checks that a test's report carries."""
        if self._directory is not None:
            self._checks += getattr(report, "reload_leak_checks", ())

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the files."""
        if self._directory is None or not self._checks:
            return
        drawer = drawing.drawer()
        names: Counter[str] = Counter()
        written: list[bool] = []
        failures: dict[str, None] = {}
        for check in sorted(self._checks, key=lambda check: str(check["nodeid"])):
            for finding in check["findings"]:
                name = graphs.name_of(check, finding)
                names[name] += 1
                suffix = f"-{names[name]}" if names[name] > 1 else ""  # the same leak, found by another test
                path = self._directory / f"{name}{suffix}"
                is_written, failure = _write(path, graphs.dot(check, finding), drawer)
                written.append(is_written)
                failures.update({failure: None} if failure else {})
        if not written:
            return
        if not all(written) and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        kinds = "DOT and SVG" if drawer is not None and not failures else "DOT"
        self._notes.append(f"reload-leak graphs: {sum(written)} in {self._directory} ({kinds})")
        if drawer is None:
            self._notes.append(
                "no SVG, since the program dot was not found: install Graphviz, or open the .dot files"
            )
        self._notes += failures

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say where the graphs are."""
        for note in self._notes:
            terminalreporter.write_line(note)


def _assert_writable(directory: Path) -> None:
    """Raise before anything runs if no file can be written there."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise pytest.UsageError(
            f"--reload-leak-graphs: cannot write into {str(directory)!r}: {error.strerror}; "
            "name a directory in which files can be created"
        ) from None


def _write(path: Path, dot: str, drawer: str | None) -> tuple[bool, str]:
    """Write one graph, and draw it if there is a drawer.

    Returns:
        Whether the graph was written, and what went wrong; empty if nothing did.
    """
    # The name has dots of its own, so a suffix is appended.
    source, picture = (path.with_name(path.name + suffix) for suffix in (".dot", ".svg"))
    try:
        write_whole(source, dot)
    except OSError as error:
        return False, f"--reload-leak-graphs: {source.name} was not written: {error.strerror or error}"
    if drawer is None:
        return True, ""
    try:
        write_whole(picture, drawing.svg(dot, drawer).decode("utf-8", "replace"))
    except subprocess.SubprocessError as error:
        return (
            True,
            f"{picture.name} was not drawn: dot failed ({type(error).__name__}); the .dot file is there",
        )
    except OSError as error:
        return True, f"{picture.name} was not written: {error.strerror or error}; the .dot file is there"
    return True, ""
