"""Apply ignores, the baseline and expectations to a report, and decide its outcome again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from pytest_reloadleak.gate.baseline import ADDED, Baseline
from pytest_reloadleak.gate.patterns import Ignore, Pattern
from pytest_reloadleak.model import Finding, Outcome, Report
from pytest_reloadleak.verdict.known import BY_DESIGN, is_by_design

UNUSED = "matched no finding; remove it"
"""The end of the note on a pattern of a marker or call that is no longer needed."""


@dataclass(frozen=True, slots=True)
class Gate:
    """What a team accepts.

    Attributes:
        rootdir: the directory to which `site:` patterns are relative.
        ignores: patterns of findings that do not fail, from options and ini file.
        own: the same from the marker or call.
        baseline: known findings; `None` without a baseline.
        expects: patterns of leaks that must be found.
        accepts_new: whether this run updates the baseline, so that new findings do not fail.
        is_audit: whether strategies are compared, so that a leak that is part of a strategy does not fail.
    """

    rootdir: str = "."
    ignores: tuple[Ignore, ...] = ()
    own: tuple[Ignore, ...] = ()
    baseline: Baseline | None = None
    expects: tuple[Pattern, ...] = ()
    accepts_new: bool = False
    is_audit: bool = False

    def with_test(
        self, ignores: Iterable[Ignore], expects: Iterable[Pattern], *, is_audit: bool = False
    ) -> Gate:
        """The gate with what one item, marker or call adds."""
        return replace(self, own=tuple(ignores), expects=tuple(expects), is_audit=is_audit)

    def applied(self, report: Report) -> Report:
        """The report with accepted findings marked as known, and the outcome that follows.

        A report whose outcome is `error` keeps it: an accepted finding does not explain why a check failed.
        """
        findings = tuple(self._judged(finding, report.strategy) for finding in report.findings)
        missing = [
            pattern.text
            for pattern in self.expects
            if not any(pattern.matches(finding, self.rootdir) for finding in findings)
        ]
        changed = replace(report, findings=findings)
        if report.outcome in {"error", "inconclusive"}:  # a finding that is missing may exist
            return changed
        unused = (
            f"{ignore.origin} {ignore.pattern.text} {UNUSED}"
            for ignore in self.own
            if not any(ignore.pattern.matches(finding, self.rootdir) for finding in findings)
        )
        changed = replace(changed, notes=(*report.notes, *unused))
        if missing:
            reason = (
                f"the expected leak {missing[0]} was not found: if it is cured, remove it from expect=; "
                f"if it changed, expect what the check found ({report.reason})"
            )
            return replace(changed, outcome="error", reason=reason, error=reason)
        outcome = _outcome(report.outcome, findings)
        return replace(changed, outcome=outcome, reason=_reason(report, findings))

    def _judged(self, finding: Finding, strategy: str) -> Finding:
        if finding.known is not None:
            return finding
        for pattern in self.expects:
            if pattern.matches(finding, self.rootdir):
                return replace(finding, known=f"expected by the test: {pattern.text}")
        for ignore in (*self.own, *self.ignores):
            if ignore.pattern.matches(finding, self.rootdir):
                return replace(finding, known=ignore.reason)
        if self.baseline is not None and (entry := self.baseline.entry(finding.signature)) is not None:
            return replace(finding, known=entry.reason or f"in the baseline since {entry.since}")
        path = finding.holder.path if finding.holder is not None else ""
        if self.is_audit and is_by_design(strategy, finding.registry, path):
            return replace(finding, known=BY_DESIGN)
        return replace(finding, known=ADDED) if self.accepts_new else finding


def _outcome(before: Outcome, findings: tuple[Finding, ...]) -> Outcome:
    if before != "leaking" or any(finding.known is None for finding in findings):
        return before
    return "known"


def _reason(report: Report, findings: tuple[Finding, ...]) -> str:
    """The report's reason with the number of known findings brought up to date."""
    before = sum(finding.known is not None for finding in report.findings)
    now = sum(finding.known is not None for finding in findings)
    if now == before:
        return report.reason
    return f"{report.reason.removesuffix(f', {before} known')}, {now} known"
