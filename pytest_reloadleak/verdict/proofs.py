"""Add to the findings what the trial removals showed, or why there was none. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_reloadleak.holders.retention import Retention
from pytest_reloadleak.model import Finding, Report
from pytest_reloadleak.verdict.enumeration import phrase
from pytest_reloadleak.verdict.judge import counterpart

if TYPE_CHECKING:
    from pytest_reloadleak.cutting.proof import Proof

UNFINISHED = "the trial removal hung or ended the process"
_NO_HOLDER = "what grows belongs to no generation"
_GONE = "it was not found again at the end"


def unproven(report: Report, why: str) -> Report:
    """The report with one reason, a clause, why nothing was proven."""
    return replace(report, findings=tuple(replace(f, proof=f"not shown: {why}") for f in report.findings))


def proven(
    report: Report,
    judged: Iterable[tuple[Retention, str]],
    proofs: Sequence[tuple[Retention, Proof]],
) -> Report:
    """The report with the proof of each finding.

    Args:
        report: the report.
        judged: what was found in the looks, with the signature of its finding.
        proofs: what the last look found, with its proof.
    """
    sources = {signature: retention for retention, signature in judged}
    retentions = tuple(retention for retention, _ in proofs)

    def with_proof(finding: Finding) -> Finding:
        source = sources.get(finding.signature)
        if source is None:
            return replace(finding, proof=f"not tried: {_NO_HOLDER}")
        found = counterpart(source, retentions)
        proof = next((proof for retention, proof in proofs if retention is found), None)
        if proof is None:
            return replace(finding, proof=f"not tried: {_GONE}")
        return replace(finding, proven=proof.is_proven, proof=_text(finding, proof), cut_at=proof.cut_at)

    return replace(report, findings=tuple(map(with_proof, report.findings)))


def _text(finding: Finding, proof: Proof) -> str:
    if proof.refusal is not None:
        return f"{'removing it alone frees none' if proof.is_needed else 'not shown'}: {proof.refusal}"
    if not proof.keeps:
        return f"removing it leaves none of {proof.effects} effect{'' if proof.effects == 1 else 's'} behind"
    count = len(proof.keeps)
    frees = f"frees {len(proof.freed)} of {count} old generation{'' if count == 1 else 's'}"
    others = phrase([*finding.together_with, *proof.hidden])
    if proof.is_needed:
        text = f"removing it alone frees none; with {others or 'the others'} it {frees}"
    elif others:
        text = f"removing it and {others} {frees}"
    else:
        text = f"removing it {frees}"
    return text if proof.is_proven or proof.rest is None else f"{text}; {proof.rest} still keeps some"
