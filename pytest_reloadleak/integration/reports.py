"""Collect the checks of a session, xdist's workers included, and write the JSON report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_reloadleak.report import jsonfile


def is_worker(config: pytest.Config) -> bool:
    """Whether this process is an xdist worker, whose reports go to the controller."""
    return hasattr(config, "workerinput")


class Collected:
    """The checks of a session in the order of the tests."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.checks: list[dict[str, Any]] = []
        self.inapplicable: list[dict[str, str]] = []
        path = config.getoption("reload_leak_json")
        self._path = Path(path) if path is not None and not is_worker(config) else None
        if self._path is not None:
            _assert_writable(self._path, str(path))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the checks that came with a test's report."""
        self.checks += getattr(report, "reload_leak_checks", ())
        self.inapplicable += getattr(report, "reload_leak_inapplicable", ())

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the file."""
        # Then nothing was checked, so there is no new report.
        refused = session.exitstatus == pytest.ExitCode.USAGE_ERROR
        if self._path is not None and not refused:
            ordered = sorted(self.checks, key=lambda check: str(check["nodeid"]))
            self._path.write_text(jsonfile.document(ordered, self.audit()), encoding="utf-8")

    def audit(self) -> list[dict[str, Any]] | None:
        """Which strategy is safe for which target; `None` if nobody asked."""
        return None


def _assert_writable(path: Path, given: str) -> None:
    """Find out before anything runs that the report can be written; an existing file keeps its content until then."""
    is_new = not path.exists()
    try:
        with path.open("a", encoding="utf-8"):
            pass
        if is_new:
            path.unlink()
    except OSError as error:
        raise pytest.UsageError(
            f"--reload-leak-json: cannot write {given!r}: {error.strerror}; name a file in an existing directory"
        ) from None
