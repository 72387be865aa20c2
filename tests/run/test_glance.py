"""A clean check of a large heap ends with a glance: only what is young is collected, and the rest is counted."""

from __future__ import annotations

import gc
import sys

import pytest
from cases import edges, run

from pytest_reloadleak.effects.system import meter
from pytest_reloadleak.heap import collector, settle
from pytest_reloadleak.run.glance import Glance

pytestmark = pytest.mark.skipif(not settle.HAS_AGES, reason="this interpreter collects all objects at once")

ROUNDS = 5
HOST = (
    edges.KEEPS
    + """
first = []
made = 0

def stop():
    import threading

    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.cancel()
            thread.join()
"""
)
SAVED = """
class Saved:
    def __del__(self):
        host.first.append(self)
saved = Saved()
"""
ONCE = SAVED.replace("saved = Saved()", "host.made += 1\nsaved = Saved() if host.made == 2 else None")
"""Only the generation that the baseline's collection makes old has a finalizer."""


@pytest.fixture
def glances(monkeypatch):
    """What the glances of a check said, on a heap that is taken for a large one."""
    monkeypatch.setattr(meter, "_LARGE_BLOCKS", 0)
    said = []
    original = Glance.shows_clean
    monkeypatch.setattr(
        Glance, "shows_clean", lambda self, rounds: said.append(original(self, rounds)) or said[-1]
    )
    return said


def measured(tmp_path, body, strategy, rounds=ROUNDS):
    """The report on a module with this body."""
    run.write(tmp_path, {"host": HOST, "plugin": edges.PLUGIN + body})
    return run.measure_and_undo(tmp_path, "plugin", strategy, rounds)


@pytest.mark.parametrize("strategy", edges.BOTH)
def test_a_clean_check_takes_one_full_collection(strategy, glances, monkeypatch, tmp_path):
    """That of the baseline. The generation that it made old is dead at the end, and not yet freed."""
    ages = []
    monkeypatch.setattr(collector, "collect", lambda age=2: ages.append(age) or gc.collect(age))

    # Late in a whole run the process once gained 52 blocks over four rounds by itself, which is in doubt for a glance.
    for number in range(3):
        ages.clear()
        glances.clear()
        report = measured(tmp_path / str(number), "", strategy)
        if glances == [True]:
            break

    assert (report.outcome, glances) == ("clean", [True])
    assert sorted(ages) == [0, 1, 2]
    assert report.series.rounds == (0, ROUNDS)


@pytest.mark.parametrize("strategy", edges.BOTH)
@pytest.mark.parametrize(
    ("body", "growth"),
    [
        pytest.param("host.keep(on_event)\n", "growing", id="each generation"),
        pytest.param("host.first or host.first.append(on_event)\n", "bounded", id="the first one only"),
        pytest.param("host.first[:] = [*host.first, on_event][-4:]\n", "bounded", id="the last four"),
        pytest.param(SAVED, "growing", id="brought back by a finalizer"),
        pytest.param(ONCE, "bounded", id="brought back once"),
        pytest.param("import threading; t = threading.Timer(60, on_event); t.daemon = True; t.start()\n", "growing",
                     id="timer"),
    ],
)  # fmt: skip
def test_what_leaks_is_found_as_on_a_small_heap(body, growth, strategy, glances, monkeypatch, tmp_path):
    """The glance says that something is in doubt. All else is as before, after full collections."""
    report = measured(tmp_path, body, strategy)

    assert glances == [False]
    monkeypatch.undo()
    expected = measured(tmp_path, body, strategy)
    found = [(f.kind, f.growth, f.signature, f.generations) for f in report.findings]
    assert found == [(f.kind, f.growth, f.signature, f.generations) for f in expected.findings]
    assert growth in {f.growth for f in report.findings}


def test_a_few_rounds_are_not_glanced_at(glances, tmp_path):
    """In three rounds hardly a generation is old enough to be judged."""
    assert measured(tmp_path, "", "reimport", 3).outcome == "clean"
    assert glances == []


def test_what_grows_is_in_doubt(glances, tmp_path):
    """Plain data makes the process's numbers grow; memory that the interpreter keeps for reuse does not count."""
    report = measured(tmp_path, "host.first.append([[] for _ in range(100)])\n", "reimport")

    assert glances == [False]
    assert [(f.kind, f.growth) for f in report.findings] == [("object-growth", "growing")]


def test_the_collector_is_as_the_program_set_it(glances, tmp_path):
    """A glance disables automatic collection for a moment; its thresholds are never touched."""
    before = (gc.isenabled(), gc.get_threshold())
    seen = "import gc, sys\nsys.modules['host'].first[:] = [gc.isenabled(), gc.get_threshold()]\n"

    assert measured(tmp_path, seen, "reimport").outcome == "clean"
    assert len(glances) == 1  # what it says depends on what else this process has done
    assert (gc.isenabled(), gc.get_threshold()) == before
    assert "host" not in sys.modules
