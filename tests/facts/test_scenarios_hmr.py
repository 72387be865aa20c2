"""Scenarios of node-code-reload (N) and Cordis (K), read in Python."""

from __future__ import annotations

import asyncio
import gc
import importlib
import signal
import sys
import threading

import psutil
import pytest
import scenario_support as support
from scenario_support import COUNTER, GENERATIONS, found

from pytest_reloadleak import clear_cache
from pytest_reloadleak.check import Check, settings_for
from pytest_reloadleak.strategies import cascade
from pytest_reloadleak.strategies.dependencies.project import Project

BOTH = ("reimport", "reload")
PAIR = {"dep": COUNTER, "app": f"import dep\n{COUNTER}\ndef both():\n    return bump(), dep.bump()\n"}


# -- node-code-reload -------------------------------------------------------------------------------------------------

CALLS = {
    "cascade": ("dep", [[(1, 1), (2, 2)]] * 3),
    "alias": ("app", [[(1, 1), (2, 2)], [(1, 3), (2, 4)], [(1, 5), (2, 6)]]),
    "worker": ("app", [[(1, 1), (2, 2)]] * 3),
}


@pytest.mark.parametrize("strategy", CALLS, ids=["n1-cascade", "n2-alias", "n3-n4-worker"])
def test_n1_n2_n3_n4_two_calls_a_round(strategy, program):
    """N1-N4: with both cleared, and in a worker, (1,1), (2,2) again; under a fresh name the dependency counts on."""
    target, expected = CALLS[strategy]
    program.load(PAIR, "app")
    seen = []

    program.measure(
        target,
        strategy=strategy,
        exercise=lambda module: seen.append([(app := module("app")).both(), app.both()]),
    )

    assert seen[:3] == expected


def broken(strategy, program):
    """Check a good version, one with a syntax error and a good one again; returns outcomes and answers."""
    app = program.load({"app": "def answer():\n    return 'first'\n"})
    outcomes, answers = [], []
    for source in ("def answer(:\n", "def answer():\n    return 'again'\n"):
        program.write({"app": source})
        report = program.measure(
            strategy=strategy, exercise=lambda module: answers.append(module("app").answer())
        )
        outcomes.append(report.outcome)
        answers.append(app.answer())
    assert sys.modules["app"] is app
    return outcomes, answers


@pytest.mark.parametrize("strategy", [*support.IN_PROCESS, "alias", "worker"])
def test_n5_k8_k9_a_broken_module_recovers(strategy, program):
    """N5, K8, K9: a syntax error is an error, the old version still answers, and the next good edit is loaded."""
    outcomes, answers = broken(strategy, program)

    assert outcomes == ["error", "clean" if strategy != "alias" else "leaking"]
    assert answers[0] == answers[-1] == "first"
    assert set(answers[1:-1]) == {"again"}


@pytest.mark.parametrize("is_broken", [False, True], ids=["works", "broken"])
def test_n6_nothing_keeps_the_process(is_broken, program):
    """N6: after a check with workers, good or bad, neither a process nor a thread of them is left."""
    program.write({"app": "1 / 0\n" if is_broken else COUNTER})
    threads, children = threading.active_count(), psutil.Process().children(recursive=True)

    assert program.measure(strategy="worker").outcome == ("error" if is_broken else "clean")

    assert threading.active_count() == threads
    assert psutil.Process().children(recursive=True) == children


# -- Cordis: what a reload does ---------------------------------------------------------------------------------------

DISPOSED = "import host\nvalue = {0!r}\ndef __reload_dispose__(): host.log.append(value)\n"


@pytest.mark.parametrize("strategy", [*support.IN_PROCESS, "worker"])
def test_k1_k2_k12_k13_an_edit_and_its_revert(strategy, program):
    """K1, K2, K12, K13: each of five edits in a row is seen, the same file again too; each old disposer ran.

    The version that was loaded first is exercised too, before its hook; a worker calls the hook itself.
    """
    first = [] if strategy == "worker" else ["A"]
    versions = iter([*first, *"BCDAE"])
    program.write({"app": DISPOSED.format("A")})
    seen = []

    def exercise(module):
        seen.append(module("app").value)
        program.write({"app": DISPOSED.format(next(versions))})

    report = program.measure(strategy=strategy, rounds=4, exercise=exercise)

    assert (report.outcome, seen) == ("clean", [*first, "A", "B", "C", "D", "A"])
    if strategy != "worker":
        assert program.host.log == seen


@pytest.mark.parametrize("strategy", BOTH)
def test_k4_k19_k23_disposers(strategy, program):
    """K4, K19, K23: once for each generation, in reverse order of the imports, and an error in one stops no other."""
    logs = "import host\ndef __reload_dispose__():\n    host.log.append(__name__)\n"
    program.write({
        "app.__init__": logs + "from app import a, b, c\n",
        "app.a": logs, "app.b": logs + "    raise LookupError('no')\n", "app.c": logs,
    })  # fmt: skip

    report = program.measure(strategy=strategy)

    assert report.outcome == "error"
    assert "app.b.__reload_dispose__ raised: LookupError: no" in report.error
    assert program.host.log == ["app.c", "app.b", "app.a", "app"] * GENERATIONS


@pytest.mark.parametrize("targets", [["plugin_a"], ["plugin_a", "plugin_b"]], ids=["k5", "k6"])
def test_k5_k6_one_plugin_or_two(targets, program):
    """K5, K6: a plugin that is not reloaded keeps its state; of two that are reloaded together both are new."""
    program.load({"plugin_a": COUNTER, "plugin_b": COUNTER}, "plugin_a", "plugin_b")
    seen = []

    program.measure(
        *targets,
        exercise=lambda _: seen.append(tuple(sys.modules[n].bump() for n in ("plugin_a", "plugin_b"))),
    )

    assert seen == ([(1, 1), (1, 2), (1, 3)] if len(targets) == 1 else [(1, 1)] * 3)


