"""Say a report in one short line: the summary of a terminal has 80 columns, and the node id takes half of them."""

from __future__ import annotations

from pytest_reloadleak.model import Finding, Report

_WORST = ("growing", "bounded")


def line(report: Report, *, names_target: bool = False) -> str:
    """What is wrong, what matters most first.

    Args:
        report: a report whose outcome does not pass.
        names_target: whether to begin with the target, which a marked test's node id does not name.
    """
    text = _leak(report) if report.outcome == "leaking" else f"{report.outcome}: {_first_line(report.reason)}"
    return f"{report.target} {text}" if names_target else text


def place(report: Report) -> tuple[str, int] | None:
    """File and line to show for a report: where the worst finding was made, or what it holds is defined."""
    for finding in _worst_first(report):
        if finding.site is not None:
            return finding.site.file, finding.site.line
        if finding.held is not None and finding.held.file is not None:
            return finding.held.file, finding.held.line or 1
    return None


def _leak(report: Report) -> str:
    worst = _worst_first(report)
    if not worst:
        return f"leaks: {_first_line(report.reason)}"
    first = worst[0]
    where = first.holder.path if first.holder is not None else first.kind
    held = f" holds {first.held.name}" if first.held is not None else ""
    more = f", and {len(worst) - 1} more" if len(worst) > 1 else ""
    return f"leaks: {where}{held}{more}"


def _worst_first(report: Report) -> list[Finding]:
    unknown = [finding for finding in report.findings if finding.known is None]
    return sorted(unknown or report.findings, key=lambda finding: _WORST.index(finding.growth))


def _first_line(text: str) -> str:
    return text.partition("\n")[0]
