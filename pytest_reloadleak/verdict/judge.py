"""Turn what a run observed into findings and an outcome: a pure function of values."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import NamedTuple, get_args

from pytest_reloadleak.effects.system.process_numbers import Sample
from pytest_reloadleak.holders.container_growth import Frames
from pytest_reloadleak.holders.retention import Diagnosis, Retention
from pytest_reloadleak.model import Finding, Growth, Kind, Outcome, Series, Site
from pytest_reloadleak.run.observations import Observations
from pytest_reloadleak.verdict.advice import advice, with_hook
from pytest_reloadleak.verdict.growth import findings as growth_findings
from pytest_reloadleak.verdict.left import findings as left_findings
from pytest_reloadleak.verdict.signature import signature
from pytest_reloadleak.verdict.sites import placed, site_of_stack

_ORDER: tuple[Kind, ...] = get_args(Kind)
"""The order of findings; of several kinds that fit a cause, the first is used."""


Judged = tuple[tuple[Retention, str], ...]
"""What the looks found, each with the signature of its finding."""


class Verdict(NamedTuple):
    """The result of judging a run."""

    outcome: Outcome
    reason: str
    findings: tuple[Finding, ...]
    retained_generations: tuple[int, ...]
    notes: tuple[str, ...]
    judged: Judged = ()


def judge(target: str, rounds: int, seen: Observations, knowledge: Knowledge) -> Verdict:
    """Judge a run.

    Args:
        target: the target's name, part of each signature.
        rounds: counted rounds of each pass.
        seen: what the run observed. Without findings, anything that could not be observed leaves it `inconclusive`.
        knowledge: what is known of the project.
    """
    found, unloaded, blind = seen.found, seen.unloaded, seen.blind
    findings, notes = [], []
    judged: list[tuple[Retention, str]] = []
    for retention in found.retentions:
        growth, per_round = _growth(retention, rounds)
        if growth is None:
            notes.append(_no_leak(retention))
            continue
        finding = _with_skew(_finding(target, retention, growth, per_round), found)
        finding = placed(finding, retention if retention.later is not None else None)
        findings.append(_with_bound(finding, retention, knowledge))
        judged.append((retention, finding.signature))
    findings = _with_company(findings, judged)
    for pin in unloaded.retentions if unloaded is not None else ():
        if pin.is_certain and counterpart(pin, found.retentions) is None:
            findings.append(_pinning(target, pin))
            judged.append((pin, findings[-1].signature))
    findings += left_findings(target, seen.left, site_of_stack)
    if not any(finding.growth == "growing" for finding in findings):
        # Growth counts only if no growing finding explains it.
        accumulated, remarks = growth_findings(target, seen, knowledge.site_of)
        findings += accumulated
        notes += remarks
    findings = [with_hook(finding, found.hook) for finding in findings]
    findings.sort(key=lambda f: (_ORDER.index(f.kind), -(f.retained_bytes or 0), f.signature))
    # An effect may outlive its dead generation: a descriptor, a process, an environment variable.
    generations = tuple(sorted({g for f in findings if f.retained_objects for g in f.generations}))
    findings = [f if f.known else replace(f, known=knowledge.reason(f)) for f in findings]
    if knowledge.is_shared:
        findings = [replace(f, proof=_IN_PROCESS) for f in findings]
    is_leaking = any(finding.known is None for finding in findings)
    outcome: Outcome = (
        "leaking" if is_leaking else "inconclusive" if blind else "known" if findings else "clean"
    )
    return Verdict(
        outcome=outcome,
        reason=f"the check was incomplete: {blind[0]}"
        if outcome == "inconclusive"
        else _reason(findings, generations, rounds),
        findings=tuple(findings),
        retained_generations=generations,
        notes=tuple(notes),
        judged=tuple(judged),
    )


class Knowledge(NamedTuple):
    """Questions that a verdict asks about the project. The defaults know nothing."""

    reason: Callable[[Finding], str | None] = lambda _: None
    """Why a finding is expected; `None` if it is not."""
    is_library: Callable[[str], bool] = lambda _: False
    """Whether a module is in the standard library or installed: the project cannot fix its caches."""
    site_of: Callable[[Frames, Collection[str]], Site | None] = lambda *_: None
    """The line to report from the frames of an allocation, given the target's source files."""
    is_shared: bool = False
    """Whether the process is not the check's own, so that no removal is tried."""


