"""Rows 43 to 46 of the reload facts: versions beside each other, failures, waves of memory and the closing advice."""

from __future__ import annotations

import gc
import importlib
import sys

import pytest
import scenario_support as support
from scenario_support import checks, found

from pytest_reloadleak import measure_reload
from pytest_reloadleak.report.audit import audit

BOTH = ("reimport", "reload")


VERSIONS = {"t": "def f(): pass\n", "utils": "from t import f\n"}


@pytest.mark.parametrize("strategy", ["reload", "decache", "reimport"])
def test_row_43_module_version_chaos(strategy, program):
    """Row 43: v1 in utils, v2 in index: who sees which generation is told in numbers, once, with the stale binding."""
    program.load(VERSIONS, "utils")

    report = program.measure("t", strategy=strategy)

    assert found(report) == [("stale-reference", "bounded", "utils.f")]
    assert report.findings[0].details == ("utils sees generation -1, sys.modules sees generation 2 of t",)


@pytest.mark.parametrize("strategy", ["cascade", "worker"])
def test_row_43_all_see_one_version(strategy, program):
    """Row 43: the cured twin: whoever imported it is reloaded as well, or none of them is in this process."""
    program.load(VERSIONS, "utils")

    assert program.measure("t", strategy=strategy).outcome == "clean"


def test_row_43_old_functions_run_against_new_globals(program):
    """Row 43: `importlib.reload`: removed names stay as ghosts of the reused namespace, and are found."""
    program.load(
        {
            "app": "import host\nhost.log.append(1)\nif len(host.log) == 1:\n    def ghost(): pass\ndef f(): pass\n"
        }
    )

    again = program.measure(strategy="reload")
    program.host.log.clear()
    anew = program.measure(strategy="reimport")

    assert found(again) == [("stale-reference", "bounded", "app.ghost")]
    assert anew.outcome == "clean"


FAILS = """\
import host
host.log.append(1)
def a(): pass
if len(host.log) > 2:
    raise LookupError('no')
def b(): pass
"""


@pytest.mark.parametrize("strategy", support.IN_PROCESS)
def test_row_44_a_reload_that_fails(strategy, program):
    """Row 44: failed reload: an error, not a leak; module and names are the old ones, the half-built one is freed."""
    before = program.load({"app": FAILS})
    names = dict(vars(before))

    report = program.measure(strategy=strategy)

    assert (report.outcome, report.findings) == ("error", ())
    assert "round 1: the reload raised: LookupError: no" in report.error
    assert sys.modules["app"] is before
    assert {key: id(value) for key, value in vars(before).items()} == {k: id(v) for k, v in names.items()}
    gc.collect()
    mine = [o for o in gc.get_objects() if type(o) is type(found) and o.__module__ == "app"]
    assert {f.__name__ for f in mine} == {"a", "b"}
    assert len(mine) == 2


@pytest.mark.parametrize("strategy", BOTH)
def test_row_45_memory_comes_in_waves(strategy, program):
    """Row 45: sawtooth: generations wait for the collector, which is off here; what it would free is no finding."""
    program.write({"app": "payload = [[n] for n in range(50_000)]\n\ndef f():\n    return payload\n"})
    gc.disable()
    try:
        report = program.measure(strategy=strategy, rounds=3)
        assert not gc.isenabled()
    finally:
        gc.enable()

    assert (report.outcome, report.findings) == ("clean", ())
    first, last = report.series.blocks[0], report.series.blocks[-1]
    assert last - first < 50_000


def test_row_46_where_a_reload_works_best(program):
    """Row 46: the closing advice: with several importers or effects nothing in the process is safe, a worker is."""
    program.load(
        {
            "simple": "def f(): pass\n",
            "wanted": "def f(): pass\n",
            "busy": "import host\ndef f(): pass\nhost.listeners.append(f)\n",
            "one": "from wanted import f\n",
            "two": "from wanted import f\nimport busy\ng = busy.f\n",
        },
        "simple",
        "one",
        "two",
    )
    tried = {"simple": ("reload", "worker"), "wanted": ("reload", "cascade"), "busy": ("cascade", "worker")}
    reports = [program.measure(name, strategy=strategy) for name, two in tried.items() for strategy in two]

    safe = {row["target"]: (row["safe"], row["advice"]) for row in audit(checks(*reports))}

    assert safe == {
        "simple": ("reload", "use reload"),
        "wanted": ("cascade", "use cascade"),
        "busy": ("worker", "use worker, or fix what the others leak"),
    }


def test_row_46_one_importer_is_enough(program):
    """Row 46: with a single binding elsewhere a bare reload leaves it old: that is the limit, and it is named."""
    program.load({"wanted": "def f(): pass\n", "one": "from wanted import f\n"}, "one")

    assert measure_reload("wanted", rounds=2).findings[0].holder.path == "one.f"
    assert importlib.import_module("one").f is sys.modules["wanted"].f
