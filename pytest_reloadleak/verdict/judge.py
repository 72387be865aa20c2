"""From what a run saw to findings and an outcome: a pure function of values."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import NamedTuple, get_args

from pytest_reloadleak.effects.system.process_numbers import Sample
from pytest_reloadleak.holders.container_growth import Frames
from pytest_reloadleak.holders.retention import Diagnosis, Retention
from pytest_reloadleak.model import Finding, Growth, Kind, Outcome, Series, Site
from pytest_reloadleak.run.observations import Observations
from pytest_reloadleak.verdict.growth import findings as growth_findings
from pytest_reloadleak.verdict.signature import signature

_ORDER: tuple[Kind, ...] = get_args(Kind)
"""Which kind a cause is when several fit, and the order of findings."""


class Verdict(NamedTuple):
    """What a run amounts to."""

    outcome: Outcome
    reason: str
    findings: tuple[Finding, ...]
    retained_generations: tuple[int, ...]
    notes: tuple[str, ...]


def judge(target: str, rounds: int, seen: Observations, knowledge: Knowledge) -> Verdict:
    """Judge a run.

    Args:
        target: the target's name, part of each signature.
        rounds: counted rounds of each pass.
        seen: what the run observed. Where nothing was found, what could not be observed leaves the question open.
        knowledge: what is known of the project.
    """
    first, second, unloaded, blind = seen.first, seen.second, seen.unloaded, seen.blind
    later = second.retentions if second is not None else None
    findings, notes = [], []
    for retention in first.retentions:
        growth, per_round = _growth(retention, later, rounds)
        if growth is None:
            notes.append(_passing(retention))
            continue
        finding = _with_skew(_finding(target, retention, growth, per_round), first)
        findings.append(_of_cache(finding, retention, knowledge))
    pins = unloaded.retentions if unloaded is not None else ()
    findings += [
        _pinning(target, pin) for pin in pins if pin.is_certain and _again(pin, first.retentions) is None
    ]
    if not any(finding.growth == "growing" for finding in findings):
        # Growth counts only if nothing else grows that would explain it.
        accumulated, remarks = growth_findings(target, seen, knowledge.site_of)
        findings += accumulated
        notes += remarks
    findings.sort(key=lambda f: (_ORDER.index(f.kind), -(f.retained_bytes or 0), f.signature))
    # An effect may be left of a generation that is gone: a descriptor, a process, an entry of the environment.
    generations = tuple(sorted({g for f in findings if f.retained_objects for g in f.generations}))
    findings = [f if f.known else replace(f, known=knowledge.reason(f)) for f in findings]
    is_leaking = any(finding.known is None for finding in findings)
    outcome: Outcome = (
        "leaking" if is_leaking else "inconclusive" if blind else "known" if findings else "clean"
    )
    return Verdict(
        outcome=outcome,
        reason=f"not all could be looked at: {blind[0]}"
        if outcome == "inconclusive"
        else _reason(findings, generations, rounds),
        findings=tuple(findings),
        retained_generations=generations,
        notes=tuple(notes),
    )


class Knowledge(NamedTuple):
    """What a verdict may ask about the project. The defaults know nothing."""

    reason: Callable[[Finding], str | None] = lambda _: None
    """Why a finding is expected; `None` if it is not."""
    is_library: Callable[[str], bool] = lambda _: False
    """Whether a module is the standard library's or an installed one: its caches are not the project's to mend."""
    site_of: Callable[[Frames, Collection[str]], Site | None] = lambda *_: None
    """The line to report from the frames of an allocation, given the target's source files."""


def _of_cache(finding: Finding, retention: Retention, knowledge: Knowledge) -> Finding:
    """A finding with the bound of the cache through which it is held; a library's is a known reference."""
    if retention.cache is None:
        return finding
    module, size = retention.cache
    bound = f"functools.lru_cache of {module} keeps at most {size} results"
    is_known = knowledge.is_library(module)
    return replace(finding, details=(*finding.details, bound), known=bound if is_known else None)


def _with_skew(finding: Finding, look: Diagnosis) -> Finding:
    """A finding with what it means that two generations are visible at once."""
    lines = []
    if finding.kind == "stale-reference" and look.skew is not None:
        lines.append(look.skew)
    if finding.held is not None and finding.held.type == "class" and finding.kind in _VISIBLE:
        lines.append(
            f"isinstance and except with this {finding.held.name} miss objects of generation {look.current}"
        )
    return replace(finding, details=(*finding.details, *lines)) if lines else finding


_VISIBLE = frozenset({"stale-reference", "retained-generation", "registration", "patched-global"})
"""Kinds in which an old class may still be asked for by whoever holds it."""


def _passing(retention: Retention) -> str:
    if retention.is_certain:
        return f"{retention.holder.path} let go of {retention.held.name} during the second pass: not a leak"
    return f"{retention.holder.path} ({retention.items} more) did not go on to grow: not a leak"


