"""Complete a verdict with what the run cannot know: which holders belong to the tests, and what earlier checks left."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

from pytest_reloadleak.model import PASSING, Finding
from pytest_reloadleak.run import leaked_before
from pytest_reloadleak.run.protocol import Run
from pytest_reloadleak.settings import REFERENCES, Settings
from pytest_reloadleak.verdict.judge import Verdict
from pytest_reloadleak.verdict.known import matches


def completed(
    verdict: Verdict, run: Run, settings: Settings, known: Callable[[Finding], str | None]
) -> Verdict:
    """The verdict on a run, with advice for holders among the tests, and with what earlier checks of the target left.

    Args:
        verdict: what the run shows.
        run: the run.
        settings: how it was checked.
        known: why a finding is expected; `None` if it is not.
    """
    subject, record = run.subject, run.record
    helpers = list(subject.runner.helpers()) if verdict.findings else []
    findings = tuple(
        _with_advice(_told_apart(finding, helpers), subject.runner.undone) for finding in verdict.findings
    )
    if not settings.looks_for(REFERENCES):
        return verdict._replace(findings=findings)
    earlier = leaked_before.still_there(subject.unit, settings.strategy, findings)
    kept = record.original.generation if record.original.count() else None
    leaked_before.remember(findings, record.ledger, kept, settings.strategy, settings.nodeid)
    if not earlier:
        return verdict._replace(findings=findings)
    more = [dataclasses.replace(finding, known=known(finding)) for finding, _ in earlier]
    notes = [_said(finding, nodeid) for finding, nodeid in earlier]
    verdict = verdict._replace(findings=(*findings, *more), notes=(*verdict.notes, *notes))
    if verdict.outcome not in PASSING:
        return verdict
    if all(finding.known is not None for finding in more):
        return verdict._replace(outcome="known")
    count = len(more)
    noun = "bounded finding" if count == 1 else "bounded findings"
    reason = f"what an earlier check of this process found is still there: {count} {noun}"
    return verdict._replace(outcome="leaking", reason=reason)


def staying(findings: Iterable[Finding]) -> set[str]:
    """The holders' paths of the bounded findings: later reloads do not create these references again."""
    return {f.holder.path for f in findings if f.growth == "bounded" and f.holder is not None}


def _said(finding: Finding, nodeid: str | None) -> str:
    where = f" ({nodeid})" if nodeid is not None else ""
    return f"{finding.signature} was left by an earlier check of this process{where}, and is still there"


def _with_advice(finding: Finding, undone: Iterable[tuple[str, str]]) -> Finding:
    """The finding with the host's own way to undo it as advice, which replaces a cure that changes the holder."""
    path = finding.holder.path if finding.holder is not None else ""
    said = next((what for pattern, what in undone if matches(path, pattern)), None)
    return dataclasses.replace(finding, advice=said, cure=None) if said is not None else finding


def _told_apart(finding: Finding, helpers: Iterable[str]) -> Finding:
    """The finding, with advice that says so if only the tests import the holder's module."""
    path = finding.holder.path if finding.holder is not None else ""
    mine = [name for name in helpers if path.startswith(f"{name}.")]
    if not mine:
        return finding
    text = f"held by your tests: only they import {max(mine, key=len)}"
    return dataclasses.replace(finding, details=(text, *finding.details))
