#!/usr/bin/env python3
"""What checks cost, in U, on a large heap in order or shuffled; and a gate that fails where a ratio is over its bound.

    python benchmarks/table.py --objects 1000000            print the table
    python benchmarks/table.py --shuffled --json FILE       the same on a shuffled heap; write the figures too
    python benchmarks/table.py --short --check              a small heap, in half a minute; exit with 1 if it is slow

U is ten bare reloads and one collection on the same heap (`scenes.py`). What each check finds is verified.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import platform
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import scenes

from pytest_reloadleak import measure_reload

ATTEMPTS = 3
SHORT_OBJECTS = 60_000


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        name: what it is called.
        target: the module that is checked.
        goal: the U that it should take at most, on a heap of a million objects.
        bound: the U at which the gate fails, on the small heap: about twice what it takes there.
        found: how many findings a right report has at least; 0 if it is clean.
        rounds: counted rounds.
    """

    name: str
    target: str
    goal: float
    bound: float
    found: int
    rounds: int = scenes.ROUNDS


ROWS = (
    Row("clean, 10 rounds", "small", 1.6, 12, 0),
    Row("leaking, 50 retained by 5 holders, with lines", "planted", 9, 75, 5),
    Row("leaking, one holder", "one_holder", 9, 70, 1),
    Row("leaking, class kept by 2,000 instances", "instances", 9, 70, 1),
    Row("object growth", "grows", 12, 75, 1),
    Row("leaking, 100 rounds", "one_holder", 5, 40, 1, 100),
)


def check(row: Row) -> None:
    """Check the row's target, and end the program if the report is wrong."""
    report = measure_reload(row.target, rounds=row.rounds)
    is_right = len(report.findings) >= row.found and (report.outcome == "clean") is (row.found == 0)
    has_lines = all(finding.site is not None for finding in report.findings)
    if not (is_right and has_lines):
        sys.exit(f"table.py: wrong result, so no figure: {row.name}: {report.reason}: {report.notes}")


def measured(row: Row, repeat: int) -> dict[str, Any]:
    """The row's figures."""
    value, check_s, unit_s = scenes.ratio(repeat, lambda: check(row), row.target, row.rounds)
    return {
        "name": row.name,
        "u": value,
        "check_s": check_s,
        "unit_s": unit_s,
        "goal": row.goal,
        "bound": row.bound,
    }


def line(found: dict[str, Any], limit: str) -> str:
    """The table's line."""
    says = "ok" if found["u"] <= found[limit] else "OVER"
    parts = f"check {found['check_s']:.3f} s, U {found['unit_s']:.3f} s"
    return f"{found['name']:<46} {found['u']:>7.2f} U {found[limit]:>7g} U  {says:<4}  {parts}"


def rows(objects: int, wanted: str) -> list[Row]:
    """The rows to measure: 100 rounds only where the heap is small, as the goal has it."""
    return [
        row
        for row in ROWS
        if wanted in row.name and (row.rounds == scenes.ROUNDS or objects <= SHORT_OBJECTS)
    ]


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, and judge if asked to."""
    parser = argparse.ArgumentParser(description="What checks cost, in U.")
    parser.add_argument("--objects", type=int, default=1_000_000, help="tracked objects of the heap")
    parser.add_argument("--shuffled", action="store_true", help="shuffle the heap")
    parser.add_argument("--repeat", type=int, default=5, help="how often each is measured")
    parser.add_argument("--only", default="", help="measure the rows with this text in their name")
    parser.add_argument(
        "--short", action="store_true", help=f"a heap of {SHORT_OBJECTS:,} objects, measured three times"
    )
    parser.add_argument("--check", action="store_true", help="exit with 1 if a bound is exceeded three times")
    parser.add_argument("--json", type=Path, help="add the figures to this file")
    given = parser.parse_args(arguments)
    objects, repeat = (SHORT_OBJECTS, 3) if given.short else (given.objects, given.repeat)
    over = 0
    with tempfile.TemporaryDirectory(prefix="reloadleak-bench-") as name:
        scenes.write(Path(name))
        importlib.import_module("host")
        importlib.import_module("small")
        tracked = scenes.heap(objects, shuffled=given.shuffled)
        order = "shuffled" if given.shuffled else "in order"
        print(f"CPython {platform.python_version()}, {tracked:,} tracked objects, {order}")
        limit = "bound" if given.check else "goal"
        print(f"{'what':<46} {'measured':>9} {limit:>9}")
        for row in rows(objects, given.only):
            found = measured(row, repeat)
            for _ in range(ATTEMPTS - 1 if given.check else 0):
                if found["u"] <= row.bound:
                    break
                found = min(found, measured(row, repeat), key=_u)
            print(line(found, limit), flush=True)
            over += found["u"] > row.bound
            if given.json is not None:
                about = {"python": platform.python_version(), "objects": tracked, "order": order}
                save(given.json, "table", [{**found, **about}])
        gc.collect()
    return 1 if over and given.check else 0


def save(file: Path, part: str, figures: list[dict[str, Any]]) -> None:
    """Add figures to a file of results."""
    known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    known.setdefault(part, []).extend(figures)
    file.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


def _u(found: dict[str, Any]) -> float:
    return float(found["u"])


if __name__ == "__main__":
    sys.exit(main())