def test_k3_k7_k16_a_shared_dependency(program):
    """K3, K7, K16: who depends on it is listed, reloaded and disposed with it; nobody depends on an unknown name."""
    project = Project(str(program.directory))
    disposed = "def __reload_dispose__(): host.log.append(__name__)\n"
    program.load({"shared": "", "plugin": f"import host, shared\n{disposed}", "apart": ""}, "plugin", "apart")

    assert cascade.dependents("shared", project) == ["plugin"]
    assert cascade.dependents("never_heard_of", project) == []
    assert program.measure("shared", strategy="cascade").outcome == "clean"
    assert program.host.log == ["plugin"] * GENERATIONS
    assert set(clear_cache("shared", dependents=True).names) == {"plugin", "shared"}


def test_k10_an_error_at_activation(program):
    """K10: an application's reload that imports and then cannot activate: an error, the old one was disposed before."""
    source = "import host\ndef activate():\n    {}\ndef __reload_dispose__(): host.log.append('disposed')\n"
    program.load({"app": source.format("raise LookupError('no')")})

    def reload():
        del sys.modules["app"]
        importlib.import_module("app").activate()

    bad = program.measure(reload=reload)
    program.write({"app": source.format("pass")})
    good = program.measure(reload=reload)

    assert (bad.outcome, good.outcome) == ("error", "clean")
    assert "the reload raised: LookupError: no" in bad.error
    assert program.host.log == ["disposed"] * GENERATIONS  # the original came back disposed: not once more


@pytest.mark.parametrize("is_cured", [False, True], ids=["left", "gone"])
def test_k14_handlers_that_the_new_version_lacks(is_cured, program):
    """K14: a handler by a name that the new version no longer has is stale until a disposer takes it away."""
    program.load({
        "app": "import host\nhost.log.append(1)\ndef f(): pass\nname = f'on_{min(len(host.log), 2)}'\n"
        "host.table[name] = f\n" + ("def __reload_dispose__(): del host.table[name]\n" if is_cured else "")
    })  # fmt: skip

    report = program.measure()

    assert found(report) == ([] if is_cured else [("retained-generation", "bounded", "host.table[*]")])


@pytest.mark.parametrize("strategy", support.IN_PROCESS)
def test_k15_the_owning_entry_stays_the_same(strategy, program):
    """K15: a host's own entry for a plugin survives the reloads, and the plugin's module is the same afterwards."""
    app = program.load({"app": "import host\nhost.table.setdefault('app', {})['run'] = lambda: 1\n"})
    entry = program.host.table["app"]

    assert program.measure(strategy=strategy).outcome == "clean"

    assert program.host.table["app"] is entry
    assert sys.modules["app"] is app


def test_k17_disabling_unloads(program):
    """K17: unloaded for good it is gone: by `unload=True` nothing pins it, by `clear_cache` nobody holds it."""
    program.load({"app": "def f(): pass\n"})

    assert program.measure(unload=True).outcome == "clean"
    cleared = clear_cache("app")

    assert (cleared.names, cleared.holders) == (("app",), ())
    assert "app" not in sys.modules


def snapshot(program):
    """What a program may have registered, started or opened."""
    return {
        "lists": [list(map(id, o)) for o in (sys.meta_path, sys.path_hooks, sys.path, gc.callbacks)],
        "hooks": [sys.excepthook, sys.displayhook, signal.getsignal(signal.SIGTERM), importlib.import_module],
        "threads": threading.active_count(),
        "children": psutil.Process().children(),
        "fds": sorted((file.fd, file.path) for file in psutil.Process().open_files()),
        "modules": {name: id(module) for name, module in sys.modules.items()},
        "state": {k: id(v) for k, v in vars(program.host).items()},
        "listeners": list(program.host.listeners),
    }


@pytest.mark.parametrize("strategy", [*support.IN_PROCESS, "alias", "worker"])
def test_k18_snapshots_are_equal(strategy, program):
    """K18: everything that was registered before the check is so after it, and after another one; nothing else is."""
    program.load({
        "app": "import host, threading\ntold = threading.Event()\ndef f(): told.wait(9)\nhost.listeners.append(f)\n"
        "thread = threading.Thread(target=f)\nthread.start()\n"
        "def __reload_dispose__(): told.set(), thread.join(), host.listeners.remove(f)\n"
    }, "host")  # fmt: skip
    program.measure(strategy=strategy)  # what is imported once and for all
    before = snapshot(program)

    report = program.measure(strategy=strategy)
    first = snapshot(program)
    program.measure(strategy=strategy)

    assert report.outcome == ("leaking" if strategy == "alias" else "clean")
    assert first == before == snapshot(program)


def test_k21_dispose_while_setup_is_running(program):
    """K21: an async disposer cancels the set-up that is under way, and what that had begun is cleaned."""
    source = (
        "import asyncio, host\nasync def setup():\n    host.listeners.append(setup)\n    try:\n"
        "        await asyncio.sleep(60)\n    finally:\n        host.listeners.remove(setup)\n"
        "task = asyncio.get_running_loop().create_task(setup())\n"
    )
    cure = "async def __reload_dispose__():\n    task.cancel()\n    await asyncio.wait([task])\n"
    reports = []

    async def checked(text):
        program.write({"app": text})
        reports.append(await Check(["app"], settings_for(rounds=2)).aperform())

    for text in (source, source + cure):
        asyncio.run(checked(text))

    assert {f.kind for f in reports[0].findings} >= {"pending-task"}
    assert (reports[1].outcome, reports[1].findings) == ("clean", ())
    assert program.host.listeners == []
