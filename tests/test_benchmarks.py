"""The benchmarks run with today's sources, and the gate judges right."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_reloadleak import measure_reload

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


@pytest.fixture
def table(monkeypatch):
    """The script of the gate, on no heap at all; what its target left in `sys.modules` is taken out again."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    before = set(sys.modules)
    module = importlib.import_module("table")
    monkeypatch.setattr(module.scenes, "heap", lambda objects, **_: objects)
    yield module
    for name in set(sys.modules) - before:
        if name in {"table", "scenes", "bigheap", "host", "small"}:
            del sys.modules[name]


@pytest.mark.parametrize(("measured", "status"), [([99, 99, 99], 1), ([99, 99, 1], 0), ([1], 0)])
def test_the_gate_fails_where_a_ratio_is_over_its_bound_each_time(
    measured, status, table, monkeypatch, capsys
):
    """A busy minute may spoil one attempt, or two."""
    figures = iter(measured)
    monkeypatch.setattr(
        table,
        "measured",
        lambda row, _: {
            "name": row.name,
            "u": next(figures),
            "check_s": 1,
            "unit_s": 1,
            "goal": 2,
            "bound": row.bound,
        },
    )

    assert table.main(["--short", "--check", "--only", "clean"]) == status
    assert ("OVER" in capsys.readouterr().out) is bool(status)
    assert next(figures, None) is None


def test_a_wrong_report_is_no_figure(table, monkeypatch):
    """A check that got faster by finding nothing ends the run."""
    row = next(row for row in table.ROWS if row.target == "planted")
    monkeypatch.setattr(table, "measure_reload", lambda *_, **__: measure_reload("colorsys", rounds=1))

    with pytest.raises(SystemExit, match="wrong result, so no figure"):
        table.check(row)


def test_the_parts_of_a_diagnosis_are_measured(tmp_path):
    """A leaking check has all parts, and a clean one none."""
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "diagnosis.py", "--objects=5000", "--repeat=1", "--rounds=3"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert (done.returncode, done.stderr) == (0, "")
    leaking, clean = done.stdout.splitlines()[-2:]
    assert float(leaking.split()[1]) > 0
    assert clean.split()[:2] == ["small", "0.00"]
