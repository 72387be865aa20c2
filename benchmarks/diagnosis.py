#!/usr/bin/env python3
"""What the diagnosis of one finding costs beside the check that found it, in processor time within the same run.

    python benchmarks/diagnosis.py --objects 300000         print the parts, and their ratio to the check
    python benchmarks/diagnosis.py --objects 300000 --check  exit with 1 where the ratio is over 1.5 each time

The check is everything up to the first look for holders: both passes, settling, the suspicion. The diagnosis is what
follows: the holders and the cure, the traced round for the line, the trial removal. A clean check has none of it.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import scenes

from pytest_reloadleak.check import Check, settings_for
from pytest_reloadleak.isolation import proving
from pytest_reloadleak.run.explaining import Explaining
from pytest_reloadleak.run.looking import Looking

MOST, NOTHING = 1.5, 0.01
PARTS = ("check", "holders", "line", "proof")


class Clock:
    """Processor time by part of one check. What no part claims belongs to the check."""

    def __init__(self) -> None:
        self.taken_s = dict.fromkeys(PARTS, 0.0)
        self._part = "check"
        self._since_s = time.process_time()

    def enter(self, part: str) -> str:
        """Charge what has passed to the present part, and begin another; returns the one before."""
        now_s, before = time.process_time(), self._part
        self.taken_s[before] += now_s - self._since_s
        self._part, self._since_s = part, now_s
        return before

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Charge a block to a part."""
        before = self.enter(name)
        try:
            yield
        finally:
            self.enter(before)


def timed(function: Callable[..., Any], clock: Clock, name: str) -> Callable[..., Any]:
    """A function whose calls are charged to a part."""

    def call(*args: Any, **keywords: Any) -> Any:
        with clock.part(name):
            return function(*args, **keywords)

    return call


def measured(target: str, rounds: int) -> dict[str, float]:
    """Seconds by part of one check."""
    scenes.clear(target)
    look, round_ = Looking.take_look, Explaining.round
    clock = Clock()

    @contextmanager
    def traced(self: Explaining, *args: Any) -> Iterator[None]:
        with clock.part("line"), round_(self, *args):
            yield

    Looking.take_look, Explaining.round = timed(look, clock, "holders"), traced  # type: ignore[method-assign]
    try:
        check = Check([target], replace(settings_for(rounds=rounds), proves=True))
        prove = timed(proving.proven, clock, "proof")
        report = check.perform(finish=lambda report: prove(check, lambda _: None, report))
    finally:
        Looking.take_look, Explaining.round = look, round_  # type: ignore[method-assign]
    clock.enter("check")
    is_right = report.outcome == ("clean" if target == "small" else "leaking")
    if not is_right or any(f.site is None or not f.proven for f in report.findings):
        sys.exit(f"diagnosis.py: wrong result, so no figure: {target}: {report.reason}: {report.notes}")
    return clock.taken_s


def ratio(taken_s: dict[str, float]) -> float:
    """The diagnosis in checks."""
    return sum(taken_s[part] for part in PARTS[1:]) / taken_s["check"]


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, and judge if asked to."""
    parser = argparse.ArgumentParser(description="What the diagnosis of one finding costs beside the check.")
    parser.add_argument("--objects", type=int, default=300_000, help="tracked objects of the heap")
    parser.add_argument("--shuffled", action="store_true", help="shuffle the heap")
    parser.add_argument("--rounds", type=int, default=5, help="counted rounds of each check")
    parser.add_argument("--repeat", type=int, default=5, help="how often each is measured, in turn")
    parser.add_argument("--check", action="store_true", help=f"exit with 1 if the median is over {MOST}")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="reloadleak-bench-") as name:
        scenes.write(Path(name))
        importlib.import_module("host")
        importlib.import_module("small")
        tracked = scenes.heap(given.objects, shuffled=given.shuffled)
        print(f"CPython {platform.python_version()}, {tracked:,} tracked objects, {given.rounds} rounds")
        runs: dict[str, list[dict[str, float]]] = {"one_holder": [], "small": []}
        for _ in range(given.repeat):
            for target, found in runs.items():
                found.append(measured(target, given.rounds))
        for target, found in runs.items():
            parts = ", ".join(f"{part} {median(one[part] for one in found):.3f} s" for part in PARTS)
            print(f"{target:<12} {median(map(ratio, found)):>6.2f} checks  ({parts})")
        gc.collect()
    is_over = median(map(ratio, runs["one_holder"])) > MOST or median(map(ratio, runs["small"])) > NOTHING
    return 1 if is_over and given.check else 0


if __name__ == "__main__":
    sys.exit(main())
