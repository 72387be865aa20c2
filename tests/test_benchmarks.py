"""The benchmark that measures noise runs with today's sources: it reads the samples of a check."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_noise_of_a_module_is_printed():
    """One line for the module, with its numbers and its outcome."""
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "growth.py", "colorsys"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert (done.returncode, done.stderr) == (0, "")
    name, objects, blocks, native_bytes, outcome = done.stdout.splitlines()[-1].split()
    assert (name, outcome) == ("colorsys", "clean")
    assert all(number == "-" or float(number) < 10_000 for number in (objects, blocks, native_bytes))
