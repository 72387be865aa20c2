"""Show a report as text for a terminal: the key fact first, then a block per finding."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_reloadleak.model import Finding, Report
from pytest_reloadleak.report import sites
from pytest_reloadleak.report.sites import relative

SHORT_FINDINGS = 10
"""Findings shown without `-v`; the others are counted."""
_GROWN_SHOWN = 10
"""Types that grew, with `-v`."""
_SHORT_DETAILS = 3
"""Lines of a finding's details shown without `-v`."""


def text(report: Report, *, verbose: bool = True, rootdir: str | None = None) -> str:
    """The whole report.

    Args:
        report: what to show.
        verbose: whether to show traces, sizes, notes and every finding.
        rootdir: the directory to which files are relative; `None` for the current one.
    """
    return "\n".join(_lines(report, verbose, rootdir or "."))


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


def _lines(report: Report, verbose: bool, rootdir: str) -> Iterator[str]:
    yield headline(report)
    shown = report.findings if verbose else report.findings[:SHORT_FINDINGS]
    for finding in shown:
        yield ""
        yield from _finding(finding, verbose, rootdir)
    if len(shown) < len(report.findings):
        yield ""
        more = len(report.findings) - len(shown)
        yield f"  ... and {more} more {'finding' if more == 1 else 'findings'} (-v shows all)"
    if report.growth_by_type and verbose:
        yield ""
        most = ", ".join(f"{one.per_round} {one.type}" for one in report.growth_by_type[:_GROWN_SHOWN])
        yield f"  each round leaves more objects: {most}"
    if report.not_reloaded and (verbose or report.findings):
        yield ""
        yield f"  not reloaded: {', '.join(report.not_reloaded)}"
    if report.notes and verbose:
        yield ""
        yield from (f"  note: {note}" for note in report.notes)


def _finding(finding: Finding, verbose: bool, rootdir: str) -> Iterator[str]:
    rate = f"growing by {finding.per_round:g} per round" if finding.growth == "growing" else "bounded"
    yield f"  {finding.kind} {finding.signature}, {rate}{_numbers(finding.generations)}"
    if finding.holder is not None and finding.held is not None:
        others = f": also {', '.join(finding.together_with)}" if finding.together_with else ""
        alone = "" if finding.sole_holder else f" (one of several holders; all must release it{others})"
        yield f"    holder  {finding.holder.path} ({finding.holder.type}, root {finding.holder.root}){alone}"
        held = finding.held
        name = held.name if held.type == held.name else f"{held.type} {held.name}"
        yield f"    holds   {name}{_place(finding, rootdir)}"
    elif finding.holder is not None:
        yield f"    holder  {finding.holder.path} ({finding.holder.type}, root {finding.holder.root})"
    yield from sites.lines(finding, verbose=verbose, rootdir=rootdir)
    if verbose or finding.holder is None:
        yield from _trace(finding)
        if finding.retained_objects and finding.retained_bytes is not None:
            yield f"    keeps   {finding.retained_objects} objects, {_size(finding.retained_bytes)}"
    yield from _cost(finding, verbose)
    for number, line in enumerate(finding.details if verbose else finding.details[:_SHORT_DETAILS]):
        yield f"    {'        ' if number else 'detail  '}{line}"
    for also in finding.also_retains:
        yield f"    also    {also}"
    if finding.proof is not None and (verbose or finding.proven is not None or finding.growth == "growing"):
        yield f"    proof   {finding.proof}"
    if finding.known is not None:
        yield f"    known   {finding.known}"
    yield f"    fix     {finding.advice}"
    if finding.cure is not None:
        yield "    cure    paste this into the dispose hook:"
        yield from (f"                {line}" for line in finding.cure.splitlines())


_RELOADS_A_DAY = 500
"""A working day with autoreload; the line says so, and readers scale it to their own."""
_TYPES_SHOWN = 4


def _cost(finding: Finding, verbose: bool) -> Iterator[str]:
    """What one reload costs through this holder, and with `-v` what that consists of."""
    generations = len(finding.generations)
    if finding.growth != "growing" or not finding.retained_bytes or not generations:
        return
    one = finding.retained_bytes / generations
    daily = f"at {_RELOADS_A_DAY} reloads a day: {_size(round(one * _RELOADS_A_DAY))} a day"
    yield f"    cost    {_size(round(one))} per reload; {daily}"
    cost = finding.cost
    if not verbose or cost is None:
        return
    if not cost.objects:
        yield "            nothing of it dies if this holder alone lets go"
        return
    largest = ", ".join(
        f"{part.objects} {part.type} ({_size(part.bytes)})" for part in cost.by_type[:_TYPES_SHOWN]
    )
    more = len(cost.by_type) - _TYPES_SHOWN
    yield f"            dies with this holder: {largest}{f', and {more} more types' if more > 0 else ''}"


def _place(finding: Finding, rootdir: str) -> str:
    held = finding.held
    if held is None or held.file is None:
        return ""
    file = relative(held.file, rootdir)
    return f", {file}:{held.line}" if held.line is not None else f", {file}"


def _trace(finding: Finding) -> Iterator[str]:
    for depth, step in enumerate(finding.trace):
        yield f"    {'trace   ' if depth == 0 else '        '}{'  ' * depth}{step}"


def _numbers(generations: tuple[int, ...]) -> str:
    """The generations, with runs shortened: `, generations -1 to 3, 7`; empty if there are none."""
    if not generations:
        return ""
    runs: list[list[int]] = []
    for number in generations:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    text = ", ".join(f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)
    return f", generation{'s' if len(generations) > 1 else ''} {text}"


def _size(size_bytes: int) -> str:
    """Bytes with a unit."""
    size = float(size_bytes)
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024 or unit == "MiB":
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    raise AssertionError("unreachable: the loop returns at its last unit")