_EFFECTS = frozenset(get_args(Kind)) - {
    "retained-generation",
    "stale-reference",
    "object-growth",
    "memory-growth",
}
_IN_PROCESS = "not tried, as the check shares this process"


def _with_bound(finding: Finding, retention: Retention, knowledge: Knowledge) -> Finding:
    """The finding with the bound of the cache that holds it; a library's cache is a known reference."""
    if retention.cache is None:
        return finding
    module, size = retention.cache
    bound = f"functools.lru_cache in {module} keeps at most {size} results"
    is_known = knowledge.is_library(module)
    return replace(finding, details=(*finding.details, bound), known=bound if is_known else None)


def _with_company(findings: list[Finding], judged: list[tuple[Retention, str]]) -> list[Finding]:
    """The findings of one look, each with the signatures of those that keep some of the same generations."""
    signatures = {retention.number: signature for retention, signature in judged}
    out = []
    for finding, (retention, _) in zip(findings, judged, strict=True):
        others = {signatures[number] for number in retention.together if number in signatures}
        out.append(replace(finding, together_with=tuple(sorted(others - {finding.signature}))))
    return out


def _with_skew(finding: Finding, look: Diagnosis) -> Finding:
    """The finding with what goes wrong while two generations are visible at once."""
    lines = []
    if finding.kind == "stale-reference" and look.skew is not None:
        lines.append(look.skew)
    if finding.held is not None and finding.held.type == "class" and finding.kind in _VISIBLE:
        lines.append(
            f"isinstance and except with this {finding.held.name} do not match objects of generation {look.current}"
        )
    return replace(finding, details=(*finding.details, *lines)) if lines else finding


_VISIBLE = frozenset({"stale-reference", "retained-generation", "registration", "patched-global"})
"""Kinds of findings whose holder may still use an old class."""


def _no_leak(retention: Retention) -> str:
    return f"{retention.holder.path} ({retention.items} more) did not keep growing: not a leak"


def counterpart(retention: Retention, later: tuple[Retention, ...]) -> Retention | None:
    """The retention by the same holder in the second look; `None` if there is none.

    The second look may reach the holder by another path of the same length. So if no trace is the same, a holder of the
    same type that holds the same object of some of the same generations counts. A thread or task has one retention,
    whichever object of the generation it was first seen to hold.
    """
    if retention.cause is not None:
        exact = next((other for other in later if other.cause == retention.cause), None)
        alike = [other for other in later if _is_alike(other, retention)]
        return alike[0] if exact is None and len(alike) == 1 else exact
    for other in later:
        if (other.trace, other.holder) == (retention.trace, retention.holder):
            return other
    generations = set(retention.generations)
    common = [other for other in later if not generations.isdisjoint(other.generations)]
    for other in common:
        if other.holder == retention.holder and retention.holder.root in {"thread", "task"}:
            return other
        if (other.holder.type, other.held) == (retention.holder.type, retention.held):
            return other
    return None


def _is_alike(one: Retention, other: Retention) -> bool:
    """Whether both are effects of one kind with no known owner, whose paths may differ between two looks."""
    if one.is_certain or other.is_certain or one.cause is None or other.cause is None:
        return False
    return one.cause._replace(path="") == other.cause._replace(path="")


