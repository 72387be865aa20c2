"""Put the outcomes and findings into JUnit files so that they fit the family's schema.

Under `xunit2`, pytest's default, a test case has no properties, and strict readers refuse the whole file. There they go
to the suite, and name the target. Under the other families they are with their test case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

PREFIX = "reload_leak_"
"""How the names of the properties begin."""

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
        """Register it where the file needs it. Arguments as for the class."""
        if _is_strict(config):
            config.pluginmanager.register(cls(config, checks), "reloadleak-junit")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the properties from a report before pytest writes them to the test case."""
        report.user_properties = [pair for pair in report.user_properties if not pair[0].startswith(PREFIX)]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Give them to the suite before pytest writes the file."""
        from _pytest.junitxml import xml_key

        xml = self._config.stash.get(xml_key, None)
        if xml is None:
            return
        for check in self._checks():
            for name, value in properties(check):
                is_finding = name.endswith("finding")
                xml.add_global_property(name, f"{value} in {check['target']}" if is_finding else value)
