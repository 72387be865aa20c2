"""Rows 47 to 50 of the reload facts: the contracts of bundlers and of Erlang, one test a row, a function a clause."""

from __future__ import annotations

import importlib
import sys
import threading

import pytest
import scenario_support as support
from scenario_support import GENERATIONS, found

from pytest_reloadleak import clear_cache
from pytest_reloadleak.errors import RoundError

BOTH = ("reimport", "reload")


HANDS_OVER = """\
import host
count = globals().get("__reload_data__", {"count": 0})["count"] + 1
host.log.append(count)

def __reload_dispose__(data):
    data["count"] = count
"""


@pytest.mark.parametrize("strategy", [*support.IN_PROCESS, "worker"])
def test_row_47_dispose_hands_data_to_the_next(strategy, program):
    """Row 47: webpack `dispose(cb(data))`: it runs on the outgoing version, and the new one has what it put in.

    The version that was loaded first is exercised too, before its hook; a worker calls the hook itself.
    """
    program.write({"app": HANDS_OVER})
    seen = []

    report = program.measure(strategy=strategy, exercise=lambda module: seen.append(module("app").count))

    assert (report.outcome, report.findings) == ("clean", ())
    assert seen == ([2, 3, 4] if strategy == "worker" else [1, 2, 3, 4])


ACCEPTING = {
    "nobody": ("", "cascade"),
    "all": ("__reload_accept__ = True", None),
    "this one": ("__reload_accept__ = ['dep']", None),
    "another": ("__reload_accept__ = ['other']", "cascade"),
    "a function": ("def __reload_accept__(fresh): host.table[len(host.table)] = fresh['dep'].number", None),
}


@pytest.mark.parametrize("accepts", ACCEPTING)
def test_row_47_accept_stops_propagation(accepts, program):
    """Row 47: webpack `accept`: the update stops at who takes it, else it bubbles up; who is left alone is listed."""
    line, bubbles = ACCEPTING[accepts]
    program.load(
        {
            "dep": "import host\nhost.log.append('dep')\nnumber = host.log.count('dep')\n",
            "mid": f"import host\nhost.log.append('mid')\ndef use():\n    import dep\n{line}\n",
            "top": "import host\nimport mid\nhost.log.append('top')\n",
        },
        "top",
    )

    report = program.measure("dep", strategy="cascade")

    assert report.outcome == "clean"
    times = GENERATIONS if bubbles else 1
    counts = {name: program.host.log.count(name) for name in ("dep", "mid", "top")}
    assert counts == {"dep": GENERATIONS, "mid": times, "top": times}
    assert report.not_reloaded == (() if bubbles else ("mid",))
    if accepts == "a function":
        assert list(program.host.table.values())[:3] == [2, 3, 4]


def test_row_47_who_accepts_must_be_able_to(program):
    """Row 47: an acceptance without effect is found: the module that claims it still has the old object."""
    program.load({"dep": "def f(): pass\n", "mid": "from dep import f\n__reload_accept__ = True\n"}, "mid")

    assert found(program.measure("dep", strategy="cascade")) == [("stale-reference", "bounded", "mid.f")]


@pytest.mark.parametrize("strategy", BOTH)
@pytest.mark.parametrize("fails", ["the reload", "the dispose hook"])
def test_row_47_abort_and_fail(fails, strategy, program):
    """Row 47: webpack's abort and fail: both are errors; the old version is back in either case, and answers."""
    raising = {
        "the reload": "if len(host.log) > 1:\n    raise LookupError('no')\n",
        "the dispose hook": "def __reload_dispose__():\n    raise LookupError('no')\n",
    }
    program.write(
        {
            "app": f"import host\nhost.log.append(1)\ndef answer():\n    return number\nnumber = 1\n{raising[fails]}"
        }
    )
    before = importlib.import_module("app")

    report = program.measure(strategy=strategy)

    text = (
        "the reload raised"
        if fails == "the reload"
        else "disposing generation -1: app.__reload_dispose__ raised"
    )
    assert report.outcome == "error"
    assert f"{text}: LookupError: no" in report.error
    assert sys.modules["app"] is before
    assert before.answer() == 1


SLOT = "import host\n\ndef f(): pass\n\nhost.slot = f\n"
PRUNED = f"{SLOT}\ndef __reload_dispose__():\n    host.slot = None\n"


@pytest.mark.parametrize("strategy", BOTH)
def test_row_48_dispose_on_replacement(strategy, program):
    """Row 48: Vite `dispose`: clean-up on update, once for each generation, the last one included."""
    program.write(
        {
            "app": "import host\nn = len(host.log)\nhost.log.append(n)\n"
            "def __reload_dispose__(): host.log.append(f'-{n}')\n"
        }
    )

    report = program.measure(strategy=strategy)

    assert report.outcome == "clean"
    disposed = [entry for entry in program.host.log if type(entry) is str]
    assert len(disposed) == len(set(disposed)) == GENERATIONS