def _growth(retention: Retention, rounds: int) -> tuple[Growth | None, float]:
    """Whether more rounds leave more, and how many per round; `None` if effects of unknown origin do not grow."""
    if not retention.is_certain:
        return _growth_without_owner(retention, rounds)
    held, later = len(retention.generations), retention.later
    if later is None:
        most = max(retention.items, held)
        return ("growing", round(most / held, 2)) if held > 1 else ("bounded", 0.0)
    more = max(later.items, len(later.generations))
    return ("growing", round(more / rounds, 2)) if more > 0 else ("bounded", 0.0)


def _growth_without_owner(retention: Retention, rounds: int) -> tuple[Growth | None, float]:
    """Growth of effects with no known owner: it counts only if most rounds of both passes left more.

    Other threads come and go while the target is reloaded; only effects in step with the rounds are the target's.
    """
    most, later = (rounds + 1) // 2, retention.later
    if later is None:
        return ("growing", round(retention.items / rounds, 2)) if retention.rounds >= rounds else (None, 0.0)
    if later.rounds < most or later.items < most:
        return None, 0.0
    return "growing", round(later.items / rounds, 2)


def _pinning(target: str, retention: Retention) -> Finding:
    """A finding on what pins the last generation after unloading. Each reload replaces it, so no round shows it."""
    finding = _finding(target, retention._replace(is_binding=False), "bounded", 0.0)
    what = f"{finding.advice}; the next reload replaces it, but it stays if {target} is unloaded for good"
    return replace(finding, advice=what)


def _finding(target: str, retention: Retention, growth: Growth, per_round: float) -> Finding:
    kind: Kind = "stale-reference" if growth == "bounded" and retention.is_binding else "retained-generation"
    if retention.cause is not None:
        kind = retention.cause.kind
    details = retention.details
    if kind == "patched-global" and len(retention.generations) > 1:
        details = (*details, f"wrapped {len(retention.generations)} times by old generations")
    return Finding(
        kind=kind,
        signature=signature(kind, target, (*retention.trace, retention.holder.type)),
        growth=growth,
        per_round=per_round,
        generations=retention.generations,
        registry=retention.cause.registry if retention.cause is not None else None,
        holder=retention.holder,
        held=retention.held,
        trace=retention.trace,
        site=None,
        retained_objects=retention.objects,
        retained_bytes=retention.size_bytes,
        cost=retention.cost,
        sole_holder=retention.is_sole,
        proven=None,
        also_retains=retention.also_retains,
        advice=advice(kind, retention),
        cure=retention.cure,
        known=None,
        details=details,
    )


def _reason(findings: list[Finding], generations: tuple[int, ...], rounds: int) -> str:
    if not findings:
        return f"{_count(rounds, 'reload')} left nothing behind"
    growing = sum(1 for f in findings if f.growth == "growing")
    known = sum(1 for f in findings if f.known is not None)
    if generations:
        what = f"{_count(len(generations), 'old generation')} still alive after {_count(rounds, 'reload')}"
    else:
        what = f"{_count(rounds, 'reload')} left {_left(findings)} behind; no old code is retained"
    if growing in {0, len(findings)}:
        how = _count(len(findings), "growing finding" if growing else "bounded finding")
    else:
        how = f"{_count(len(findings), 'finding')}, {growing} growing"
    return f"{what}: {how}" + (f", {known} known" if known else "")


def _left(findings: list[Finding]) -> str:
    """What stays, where no old generation does."""
    is_data = {finding.kind not in _EFFECTS for finding in findings}
    return "effects and data" if len(is_data) > 1 else "data" if True in is_data else "effects"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def series(samples: list[Sample]) -> Series:
    """The numbers of the settled rounds as the report's columns."""
    return Series(
        rounds=tuple(s.round for s in samples),
        objects=tuple(s.objects for s in samples),
        blocks=tuple(s.blocks for s in samples),
        native_bytes=tuple(s.native_bytes for s in samples),
        fds=tuple(s.fds for s in samples),
        threads=tuple(s.threads for s in samples),
        tasks=tuple(s.tasks for s in samples),
        children=tuple(s.children for s in samples),
    )
