"""Prepare a session for the page: numbers as points of plots, traces as steps, sources as numbered lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_reloadleak.model import Finding, Report, Series, Site
from pytest_reloadleak.report import jsonfile
from pytest_reloadleak.report.rules import RULES
from pytest_reloadleak.report.sites import relative
from pytest_reloadleak.report.text.facts import Fact, fact
from pytest_reloadleak.verdict.amounts import size

_WIDTH, _HEIGHT, _PAD = 180, 44, 4
_SMALL = 1000
"""The height of a plot covers at least the largest value divided by this."""
_PLOTS = (
    ("objects", "objects"),
    ("native_bytes", "native bytes"),
    ("fds", "descriptors"),
    ("threads", "threads"),
    ("tasks", "tasks"),
    ("children", "child processes"),
)
"""Fields of the series that are plotted, with their titles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """One number of the process over the rounds."""

    title: str
    points: str
    """The points of an SVG `polyline`."""
    first: str
    last: str
    change: str
    """The difference from the first to the last value, with its sign."""
    rounds: str
    is_flat: bool
    """Whether all values are the same."""
    grows: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One reference on the way from the root."""

    text: str
    roles: tuple[str, ...]
    """Some of `root`, `holder` and `held`."""
    is_cut: bool
    """Whether this reference was removed on trial."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The lines around a site."""

    place: str
    function: str
    lines: tuple[tuple[int, str, bool], ...]
    """Number, text, and whether it is the line to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """A finding as the page shows it."""

    id: str
    finding: Finding
    fact: Fact
    title: str
    """The meaning of its kind."""
    steps: tuple[Step, ...]
    sources: tuple[Source, ...]
    cost: str
    held: str
    together: tuple[tuple[str, str], ...]
    """Signature and id of the findings that must go too. The id is empty for a finding that is not on the page."""
    graph: str | None
    """The graph as SVG."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A check as the page shows it."""

    id: str
    report: Report
    test: str
    """The test that checks the target; empty if the target is a test item of its own."""
    leaks: tuple[Leak, ...]
    plots: tuple[Plot, ...]
    reload_ms: str


def checks_of(
    checks: Sequence[Mapping[str, Any]], graphs: Mapping[tuple[int, int], str], rootdir: str
) -> list[Check]:
    """The checks of a session.

    Args:
        checks: entries of the JSON report's `checks`.
        graphs: SVG by the positions of check and finding.
        rootdir: the directory to which files are relative.
    """
    return [_check(number, jsonfile.from_dict(check), graphs, rootdir) for number, check in enumerate(checks)]


def _check(number: int, report: Report, graphs: Mapping[tuple[int, int], str], rootdir: str) -> Check:
    names = {finding.signature: f"finding-{number}-{at}" for at, finding in enumerate(report.findings)}
    leaks = [
        _leak(f"finding-{number}-{at}", finding, names, graphs.get((number, at)), rootdir)
        for at, finding in enumerate(report.findings)
    ]
    leaks.sort(key=lambda leak: leak.finding.known is not None)  # what nobody expects comes first
    reloads = report.rounds + report.warmup
    return Check(
        id=f"check-{number}",
        report=report,
        test="" if (report.nodeid or "").startswith("reload-leak::") else report.nodeid or "",
        leaks=tuple(leaks),
        plots=tuple(_plots(report.series)),
        reload_ms=f"{report.reload_s / reloads * 1000:.1f} ms" if reloads else "",
    )


def _leak(name: str, finding: Finding, names: Mapping[str, str], graph: str | None, rootdir: str) -> Leak:
    said = fact(finding, rootdir=rootdir)
    held = finding.held
    held_text = ""
    if held is not None:
        held_text = held.name if held.type == held.name else f"{held.type} {held.name}"
        if held.file is not None:
            held_text += f", {relative(held.file, rootdir)}" + (
                f":{held.line}" if held.line is not None else ""
            )
    return Leak(
        id=name,
        finding=finding,
        fact=said,
        title=RULES[finding.kind].meaning,
        steps=tuple(_steps(finding)),
        sources=tuple(
            _source(site, rootdir) for site in finding.sites or ((finding.site,) if finding.site else ())
        ),
        cost=_cost(finding),
        held=held_text,
        together=tuple((signature, names.get(signature, "")) for signature in finding.together_with),
        graph=graph,
    )


def _cost(finding: Finding) -> str:
    generations = len(finding.generations)
    if finding.growth != "growing" or not finding.retained_bytes or not generations:
        return ""
    return f"{size(round(finding.retained_bytes / generations))} per reload"


def _steps(finding: Finding) -> Iterable[Step]:
    held, trace = finding.held, finding.trace
    spelled = set() if held is None else {held.name, f"{held.type} {held.name}"}
    # A buffer that grows has no items: its trace ends with the holder.
    end = len(trace) + (held is None and trace[-1:] != ("[*]",))
    at = next((n for n, step in enumerate(trace) if n and step in spelled), end)
    for number, text in enumerate(trace):
        roles = [
            "root" if number == 0 else "",
            # The last step is the reference to the held object, and the one before leads to the holder.
            "holder" if number == max(at - 2, 0) else "",
            "held" if number == at else "",
        ]
        yield Step(
            text=text, roles=tuple(filter(None, roles)), is_cut=number > 0 and finding.cut_at == number
        )


def _source(site: Site, rootdir: str) -> Source:
    lines: tuple[tuple[int, str, bool], ...] = ((site.line, site.code, True),)
    if site.excerpt_line is not None and site.excerpt:
        numbered = enumerate(site.excerpt, start=site.excerpt_line)
        lines = tuple((number, text, number == site.line) for number, text in numbered)
    return Source(
        place=f"{relative(site.file, rootdir)}:{site.line}",
        function=site.function if site.function not in {None, "<module>"} and site.function else "",
        lines=lines,
    )


def _plots(series: Series) -> Iterable[Plot]:
    for name, title in _PLOTS:
        values: Sequence[int | None] = getattr(series, name)
        known = [(r, v) for r, v in zip(series.rounds, values, strict=False) if v is not None]
        if len(known) > 1:
            yield _plot(title, known, is_bytes=name == "native_bytes")


def _plot(title: str, known: list[tuple[int, int]], *, is_bytes: bool) -> Plot:
    rounds, values = [r for r, _ in known], [v for _, v in known]
    low, high = min(values), max(values)
    across = (_WIDTH - 2 * _PAD) / max(rounds[-1] - rounds[0], 1)
    # A difference of a few bytes is no slope.
    up = (_HEIGHT - 2 * _PAD) / max(high - low, high / _SMALL, 1)
    dots = [(_PAD + (r - rounds[0]) * across, _HEIGHT - _PAD - (v - low) * up) for r, v in known]
    first, last = (size(v) if is_bytes else f"{v:,}" for v in (values[0], values[-1]))
    change = values[-1] - values[0]
    return Plot(
        title=title,
        points=" ".join(f"{x:.0f},{y:.1f}" for x, y in dots),
        first=first,
        last=last,
        change=f"{'-' if change < 0 else '+'}{size(abs(change)) if is_bytes else f'{abs(change):,}'}",
        rounds=f"rounds {rounds[0]} to {rounds[-1]}",
        is_flat=low == high,
        grows=values[-1] > values[0],
    )
