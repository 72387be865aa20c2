#!/usr/bin/env python3
"""How long a sweep of many small clean targets takes, in one pytest session each.

    python benchmarks/scale.py                       1,000 targets: side by side, and over pytest-xdist
    python benchmarks/scale.py --targets 100 --way=--reload-leak-jobs=1 --way="-n 2"

The targets are checked with default settings. The clock is that of the wall, since the ways differ in what they do at
once. The time of one target is also given in starts of a bare interpreter, which says less of the machine. A run in
which a target is not clean is no result.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

TARGET = """
import functools
import threading

STATE = {{"lock": threading.Lock(), "number": {number}}}
TABLE = {{i: [i] for i in range(50)}}

class Service:
    def __init__(self):
        self.items = [dict(a=i) for i in range(20)]
    def run(self):
        return STATE

@functools.lru_cache
def cached(x):
    return [x]

service = Service()
cached(1)
"""
WAYS = ("", "--reload-leak-jobs=1", "-n auto")


def write(folder: Path, count: int) -> None:
    """Write a package of so many modules."""
    package = folder / "many"
    package.mkdir()
    (package / "__init__.py").write_text("")
    for number in range(count):
        (package / f"m{number:04}.py").write_text(TARGET.format(number=number))
    (folder / "pytest.ini").write_text("[pytest]\npythonpath = .\nreload_leak_targets = many.*\n")
    (folder / "test_none.py").write_text("")


def bare_start_s() -> float:
    """The median time of a bare interpreter's start."""
    taken = []
    for _ in range(9):
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        taken.append(time.perf_counter() - begun)
    return median(taken)


def sweep_s(folder: Path, way: str, count: int) -> float:
    """Seconds that a session takes."""
    report = folder / "report.json"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--reload-leak-check",
        f"--reload-leak-json={report}",
        *shlex.split(way),
    ]
    begun = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    taken = time.perf_counter() - begun
    outcomes = [check["outcome"] for check in json.loads(report.read_text())["checks"]]
    if outcomes != ["clean"] * count:
        sys.exit(f"scale.py: wrong result, so no figure: {done.stdout[-2000:]}")
    return taken


def main() -> None:
    """Measure each way, and print a table."""
    parser = argparse.ArgumentParser(description="How long a sweep of many small clean targets takes.")
    parser.add_argument("--targets", type=int, default=1000)
    parser.add_argument("--way", action="append", help="options of pytest for one session; repeatable")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="reloadleak-bench-") as name:
        folder = Path(name)
        write(folder, arguments.targets)
        print(f"CPython {platform.python_version()}, {os.cpu_count()} cores, {arguments.targets:,} targets")
        print(f"{'options':<28} {'session':>10} {'a target':>12} {'in starts':>10}")
        for way in arguments.way or WAYS:
            start_s = bare_start_s()
            taken_s = sweep_s(folder, way, arguments.targets)
            each_s = taken_s / arguments.targets
            print(
                f"{way or '(default)':<28} {taken_s:>8.1f} s {1000 * each_s:>9.1f} ms {each_s / start_s:>10.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
