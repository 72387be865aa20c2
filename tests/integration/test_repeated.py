"""A leak that several strategies find is shown once."""

from types import SimpleNamespace

import pytest

from pytest_reloadleak.integration import places
from pytest_reloadleak.integration.reporting.repeated import Repeated

FINDING = {
    "kind": "retained-generation",
    "signature": "0c3c574e",
    "growth": "growing",
    "registry": None,
    "holder": {"path": "host.listeners[*]"},
    "held": {"name": "app.on_event"},
    "site": {"file": "app.py", "line": 14},
}


@pytest.fixture
def show():
    """Show the report of a check to a plugin that sees several; returns the text that the terminal prints."""
    plugin = Repeated()

    def show(strategy, *findings, target="app"):
        checks = [{"target": target, "strategy": strategy, "findings": list(findings)}]
        longrepr = places.shown("all of it", "one line", "app.py", 14)
        report = SimpleNamespace(failed=True, longrepr=longrepr, reload_leak_checks=checks)
        plugin.pytest_runtest_logreport(report)
        assert report.longrepr.reprcrash.message == "one line"
        return report.longrepr.reprtraceback.reprentries[0].lines[0]

    return show


def test_the_same_findings_are_shown_once(show):
    """The first report is whole, and the next one names its strategy; a signature may differ."""
    assert show("reload", FINDING) == "all of it"
    assert show("reimport", {**FINDING, "signature": "f6883288"}) == (
        "app (reimport) leaks on reload: the same finding as with reload, shown above"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "live-timer"},
        {"growth": "bounded"},
        {"holder": {"path": "host.others[*]"}},
        {"holder": None},
        {"held": {"name": "app.other"}},
        {"site": {"file": "app.py", "line": 15}},
        {"site": None},
    ],
    ids=str,
)
def test_another_finding_is_shown(show, change):
    """What differs in anything that a reader acts on is shown."""
    show("reload", FINDING)

    assert show("reimport", {**FINDING, **change}) == "all of it"
    assert show("cascade", FINDING, {**FINDING, **change}) == "all of it"


def test_another_target_is_shown(show):
    """Two targets with the same leak are two reports."""
    show("reload", FINDING)

    assert show("reload", FINDING, target="other") == "all of it"


def test_an_error_is_shown(show):
    """A check without a finding failed for a reason of its own."""
    assert show("reload") == show("reimport") == "all of it"
