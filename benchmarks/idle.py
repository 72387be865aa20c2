#!/usr/bin/env python3
"""What the plugin costs where it is installed and not enabled: `pytest -VV`, and a session of many empty tests.

    python benchmarks/idle.py                  31 runs of `pytest -VV` and 15 sessions of 5,000 tests
    python benchmarks/idle.py --tests 1000     fewer tests

Runs with and without the plugin (`-p no:reloadleak`) take turns. The clock is processor time, since a busy machine
changes that of the wall more. The median says what is usual, and the least what a run takes undisturbed.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

WITHOUT = ("-p", "no:reloadleak")


def cpu_s(folder: Path, arguments: tuple[str, ...]) -> float:
    """Processor time of a session of pytest, with the time that it takes to end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-m", "pytest", "-q", *arguments]
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def compare(folder: Path, name: str, arguments: tuple[str, ...], count: int) -> None:
    """Print what some arguments of pytest cost with the plugin and without it."""
    cpu_s(folder, arguments)  # the first one compiles
    taken: tuple[list[float], list[float]] = ([], [])
    for number in range(count):
        for way in (0, 1) if number % 2 else (1, 0):
            taken[way].append(cpu_s(folder, (*arguments, *(WITHOUT if way else ()))))
    for what, of in (("median", median), ("least", min)):
        on_s, off_s = of(taken[0]), of(taken[1])
        more_ms = 1000 * (on_s - off_s)
        print(
            f"{name:<20} {what:<8} {on_s:>8.3f} s {off_s:>8.3f} s {more_ms:>8.1f} ms  x{on_s / off_s:.3f}",
            flush=True,
        )


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description="What the plugin costs where it is installed and not enabled."
    )
    parser.add_argument("--tests", type=int, default=5000, help="empty tests of a session")
    parser.add_argument("--starts", type=int, default=31, help="runs of pytest -VV")
    parser.add_argument("--sessions", type=int, default=15, help="sessions with all tests")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="reloadleak-bench-") as name:
        folder = Path(name)
        tests = "".join(f"def test_{number}(): pass\n" for number in range(given.tests))
        (folder / "test_empty.py").write_text(tests)
        (folder / "pytest.ini").write_text("[pytest]\n")
        print(f"CPython {platform.python_version()}")
        print(f"{'what':<20} {'':<8} {'with':>10} {'without':>10} {'more':>11}")
        if given.starts:
            compare(folder, "pytest -VV", ("-VV",), given.starts)
        if given.sessions:
            compare(folder, f"{given.tests:,} empty tests", ("-p", "no:cacheprovider"), given.sessions)


if __name__ == "__main__":
    main()
