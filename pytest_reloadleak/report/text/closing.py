"""Close a session: what was checked, what leaks, and what to fix first and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pytest_reloadleak.model import Finding, Outcome, Report
from pytest_reloadleak.report.short import worst_first
from pytest_reloadleak.report.text.facts import fact
from pytest_reloadleak.report.text.layout import Line, Span, plain, wrapped
from pytest_reloadleak.settings import STRATEGIES
from pytest_reloadleak.verdict.amounts import size
from pytest_reloadleak.verdict.enumeration import parts
from pytest_reloadleak.verdict.known import is_by_design

_MOST = 8
"""The largest number of leaks that are listed; the others are counted."""
_WORDS: dict[Outcome, str] = {
    "leaking": "leaking",
    "error": "with an error",
    "inconclusive": "inconclusive",
    "known": "with known findings only",
    "clean": "clean",
}
_HANG = " " * 11
_WHERE = (
    "paste each into the dispose hook of its module: __reload_dispose__(data), or the function that its host calls "
    "on unload"
)


class _Leak(NamedTuple):
    """The leak through one holder, in all checks that found it."""

    finding: Finding
    """The worst of them."""
    targets: tuple[str, ...]
    others: tuple[Finding, ...]
    """Those that hold the same code, in the check of `finding`."""
    is_of_alias: bool = False
    """Whether only the strategy `alias` finds it, which hardly any program uses."""

    def cost(self) -> float:
        """Bytes per old generation; for a growing leak, bytes per reload."""
        generations = len(self.finding.generations)
        return (self.finding.retained_bytes or 0) / generations if generations else 0.0


def lines(reports: Sequence[Report], *, rootdir: str, width: int | None) -> Iterator[Line]:
    """The lines of the section; none if nothing leaks.

    Args:
        reports: the session's checks.
        rootdir: the directory to which files are relative.
        width: columns of a line; `None` for no limit.
    """
    leaks = _leaks(reports)
    if not leaks:
        return
    yield from wrapped("checked    ", [Span(_checked(reports))], width, _HANG)
    for number, leak in enumerate(leaks[:_MOST]):
        first = "leaks      " if number == 0 else _HANG
        targets = leak.targets[0] if len(leak.targets) == 1 else f"{len(leak.targets)} targets"
        said = fact(leak.finding, is_short=True).spans()
        yield from wrapped(first, [Span(f"{targets}: "), *said], width, f"{_HANG}  ")
    if len(leaks) > _MOST:
        yield (Span(f"{_HANG}and {len(leaks) - _MOST} more"),)
    yield from wrapped("fix first  ", _first(leaks, rootdir), width, _HANG)
    if any(leak.finding.cure is not None for leak in leaks):
        yield from wrapped("cures      ", [Span(_WHERE)], width, _HANG)


def fix_first(reports: Sequence[Report], *, rootdir: str) -> str:
    """What to fix first and why, as one sentence; empty if nothing leaks. Arguments as for `lines`."""
    leaks = _leaks(reports)
    return plain(_first(leaks, rootdir)) if leaks else ""


def _first(leaks: list[_Leak], rootdir: str) -> Line:
    return (*_places(leaks[0], rootdir), Span(f": {_why(leaks)}"))


def _checked(reports: Sequence[Report]) -> str:
    targets = len({report.target for report in reports})
    strategies = sorted({report.strategy for report in reports}, key=_order)
    counts = Counter(report.outcome for report in reports)
    what = f"{targets} {'target' if targets == 1 else 'targets'} by {', '.join(strategies)}"
    checks = f", {len(reports)} checks" if len(reports) > targets else ""
    said = [f"{counts[outcome]} {word}" for outcome, word in _WORDS.items() if counts[outcome]]
    return f"{what}{checks}: {', '.join(said)}"


def _order(strategy: str) -> tuple[int, str]:
    """The position of a strategy in all lists; the application's own reload comes last."""
    return (STRATEGIES.index(strategy) if strategy in STRATEGIES else len(STRATEGIES)), strategy


def _leaks(reports: Sequence[Report]) -> list[_Leak]:
    """The leaks in the order in which to fix them: growing, in most targets, proven, with the highest cost."""
    found: dict[tuple[str, str, str], list[tuple[Finding, Report]]] = {}
    for report in reports:
        if report.outcome == "leaking":
            for finding in worst_first(report):
                holder = finding.holder.path if finding.holder is not None else report.target
                site = f"{finding.site.file}:{finding.site.line}" if finding.site is not None else ""
                found.setdefault((finding.kind, holder, site), []).append((finding, report))
    return sorted(map(_leak, found.values()), key=_weight, reverse=True)


def _is_by_design(report: Report, finding: Finding) -> bool:
    path = finding.holder.path if finding.holder is not None else ""
    return is_by_design(report.strategy, finding.registry, path)


def _leak(group: list[tuple[Finding, Report]]) -> _Leak:
    worst, report = max(group, key=_clarity)
    others = tuple(
        finding
        for finding in report.findings
        if finding.signature in worst.together_with and not _is_by_design(report, finding)
    )
    targets = tuple(dict.fromkeys(report.target for _, report in group))
    return _Leak(worst, targets, others, all(report.strategy == "alias" for _, report in group))


def _clarity(pair: tuple[Finding, Report]) -> tuple[bool, bool, bool]:
    """Sort key: how well a check's finding represents a leak that other checks find too."""
    finding, report = pair
    return finding.growth == "growing", report.strategy != "alias", finding.proven is True


def _weight(leak: _Leak) -> tuple[bool, bool, int, bool, float]:
    finding = leak.finding
    is_growing = finding.growth == "growing"
    return not leak.is_of_alias, is_growing, len(leak.targets), finding.proven is True, leak.cost()


def _places(leak: _Leak, rootdir: str) -> Iterator[Span]:
    """The lines to go to: that of the leak, and those of the others that hold the same code."""
    said = [fact(finding, rootdir=rootdir) for finding in (leak.finding, *leak.others)]
    places = parts(list(dict.fromkeys(one.place or one.who for one in said)))
    for number, place in enumerate(places):
        if number:
            yield Span(" and " if number == len(places) - 1 else ", ")
        yield Span(place, "place")


def _why(leaks: list[_Leak]) -> str:
    first, *others = leaks
    finding, is_one = first.finding, not first.others
    is_growing = finding.growth == "growing"
    reasons = []
    if is_one and not others:
        reasons.append("it is the only leak")
    elif is_growing and any(leak.finding.growth != "growing" for leak in others):
        reasons.append("it grows with each reload" if is_one else "they grow with each reload")
    if len(first.targets) > 1:
        keeps, is_found = ("it keeps", "it is found") if is_one else ("they keep", "they are found")
        what = f"{keeps} old code of" if fact(finding).old else f"{is_found} in"
        reasons.append(f"{what} {len(first.targets)} targets")
    if first.cost() and others and first.cost() == max(leak.cost() for leak in leaks):
        per = "reload" if is_growing else "old generation"
        reasons.append(f"{'it costs' if is_one else 'they cost'} most, {size(round(first.cost()))} per {per}")
    if not is_one:
        reasons.append("they hold the same code, so all must release it")
    elif finding.proven and finding.proof is not None:
        reasons.append(finding.proof)
    return "; ".join(reasons) or "all leaks weigh the same, and it was found first"
