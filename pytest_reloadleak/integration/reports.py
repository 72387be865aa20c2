"""Collect the checks of a session, including those of xdist's workers, and write the JSON report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_reloadleak.report import jsonfile


def is_worker(config: pytest.Config) -> bool:
    """Whether this process is an xdist worker, whose reports go to the controller."""
    return hasattr(config, "workerinput")


class Collected:
    """The checks of a session."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.checks: list[dict[str, Any]] = []
        self.inapplicable: list[dict[str, str]] = []
        path = config.getoption("reload_leak_json")
        self._path = Path(path) if path is not None and not is_worker(config) else None
        if self._path is not None:
            _assert_writable(self._path, str(path))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect the checks that a test's report carries."""
        self.checks += getattr(report, "reload_leak_checks", ())
        self.inapplicable += getattr(report, "reload_leak_inapplicable", ())

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the file, except after a usage error: then nothing was checked."""
        refused = session.exitstatus == pytest.ExitCode.USAGE_ERROR
        if self._path is not None and not refused:
            ordered = sorted(self.checks, key=lambda check: str(check["nodeid"]))
            self._path.write_text(jsonfile.document(ordered, self.audit()), encoding="utf-8")

    def audit(self) -> list[dict[str, Any]] | None:
        """The safe strategies of each target; `None` unless strategies are compared."""
        return None


def _assert_writable(path: Path, given: str) -> None:
    """Raise before anything runs if the report cannot be written. An existing file keeps its content."""
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
