"""Write findings for GitHub Actions: annotations at the line, and a summary of the job in Markdown."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pytest_reloadleak.report import counts
from pytest_reloadleak.report.places import place_of, summary

_MOST_ROWS = 100
"""Rows of the summary's table: a step's summary may have 1 MiB."""


def commands(checks: Iterable[Mapping[str, Any]], root: str) -> Iterator[str]:
    """A workflow command per unknown finding, and per check that could not be judged.

    Args:
        checks: entries of the JSON report's `checks`.
        root: the directory that paths are relative to: the checkout.
    """
    for check in checks:
        for finding in check["findings"]:
            if finding["known"] is None:
                place = place_of(finding, root)
                where = {} if place is None else {"file": place.file, "line": str(place.line)}
                title = f"{check['target']} leaks on reload"
                yield _command("error", f"{summary(finding)}\nFix: {finding['advice']}", title=title, **where)
        if check["outcome"] in {"error", "inconclusive"}:
            level = "error" if check["outcome"] == "error" else "warning"
            title = f"{check['target']}: reload leak check: {check['outcome']}"
            yield _command(level, check["reason"], title=title)


def job_summary(checks: Iterable[Mapping[str, Any]], root: str) -> str:
    """The session as Markdown: one line of counts, and a table of the unknown findings."""
    checks = list(checks)
    lines = ["### Reload leaks", "", counts.line(checks).partition(": ")[2], ""]
    rows = [(check, finding) for check in checks for finding in check["findings"] if finding["known"] is None]
    if rows:
        lines += ["| target | leak | line | fix |", "|---|---|---|---|"]
        for check, finding in rows[:_MOST_ROWS]:
            place = place_of(finding, root)
            where = f"{place.file}:{place.line}" if place is not None else ""
            cells = (
                _code(check["target"]),
                _escaped(summary(finding)),
                _code(where),
                _escaped(finding["advice"]),
            )
            lines.append(f"| {' | '.join(cells)} |")
        if len(rows) > _MOST_ROWS:
            lines.append(f"\n{len(rows) - _MOST_ROWS} more findings are in the test report.")
        lines.append("")
    for check in checks:
        if check["outcome"] in {"error", "inconclusive"}:
            lines.append(f"- {_code(check['target'])} {check['outcome']}: {_escaped(check['reason'])}")
    return "\n".join(lines) + "\n"


def _command(level: str, message: str, **properties: str) -> str:
    """A workflow command. Percent signs and line ends are encoded, in properties also colons and commas."""
    given = ",".join(f"{name}={_encoded(value, ':,')}" for name, value in properties.items())
    return f"::{level} {given}::{_encoded(message)}"


def _encoded(text: str, also: str = "") -> str:
    return "".join(f"%{ord(c):02X}" if c in f"%\r\n{also}" else c for c in text)


def _escaped(text: str) -> str:
    """Text as one cell of a Markdown table, with nothing that Markdown or HTML reads as markup."""
    text = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*_{}\[\]|#~])", r"\\\1", text)


def _code(text: str) -> str:
    return f"`{text.replace('`', chr(39)).replace('|', chr(92) + '|')}`" if text else ""
