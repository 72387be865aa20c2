"""Say a report in one short line: the summary of a terminal has 80 columns, and the node id takes half of them."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_reloadleak.model import Finding, Report
from pytest_reloadleak.report.text.facts import fact, place_of

_WORST = ("growing", "bounded")


def line(report: Report, *, names_target: bool = False, room: int | None = None) -> str:
    """What is wrong, the most important part first.

    Args:
        report: a report whose outcome does not pass.
        names_target: whether to begin with the target, which a marked test's node id does not name.
        room: columns that the line may take, as far as words can be left out; `None` for all of it.
    """
    before = f"{report.target}: " if names_target else ""
    whole = list(_variants(report))
    if room is None:
        return f"{before}{whole[0]}"
    # The leak says more than the target, which the test names in its own way.
    variants = [*(f"{before}{text}" for text in whole), *whole]
    return next((text for text in variants if len(text) <= room), variants[-1])


def place(report: Report) -> tuple[str, int] | None:
    """File and line to show for a report: where the worst finding was made, or what it holds is defined."""
    for finding in worst_first(report):
        found = place_of(finding)
        if found is not None:
            return found[0], found[1] or 1
    return None


def worst_first(report: Report) -> list[Finding]:
    """The unexpected findings, growing ones first; all findings if each is expected."""
    unknown = [finding for finding in report.findings if finding.known is None]
    return sorted(unknown or report.findings, key=lambda finding: _WORST.index(finding.growth))


def _variants(report: Report) -> Iterator[str]:
    """The versions of the line, from the complete one to the shortest that still helps."""
    worst = worst_first(report)
    if report.outcome != "leaking" or not worst:
        outcome = "leaks" if report.outcome == "leaking" else report.outcome
        yield f"{outcome}: {report.reason.partition(chr(10))[0]}"
        return
    first = fact(worst[0], is_short=True)
    more = f", and {len(worst) - 1} more" if len(worst) > 1 else ""
    where = f" ({first.place})" if first.place else ""
    yield f"{first.text()}{more}"
    yield first.text()
    yield f"{first.who}{where}{more}"
    yield f"{first.who}{where}"
    yield first.who
    yield f"{worst[0].kind}{where}"
    yield f"leak at {first.place}" if first.place else "leaks"
