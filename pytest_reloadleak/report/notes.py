"""List the notes and known findings of passing checks, which no failure shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pytest_reloadleak.model import PASSING


def lines(checks: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The notes and known findings of checks that passed, each check with its target, strategy and test first.

    Args:
        checks: entries of the JSON report's `checks`.
    """
    for check in checks:
        known = [f for f in check["findings"] if f["known"] is not None]
        if check["outcome"] not in PASSING or not (check["notes"] or known):
            continue
        test = f", {check['nodeid']}" if check["nodeid"] is not None else ""
        yield f"{check['target']} ({check['strategy']}) {check['outcome']}{test}"
        for finding in known:
            path = finding["holder"]["path"] if finding["holder"] is not None else "?"
            yield f"  known: {finding['kind']} {finding['signature']}, {path}: {finding['known']}"
        for note in check["notes"]:
            yield f"  note: {note}"
