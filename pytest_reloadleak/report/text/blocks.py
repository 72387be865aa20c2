"""Lay one finding out: its key fact, who holds what, the line, the evidence, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pytest_reloadleak.model import Finding
from pytest_reloadleak.report import sites
from pytest_reloadleak.report.sites import relative
from pytest_reloadleak.report.text.facts import fact
from pytest_reloadleak.report.text.folding import folded
from pytest_reloadleak.report.text.layout import LABEL, Line, Span, labelled, wrapped
from pytest_reloadleak.verdict.amounts import amount, size
from pytest_reloadleak.verdict.enumeration import phrase

MOST_LINES = 25
"""The largest number of lines of a finding without `-v`, so that a screen shows all of it."""
_SHORT_DETAILS = 3
_RELOADS_A_DAY = 500
"""Reloads of a working day with autoreload. The line states the number, so that readers can scale it."""
_TYPES_SHOWN = 4


class _Part(NamedTuple):
    """Lines that are shown or left out together."""

    weight: int
    """Their importance: without room for all parts, those with the least weight are left out first."""
    lines: list[Line]


def block(finding: Finding, *, verbose: bool, rootdir: str, width: int | None) -> list[Line]:
    """The lines of a finding.

    Args:
        finding: what to show.
        verbose: whether to show everything, in any number of lines.
        rootdir: the directory to which files are relative.
        width: columns of a line; `None` for no limit.
    """
    parts = list(_parts(finding, verbose, rootdir, width))
    if verbose or _count(parts) <= MOST_LINES:
        return [line for part in parts for line in part.lines]
    for weight in sorted({part.weight for part in parts}):
        parts = [part for part in parts if part.weight > weight]
        if _count(parts) < MOST_LINES:
            break
    more = list(labelled("...", [Span("more with -v")], width))
    return [*[line for part in parts for line in part.lines][: MOST_LINES - 1], *more]


def _count(parts: Iterable[_Part]) -> int:
    return sum(len(part.lines) for part in parts)


def _parts(finding: Finding, verbose: bool, rootdir: str, width: int | None) -> Iterator[_Part]:
    def part(weight: int, label: str, *spans: Span | str) -> _Part:
        given = [Span(span) if isinstance(span, str) else span for span in spans]
        return _Part(weight, list(labelled(label, given, width)))

    yield _Part(9, _headline(finding, rootdir, width))
    yield part(
        8, "kind", f"{finding.kind} {finding.signature}, {_rate(finding)}", *_numbers(finding.generations)
    )
    holder = finding.holder
    if holder is not None:
        yield part(
            8,
            "holder",
            Span(holder.path, "holder"),
            Span(f" ({holder.type}, root {holder.root})", is_whole=True),
        )
    if holder is not None and finding.held is not None:
        held = finding.held
        name = held.name if held.type == held.name else f"{held.type} {held.name}"
        yield part(8, "holds", Span(name, "old"), _place(finding, rootdir))
    if not finding.sole_holder and holder is not None:
        yield part(6, "with", _others(finding))
    for piece in sites.parts(finding, verbose=verbose, rootdir=rootdir, width=width):
        yield _Part(3 if piece.site else 5 if piece.is_around else 8, piece.lines)
    if verbose or holder is None:
        yield _Part(4, list(_trace(finding, width)))
        if finding.retained_objects and finding.retained_bytes is not None:
            yield part(4, "keeps", f"{finding.retained_objects} objects, {size(finding.retained_bytes)}")
    yield from (part(2, label, text) for label, text in _cost(finding, verbose))
    for number, text in enumerate(finding.details if verbose else finding.details[:_SHORT_DETAILS]):
        yield part(1 if number else 4, "" if number else "detail", text)
    for text in finding.also_retains if verbose else _further(finding):
        yield part(1, "also", text)
    if finding.proof is not None and (verbose or finding.proven is not None or finding.growth == "growing"):
        yield part(6, "proof", finding.proof)
    if finding.known is not None:
        yield part(7, "known", finding.known)
    yield part(8, "fix", finding.advice)
    if finding.cure is not None:
        yield _Part(7, list(_cure(finding.cure, width)))


def _headline(finding: Finding, rootdir: str, width: int | None) -> list[Line]:
    """The key fact, with the whole path if that fits on a line, otherwise with shortened path and file."""
    whole, short = (fact(finding, rootdir=rootdir, is_short=is_short) for is_short in (False, True))
    variants = (whole, short._replace(place=whole.place), short)
    found = next((one for one in variants if width is None or len(one.text()) + 4 <= width), short)
    return list(wrapped("  * ", found.spans(), width, "    "))


def _rate(finding: Finding) -> str:
    """The growth, with the number of items: what has no items says in its first lines how much it is."""
    if finding.growth == "bounded":
        return "bounded"
    is_amount = finding.kind.endswith("-growth") and (
        finding.holder is None or not finding.holder.path.endswith("[*]")
    )
    return "growing" if is_amount else f"growing by {amount(finding.per_round)} per round"


def _others(finding: Finding) -> str:
    if not finding.together_with:
        return "another holder keeps it too; all must release it"
    hold = "holds" if len(finding.together_with) == 1 else "hold"
    return f"{phrase(finding.together_with)} {hold} the same code; all must release it"


def _place(finding: Finding, rootdir: str) -> str:
    held = finding.held
    if held is None or held.file is None:
        return ""
    file = relative(held.file, rootdir)
    return f", {file}:{held.line}" if held.line is not None else f", {file}"


def _trace(finding: Finding, width: int | None) -> Iterator[Line]:
    """The steps from the root, with the reference that was removed on trial marked."""
    for depth, step in enumerate(finding.trace):
        first = f"    {'trace' if depth == 0 else '':<{LABEL - 4}}{'  ' * depth}"
        spans = [Span(step)]
        if finding.cut_at is not None and depth == finding.cut_at and depth:
            spans.append(Span("  <- remove this reference", "place"))
        yield from wrapped(first, spans, width, f"{' ' * len(first)}  ")


def _cost(finding: Finding, verbose: bool) -> Iterator[tuple[str, str]]:
    """The cost of one reload through this holder, and with `-v` its parts; each with a label."""
    generations = len(finding.generations)
    if finding.growth != "growing" or not finding.retained_bytes or not generations:
        return
    one = finding.retained_bytes / generations
    daily = f"at {_RELOADS_A_DAY} reloads a day: {size(round(one * _RELOADS_A_DAY))} a day"
    yield "cost", f"{size(round(one))} per reload; {daily}"
    cost = finding.cost
    if not verbose or cost is None:
        return
    if not cost.objects:
        yield "", "nothing of it dies if this holder alone lets go"
        return
    largest = ", ".join(
        f"{part.objects} {part.type} ({size(part.bytes)})" for part in cost.by_type[:_TYPES_SHOWN]
    )
    more = len(cost.by_type) - _TYPES_SHOWN
    yield "", f"dies with this holder: {largest}{f', and {more} more types' if more > 0 else ''}"


def _further(finding: Finding) -> list[str]:
    """What the cause keeps besides the generations that the first line counts."""
    counted = ", ".join(map(str, finding.generations))
    own = tuple(f"retained-generation: generation{s} {counted} of " for s in ("", "s"))
    return [text for text in finding.also_retains if not text.startswith(own)]


def _cure(cure: str, width: int | None) -> Iterator[Line]:
    yield from labelled("cure", [Span("paste this into the dispose hook:")], width)
    indent = " " * (LABEL + 4)
    for line in cure.splitlines():
        for part in folded(line, None if width is None else max(width - len(indent), 40)):
            yield (Span(indent), Span(part, "code"))


def _numbers(generations: tuple[int, ...]) -> Iterator[str | Span]:
    """The generations, with runs shortened: `, generations -1 to 3, 7`; nothing if there are none."""
    if not generations:
        return
    runs: list[list[int]] = []
    for number in generations:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    text = ", ".join(f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)
    yield ","
    yield Span(f" generation{'s' if len(generations) > 1 else ''} {text}", is_whole=True)
