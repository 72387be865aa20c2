"""What one target costs in a large project: its node id, a single test, and all tests, in interleaved runs.

    python benchmarks/one_item.py --tests 500 --runs 7

A project of many test files, each with ten tests and a module of its own, with conftests in each folder. The node id of
a target imports none of the files. Medians; processor time is that of all processes of a run.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

RUNS = {
    "the target": ["reload-leak::app.weather[reimport]"],
    "a single test": ["tests/d0/test_0.py::test_0"],
    "all tests": [],
}


def project(root: Path, tests: int) -> None:
    """Write a project with a number of tests."""
    files = {"pytest.ini": "[pytest]\npythonpath = .\ntestpaths = tests\n", "conftest.py": "import app.bus\n"}
    files |= {
        "app/__init__.py": "",
        "app/bus.py": "",
        "app/weather.py": "from app import bus\n\ndef on(): pass\n",
    }
    body = "\n".join(f"def test_{number}(): pass" for number in range(10))
    for number in range(tests // 10):
        folder = f"tests/d{number // 10}"
        files[f"app/part_{number}.py"] = "import json\n\nclass Plugin: pass\n"
        files[f"{folder}/conftest.py"] = "import decimal\nimport app.bus\n"
        files[f"{folder}/test_{number}.py"] = f"import app.weather, app.part_{number}\n\n{body}\n"
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def used(root: Path, arguments: list[str]) -> tuple[float, float]:
    """Seconds of one run: by the clock, and of processors."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun_s = time.perf_counter()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "pytest_reloadleak.plugin", *arguments]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # otherwise each run would compile all sources
    subprocess.run(command, cwd=root, env=environment, check=True, stdout=subprocess.DEVNULL)
    taken_s = time.perf_counter() - begun_s
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return taken_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure, and print a line for each kind of run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tests", type=int, default=500)
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project(Path(folder), options.tests)
        for arguments in RUNS.values():
            used(Path(folder), arguments)  # writes the bytecode
        taken: dict[str, list[tuple[float, float]]] = {what: [] for what in RUNS}
        for _ in range(options.runs):
            for what, arguments in RUNS.items():
                taken[what].append(used(Path(folder), arguments))
    for what, found in taken.items():
        clock_s, processor_s = (median(times) for times in zip(*found, strict=True))
        print(f"{what:14} {clock_s:6.2f} s by the clock, {processor_s:5.2f} s of processors")


if __name__ == "__main__":
    main()
