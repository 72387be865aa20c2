from dataclasses import replace

import pytest

from pytest_reloadleak.gate.baseline import ADDED, Baseline, Entry
from pytest_reloadleak.gate.patterns import expected, from_keyword
from pytest_reloadleak.gate.verdicts import Gate
from pytest_reloadleak.model import Finding, Holder, Report

ONE = Finding(
    kind="open-fd",
    signature="aaaaaaaa",
    growth="growing",
    per_round=1.0,
    holder=Holder(root="descriptor", path="fd file x", type="file"),
)
TWO = replace(ONE, signature="bbbbbbbb", kind="live-timer")
REPORT = Report(
    target="app.a",
    nodeid=None,
    strategy="reimport",
    rounds=5,
    warmup=1,
    outcome="leaking",
    reason="5 reloads left effects behind; no old code is retained: 2 growing findings",
    duration_s=0.1,
    reload_s=0.1,
    findings=(ONE, TWO),
)
BASELINE = Baseline((Entry(signature="aaaaaaaa", kind="open-fd", target="app.a", since="2026-01-01"),))


def test_a_finding_that_nobody_accepts_still_leaks():
    """A finding that the team does not accept still leaks."""
    report = Gate(ignores=from_keyword("open-fd:* # why")).applied(REPORT)
    assert report.outcome == "leaking"
    assert [finding.known for finding in report.findings] == ["why", None]
    assert report.reason.endswith("2 growing findings, 1 known")


def test_accepted_findings_make_a_known_outcome():
    """Accepted findings make a known outcome."""
    report = Gate(ignores=from_keyword("live-timer:* # why"), baseline=BASELINE).applied(REPORT)
    assert report.outcome == "known"
    assert [finding.known for finding in report.findings] == ["in the baseline since 2026-01-01", "why"]


def test_without_a_gate_nothing_changes():
    """Without a gate nothing changes."""
    assert Gate().applied(REPORT) == REPORT


def test_a_run_that_updates_the_baseline_accepts_new_findings():
    """A run that updates the baseline accepts new findings."""
    report = Gate(baseline=BASELINE, accepts_new=True).applied(REPORT)
    assert (report.outcome, report.findings[1].known) == ("known", ADDED)


@pytest.mark.parametrize("outcome", ["error", "inconclusive"])
def test_a_check_that_could_not_judge_never_becomes_known(outcome):
    """A check that could not judge never becomes known."""
    report = Gate(accepts_new=True).applied(replace(REPORT, outcome=outcome))
    assert report.outcome == outcome


@pytest.mark.parametrize(
    ("strategy", "path", "is_audit", "outcome"),
    [
        ("alias", "sys.modules[*]", True, "known"),
        ("alias", "sys.modules[*]", False, "leaking"),
        ("alias", "sys.modules['vendor']", True, "leaking"),
        ("reimport", "sys.modules[*]", True, "leaking"),
    ],
)
def test_what_alias_leaves_by_design_is_known_where_strategies_are_compared(
    strategy, path, is_audit, outcome
):
    """And nowhere else: a single chosen strategy leaks."""
    left = Holder(root="sys.modules", path=path, type="module")
    finding = replace(ONE, kind="registration", registry="sys.modules", holder=left)
    report = replace(REPORT, strategy=strategy, findings=(finding,))
    assert Gate().with_test((), (), is_audit=is_audit).applied(report).outcome == outcome


def test_an_expected_leak_passes_another_fails_and_none_fails():
    """An expected leak passes another fails and none fails."""
    gate = Gate(expects=expected("open-fd:*"))
    assert gate.applied(replace(REPORT, findings=(ONE,))).outcome == "known"
    assert gate.applied(REPORT).outcome == "leaking"
    missing = gate.applied(
        replace(REPORT, findings=(), outcome="clean", reason="5 reloads left nothing behind")
    )
    assert missing.outcome == "error"
    assert missing.reason.startswith("the expected leak open-fd:* was not found")


def test_an_ignore_of_a_test_that_matched_nothing_is_noted():
    """Only where the check could judge: what it could not see may be there."""
    gate = Gate().with_test(from_keyword({"held:none": "why", "open-fd:*": "why"}), ())
    assert gate.applied(REPORT).notes == ("ignore= held:none matched no finding; remove it",)
    for outcome in ("error", "inconclusive"):
        assert gate.applied(replace(REPORT, outcome=outcome)).notes == ()
