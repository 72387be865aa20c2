"""How the cost of a leaking check grows with rounds, with leaks a round, and with functions of the target.

    python benchmarks/linear.py --json FILE

Each point is a check on a heap of 20,000 objects, in processor time, beside bare reloads of the same target.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any

import scenes
from table import save

from pytest_reloadleak import measure_reload

OBJECTS = 20_000
ROUNDS = (10, 100, 1000)
LEAKS = (1, 10, 100)
FUNCTIONS = (100, 1000, 10_000)


def point(name: str, rounds: int, repeat: int) -> tuple[float, float]:
    """Seconds of a check of a target, and of as many bare reloads and one collection."""

    def check() -> None:
        report = measure_reload(name, rounds=rounds)
        if report.outcome != "leaking":
            sys.exit(f"linear.py: wrong result, so no figure: {name}: {report.reason}")

    def bare() -> None:
        scenes.reloads(name, rounds)
        gc.collect()

    taken = scenes.in_turn(repeat, [check, bare], lambda: scenes.clear(name))
    return min(taken[0]), min(taken[1])


def measured(folder: Path, repeat: int) -> list[dict[str, Any]]:
    """All points."""
    scenes.write(folder)
    scenes.write(folder, {f"leaks_{n}": scenes.leaks(n) for n in LEAKS})
    scenes.write(folder, {f"functions_{n}": scenes.functions(n) for n in FUNCTIONS})
    importlib.import_module("host")
    scenes.heap(OBJECTS, shuffled=False)
    series = [("rounds", n, "one_holder", n) for n in ROUNDS]
    series += [("leaks a round", n, f"leaks_{n}", scenes.ROUNDS) for n in LEAKS]
    series += [("functions", n, f"functions_{n}", scenes.ROUNDS) for n in FUNCTIONS]
    out = []
    for what, number, name, rounds in series:
        importlib.import_module(name)
        check_s, bare_s = point(name, rounds, 1 if number >= 1000 else repeat)
        print(
            f"{what:<14} {number:>6}  check {check_s:>7.3f} s  bare {bare_s:>7.3f} s  {check_s / bare_s:>6.1f}",
            flush=True,
        )
        out.append({"what": what, "number": number, "check_s": check_s, "bare_s": bare_s})
    return out


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description="Linearity of a leaking check.")
    parser.add_argument("--json", type=Path, help="add the figures to this file")
    parser.add_argument("--repeat", type=int, default=3, help="how often the smaller points are measured")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="reloadleak-bench-") as name:
        figures = measured(Path(name), given.repeat)
    if given.json is not None:
        save(given.json, "linear", figures)


if __name__ == "__main__":
    main()
