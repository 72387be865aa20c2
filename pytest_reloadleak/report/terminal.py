"""Show a report as text for a terminal: the key fact first, then a block per finding."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_reloadleak.model import Report
from pytest_reloadleak.report.text.blocks import block
from pytest_reloadleak.report.text.facts import short_path
from pytest_reloadleak.report.text.layout import LABEL, Line, Span, plain, wrapped

SHORT_FINDINGS = 10
"""Findings shown without `-v`; the others are counted."""
_GROWN_SHOWN = 10
"""The largest number of types that grew, with `-v`."""


def text(
    report: Report, *, verbose: bool = True, rootdir: str | None = None, width: int | None = None
) -> str:
    """The whole report.

    Args:
        report: what to show.
        verbose: whether to show traces, sizes, notes and every finding.
        rootdir: the directory to which files are relative; `None` for the current one.
        width: columns of a line; `None` for lines as long as they are.
    """
    return "\n".join(map(plain, lines(report, verbose=verbose, rootdir=rootdir, width=width)))


def headline(report: Report) -> str:
    """One line: target, strategy, outcome and reason."""
    return f"{report.target} ({report.strategy}) {_verb(report)}: {report.reason}"


def _verb(report: Report) -> str:
    return {
        "clean": "is clean",
        "leaking": "leaks on reload",
        "known": "has only known findings",
        "inconclusive": "could not be judged",
        "error": "could not be checked",
    }[report.outcome]


def lines(report: Report, *, verbose: bool, rootdir: str | None, width: int | None) -> Iterator[Line]:
    """The whole report as lines of styled text. Arguments as for `text`."""
    # An error is one line, so that a search finds the whole of it.
    yield from wrapped("", [Span(headline(report))], width if report.findings else None, "  ")
    # Unexpected findings come first. Beside them, one line for each known finding is enough.
    ordered = sorted(report.findings, key=lambda finding: finding.known is not None)
    is_brief = not verbose and any(finding.known is None for finding in ordered)
    told = [finding for finding in ordered if not is_brief or finding.known is None]
    shown = told if verbose else told[:SHORT_FINDINGS]
    for finding in shown:
        yield ()
        yield from block(finding, verbose=verbose, rootdir=rootdir or ".", width=width)
    if len(shown) < len(told):
        yield ()
        more = len(told) - len(shown)
        yield (Span(f"  ... and {more} more {'finding' if more == 1 else 'findings'} (-v shows all)"),)
    if len(told) < len(ordered):
        yield ()
        for finding in ordered[len(told) :]:
            path = short_path(finding) if finding.holder is not None else "the process"
            text = f"{finding.kind} {finding.signature}, {path}: {finding.known}"
            yield from wrapped("  known: ", [Span(text)], width, " " * 4)
    if report.growth_by_type and verbose:
        yield ()
        most = ", ".join(f"{one.per_round} {one.type}" for one in report.growth_by_type[:_GROWN_SHOWN])
        yield from wrapped("  each round leaves more objects: ", [Span(most)], width, " " * 4)
    if report.not_reloaded and (verbose or report.findings):
        yield ()
        yield from wrapped("  not reloaded: ", [Span(", ".join(report.not_reloaded))], width, " " * 4)
    if report.notes and verbose:
        yield ()
        for note in report.notes:
            yield from wrapped("  note: ", [Span(note)], width, " " * (LABEL - 4))
