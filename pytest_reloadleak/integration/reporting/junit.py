"""Put the outcomes and findings into JUnit files so that they fit the family's schema.

In the family `xunit2`, pytest's default, a test case has no properties, and strict readers refuse a file that has some.
So the suite gets the properties, which then name the target. In the other families the test case gets them.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any

import pytest

PREFIX = "reload_leak_"
"""Beginning of the names of the properties."""

Property = tuple[str, str]


def properties(check: Mapping[str, Any]) -> Iterator[Property]:
    """The properties of one check.

    Args:
        check: an entry of the JSON report's `checks`.
    """
    yield f"{PREFIX}outcome", f"{check['target']} ({check['strategy']}): {check['outcome']}"
    for finding in check["findings"]:
        state = "known" if finding["known"] else finding["growth"]
        yield f"{PREFIX}finding", f"{finding['signature']} {finding['kind']} {state}"


def has_place(config: pytest.Config) -> bool:
    """Whether a test case may have properties, or a session of checks moves them."""
    names = ("reloadleak-session", "reloadleak-reports")
    return not _is_strict(config) or any(map(config.pluginmanager.has_plugin, names))


def _is_strict(config: pytest.Config) -> bool:
    return bool(getattr(config.option, "xmlpath", None)) and config.getini("junit_family") == "xunit2"


class Written:
    """Handles a JUnit file that cannot be written: pytest would end with a traceback and print no finding.

    Args:
        path: the path of the file.
        tell: receives a line for the summary.
    """

    def __init__(self, path: str, tell: Callable[[str], None]) -> None:
        self._path = path
        self._tell = tell

    @classmethod
    def register(cls, config: pytest.Config, tell: Callable[[str], None]) -> None:
        """Register it if such a file is written."""
        path = getattr(config.option, "xmlpath", None)
        if path:
            config.pluginmanager.register(cls(str(path), tell), "reloadleak-junit-written")

    @pytest.hookimpl(wrapper=True, trylast=True)  # inside of what prints the summary
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        """Fail the run, with a line, if pytest cannot write the file."""
        try:
            yield
        except OSError as error:
            frames = traceback.walk_tb(error.__traceback__)
            if not any(frame.f_globals.get("__name__") == "_pytest.junitxml" for frame, _ in frames):
                raise
            self._tell(
                f"--junitxml: could not write {self._path!r}: {error.strerror or error}; it is not whole"
            )
            if session.exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED


class Suite:
    """The properties of a session whose JUnit file has none in its test cases.

    Args:
        config: pytest's configuration.
        checks: returns the entries of all checks.
    """

    def __init__(self, config: pytest.Config, checks: Callable[[], Sequence[Mapping[str, Any]]]) -> None:
        self._config = config
        self._checks = checks

    @classmethod
    def register(cls, config: pytest.Config, checks: Callable[[], Sequence[Mapping[str, Any]]]) -> None:
        """Register it if the family of the file needs it. Arguments as for the class."""
        if _is_strict(config):
            config.pluginmanager.register(cls(config, checks), "reloadleak-junit")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the properties from a report before pytest writes them to the test case."""
        report.user_properties = [pair for pair in report.user_properties if not pair[0].startswith(PREFIX)]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Add the properties to the suite before pytest writes the file."""
        from _pytest.junitxml import xml_key

        xml = self._config.stash.get(xml_key, None)
        if xml is None:
            return
        for check in self._checks():
            for name, value in properties(check):
                is_finding = name.endswith("finding")
                xml.add_global_property(name, f"{value} in {check['target']}" if is_finding else value)