@pytest.mark.parametrize("strategy", BOTH)
@pytest.mark.parametrize("is_cured", [False, True], ids=["pinned", "pruned"])
def test_row_48_prune_on_removal(is_cured, strategy, program):
    """Row 48: Vite `prune`: what updates overwrite is clean, and pins the module when it is removed for good."""
    program.write({"app": PRUNED if is_cured else SLOT})

    assert program.measure(strategy=strategy).outcome == "clean"
    pinned = [] if is_cured else [("retained-generation", "bounded", "host.slot")]
    assert found(program.measure(strategy=strategy, unload=True)) == pinned


def test_row_48_the_original_module_object(program):
    """Row 48: Vite: an old module object is not swapped for its importers; who has it is told by `clear_cache`."""
    old = program.load({"app": "def f(): pass\n", "user": "import app\n"}, "user").app

    cleared = clear_cache("app")
    new = importlib.import_module("app")

    assert new is not old
    assert sys.modules["user"].app is old
    assert "user.app" in {remaining.holder.path for remaining in cleared.holders}


KEEPING = {
    "the last one": ("host.listeners[:] = [f]", []),
    "the last two": ("host.listeners[:] = [*host.listeners[-1:], f]", []),
    "the last three": ("host.listeners[:] = [*host.listeners[-2:], f]", ["retained-generation"]),
}


@pytest.mark.parametrize("strategy", BOTH)
@pytest.mark.parametrize("keeping", KEEPING)
def test_row_49_the_two_generation_rule(keeping, strategy, program):
    """Row 49: Erlang: current and old may live, the one before must be dead: a list of two is clean, of three not."""
    line, kinds = KEEPING[keeping]
    program.write({"app": f"import host\n\ndef f(): pass\n\n{line}\n"})

    report = program.measure(strategy=strategy, rounds=3)

    assert [f.kind for f in report.findings] == kinds


@pytest.mark.parametrize("is_over", [True, False], ids=["over", "running"])
def test_row_49_a_thread_in_old_code(is_over, program):
    """Row 49: Erlang: a process in old code: it lives while that runs, and not after, even if the thread is kept."""
    program.write({
        "app": "import host, threading\nstop = threading.Event()\n"
        "def loop():\n    while not (stop.is_set() or host.stopping.wait(0.005)): pass\n"
        "thread = threading.Thread(target=loop)\nthread.start()\nhost.listeners.append(thread)\n"
        "def end():\n    stop.set(), thread.join()\n"
    })  # fmt: skip

    report = program.measure(dispose="end" if is_over else None)

    assert [f.kind for f in report.findings] == ([] if is_over else ["live-thread"])
    if is_over:
        assert len(program.host.listeners) >= GENERATIONS - 1


SLOW = """\
import host

host.log.append("begun")
if host.table:
    host.table["in"].set()
    host.table["go"].wait(10)
host.log.append("over")
value = len(host.log)
"""


def importing(program):
    """Start to import `app` in a thread, and stop in the middle of it; returns the thread and what it got."""
    program.write({"app": SLOW})
    program.host.table.update({"in": threading.Event(), "go": threading.Event()})
    got = []

    def work():
        try:
            got.append(importlib.import_module("app"))
        except KeyError as error:
            got.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    program.host.table["in"].wait(10)
    return thread, got


def test_row_50_in_python_the_body_runs_twice(program):
    """Row 50: clear during an import: without a lock the body runs twice, and the first importer gets a `KeyError`."""
    thread, got = importing(program)
    del sys.modules["app"]
    program.host.table["go"].set()
    thread.join()

    assert [type(one) for one in got] == [KeyError]


def test_row_50_the_import_is_waited_for(program):
    """Row 50: clear during an import: the importer gets the first instance, the body ran once, then it is cleared."""
    thread, got = importing(program)
    threading.Timer(0.1, program.host.table["go"].set).start()

    cleared = clear_cache("app")
    thread.join()

    assert cleared.names == ("app",)
    assert [module.value for module in got] == [2]
    assert program.host.log == ["begun", "over"]
    assert importlib.import_module("app") is not got[0]


@pytest.mark.parametrize("strategy", support.IN_PROCESS)
def test_row_50_a_check_waits_too(strategy, program):
    """Row 50: clear during an import: the first reload comes when the import is over, and nobody sees a half module."""
    thread, got = importing(program)
    threading.Timer(0.1, program.host.table["go"].set).start()

    report = program.measure(strategy=strategy)
    thread.join()

    assert report.outcome == "clean"
    assert [type(one) for one in got] == [type(threading)]
    assert program.host.log == ["begun", "over"] * GENERATIONS


def test_row_50_an_import_that_waits_for_us_is_refused(program):
    """Row 50: clear during an import: by the module's own body it is refused, and the import goes on."""
    program.write({
        "app": "import host, pytest_reloadleak as tool\ntry:\n    tool.clear_cache('app')\n"
        "except BaseException as error:\n    host.log.append((type(error), str(error)))\n"
    })  # fmt: skip

    module = importlib.import_module("app")

    assert sys.modules["app"] is module
    ((kind, text),) = program.host.log
    assert kind is RoundError
    assert "app is still being imported" in text