def _again(retention: Retention, later: tuple[Retention, ...]) -> Retention | None:
    """The same holder in the second look.

    It may be reached by another path of the same length by then; so where none has the same trace, one of the same
    type that holds the same thing of some of the same generations is it. A thread or task has one retention, whatever
    of the generation it was seen to hold first.
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
    """Whether both are effects of nobody's in particular, of one kind.

    What their names have in common may be less in the second look, where there are more of them.
    """
    if one.is_certain or other.is_certain or one.cause is None or other.cause is None:
        return False
    return one.cause._replace(path="") == other.cause._replace(path="")


def _growth(
    retention: Retention, later: tuple[Retention, ...] | None, rounds: int
) -> tuple[Growth | None, float]:
    """Whether more rounds leave more; `None` when the second pass no longer found it."""
    if not retention.is_certain:
        return _unclaimed(retention, later, rounds)
    held = len(retention.generations)
    if later is None:
        most = max(retention.items, held)
        return ("growing", round(most / held, 2)) if held > 1 else ("bounded", 0.0)
    again = _again(retention, later)
    if again is None:
        return None, 0.0
    # An effect counts its members, whatever of the target each of them leads to.
    items = again.items - retention.items if (again.cause is None) == (retention.cause is None) else 0
    generations = len(again.generations) - held
    if again.alike is not None and retention.alike is not None and again.cause is None:
        items = min(items, again.alike[0] - retention.alike[0])
        generations = min(generations, again.alike[1] - retention.alike[1])
    more = max(items, generations)
    return ("growing", round(more / rounds, 2)) if more > 0 else ("bounded", 0.0)


def _unclaimed(
    retention: Retention, later: tuple[Retention, ...] | None, rounds: int
) -> tuple[Growth | None, float]:
    """Growth of effects that nobody is known to have made: in each round but few, in both passes, or none.

    Other threads come and go while the target is reloaded; only what keeps step with the rounds is the target's.
    """
    most = (rounds + 1) // 2
    if later is None:
        return ("growing", round(retention.items / rounds, 2)) if retention.rounds >= rounds else (None, 0.0)
    again = _again(retention, later)
    if again is None or again.rounds - retention.rounds < most or again.items - retention.items < most:
        return None, 0.0
    return "growing", round((again.items - retention.items) / rounds, 2)


def _pinning(target: str, retention: Retention) -> Finding:
    """What pins the last generation of a target that was unloaded. Each reload overwrites it, so none shows it."""
    finding = _finding(target, retention._replace(is_binding=False), "bounded", 0.0)
    what = f"{finding.advice}; it goes with the next reload, but not when {target} is unloaded for good"
    return replace(finding, advice=what)


def _finding(target: str, retention: Retention, growth: Growth, per_round: float) -> Finding:
    kind: Kind = "stale-reference" if growth == "bounded" and retention.is_binding else "retained-generation"
    if retention.cause is not None:
        kind = retention.cause.kind
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
        sole_holder=retention.is_sole,
        proven=None,
        also_retains=retention.also_retains,
        advice=retention.advice or _advice(kind, retention),
        known=None,
        details=retention.details,
    )


def _advice(kind: Kind, retention: Retention) -> str:
    holder, held = retention.holder, retention.held
    if kind == "live-timer":
        return f"drop the {holder.path} when its code is unloaded: it keeps {held.name} even when it never fires again"
    if kind == "registration":
        return (
            f"delete the old name of {held.name} from {holder.root}, or load it under the same name each time: "
            "nothing else ever removes it"
        )
    if kind == "patched-global":
        return (
            f"put {holder.path} back before the reload (keep what was there), or wrap the original instead of what "
            f"stands there: an old {held.name} is still called through it"
        )
    if kind == "stale-reference" and retention.is_within:
        return (
            f"{holder.path} was not defined again by the new execution and still is the old one: "
            "delete the name before it is reloaded, or define it unconditionally"
        )
    if kind == "stale-reference":
        module = held.name.rpartition(".")[0] or held.name
        return (
            f"{holder.path} was bound once and never renewed: look {held.name} up where it is used "
            f"(through the module {module}), or reload whoever binds it too"
        )
    if holder.root == "native":
        return (
            f"something in C holds {held.name}, and the collector cannot see inside it: "
            "unregister it before the reload, with whatever registered it"
        )
    if holder.root in {"thread", "task"}:
        verb = "end" if holder.root == "thread" else "cancel"
        return f"{verb} the {holder.path} when its code is unloaded: as long as it runs it keeps {held.name}"
    if holder.root == "frame":
        return f"running code still uses {held.name}: let {holder.path} end, or drop the name, before the next reload"
    if retention.is_within:
        return (
            f"each generation keeps the one before it through {holder.path}: do not carry the old object over"
        )
    return (
        f"remove {held.name} from {holder.path} before the reload, "
        "let it overwrite its predecessor, or hold it weakly"
    )


def _reason(findings: list[Finding], generations: tuple[int, ...], rounds: int) -> str:
    if not findings:
        return f"{_count(rounds, 'reload')}, nothing of an old generation is alive"
    growing = sum(1 for f in findings if f.growth == "growing")
    known = sum(1 for f in findings if f.known is not None)
    if generations:
        what = f"{_count(len(generations), 'old generation')} still alive after {_count(rounds, 'reload')}"
    else:
        what = f"{_count(rounds, 'reload')} left something behind, though no old generation is alive"
    how = (
        f"{_count(len(findings), 'finding')}, {growing} growing"
        if growing
        else _count(len(findings), "finding")
    )
    return f"{what}: {how}" + (f", {known} known" if known else "")


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
