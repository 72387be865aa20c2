"""Rows 35 to 42 of the reload facts: effects, one test a row. Each leak has its cured twin."""

from __future__ import annotations

import importlib
import sys

import pytest
from scenario_support import found

from pytest_reloadleak.heap import settle

BOTH = ("reimport", "reload")
linux = pytest.mark.skipif(sys.platform != "linux", reason="what a descriptor is, is told by /proc")


LOOPED = """\
import asyncio, host

loop = host.loop()

def f():
    pass

async def work():
    await asyncio.sleep(60)

"""
TIMERS = {
    "threading.Timer": (
        "import threading\n\ndef f(): pass\n\ntimer = threading.Timer(60, f)\ntimer.start()\n",
        "timer.cancel(), timer.join()",
        "live-timer",
    ),
    "call_later": (LOOPED + "timer = loop.call_later(60, f)\n", "timer.cancel()", "live-timer"),
    "task": (
        LOOPED + "task = loop.create_task(work())\nloop.run_until_complete(asyncio.sleep(0))\n",
        "task.cancel(), loop.run_until_complete(asyncio.sleep(0))",
        "pending-task",
    ),
}


@pytest.mark.parametrize("is_cured", [False, True], ids=["left", "cancelled"])
@pytest.mark.parametrize("timer", TIMERS)
def test_row_35_timers(timer, is_cured, program):
    """Row 35: timers: of every generation they go on firing; the one finding names function and generations."""
    source, undo, kind = TIMERS[timer]
    program.write({"app": source + (f"\ndef __reload_dispose__():\n    {undo}\n" if is_cured else "")})

    report = program.measure()

    assert [f[:2] for f in found(report)] == ([] if is_cured else [(kind, "growing")])
    for finding in report.findings:
        assert finding.held.name in {"app.f", "app.work"}
        assert finding.generations == (-1, 0)


THREADS = {
    "threading": "threading.Thread(target=loop, name='poller').start()",
    "raw": "_thread.start_new_thread(loop, ())",
}


@pytest.mark.parametrize("is_cured", [False, True], ids=["left", "ended"])
@pytest.mark.parametrize("thread", THREADS)
def test_row_36_threads(thread, is_cured, program):
    """Row 36: threads: raw ones too, which `threading` does not list; with the stack, and whose code it is."""
    program.write({
        "app": "import _thread, host, threading\nstop, done = threading.Event(), threading.Event()\n"
        "def loop():\n    while not (stop.wait(0.005) or host.stopping.is_set()): pass\n    done.set()\n"
        f"{THREADS[thread]}\nhost.undo.append(done.wait)\n"
        + ("def __reload_dispose__():\n    stop.set(), done.wait(5)\n" if is_cured else "")
    })  # fmt: skip

    report = program.measure()

    assert [f[:2] for f in found(report)] == ([] if is_cured else [("live-thread", "growing")])
    for finding in report.findings:
        assert finding.held.name == "app.loop"
        assert any(line.startswith("at app.py:") and line.endswith(" in loop") for line in finding.details)


FDS = {
    "os.open": ("fds = [os.open(__file__, os.O_RDONLY)]", 1.0, "open-fd"),
    "os.pipe": ("fds = os.pipe()", 2.0, "open-fd"),
    "FileHandler": (
        "handler = logging.FileHandler('log.txt')\nlogger.addHandler(handler)\nfds = ()",
        1.0,
        "registration",
    ),
}
CLOSE = """
def close():
    for fd in fds:
        os.close(fd)
        host.fds.remove(fd)
    for handler in logger.handlers[:]:
        handler.close(), logger.removeHandler(handler)
"""


@linux
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("is_cured", [False, True], ids=["left", "closed"])
@pytest.mark.parametrize("what", FDS)
def test_row_37_descriptors(what, is_cured, program):
    """Row 37: sockets, files: what is open after the collection, per round; a handler's file with the handler."""
    line, per_round, kind = FDS[what]
    program.write({
        "app": f"import host, logging, os\nlogger = logging.getLogger('row_37')\n{line}\nhost.fds += fds\n{CLOSE}"
    })  # fmt: skip
    program.host.undo.append(lambda: importlib.import_module("app").close())

    report = program.measure(dispose="close" if is_cured else None)

    expected = [] if is_cured else [(kind, "growing", per_round)]
    assert [(f.kind, f.growth, f.per_round) for f in report.findings] == expected
    assert {len(f.generations) for f in report.findings} == (set() if is_cured else {2})


@linux
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_row_37_what_the_collector_closes(program):
    """Row 37: a module-level file is no leak, but the program relied on the collector, which is a note."""
    program.write({"app": "stream = open(__file__)\n\ndef f(): pass\n"})

    report = program.measure()

    assert report.outcome == "clean"
    assert report.notes == ("relied on the collector to close: file app.py",)


LISTENERS = {
    "append": ("host.listeners.append(f)", ("retained-generation", "growing")),
    "bound method": ("host.listeners.append(Plugin().on_event)", ("retained-generation", "growing")),
    "set once": ("host.slot = host.slot or f", ("stale-reference", "bounded")),
    "WeakMethod": (
        "import weakref; p = Plugin(); host.listeners.append(weakref.WeakMethod(p.on_event))",
        None,
    ),
    "overwrite": ("host.table['app'] = f", None),
}


@pytest.mark.parametrize("strategy", BOTH)
@pytest.mark.parametrize("listener", LISTENERS)
def test_row_38_event_listeners(listener, strategy, program):
    """Row 38: event listeners: append grows, set-once is bounded, overwriting and weak references are clean."""
    line, expected = LISTENERS[listener]
    source = f"import host\ndef f(): pass\nclass Plugin:\n    def on_event(self): pass\n{line}\n"
    program.write({"app": source})

    report = program.measure(strategy=strategy)

    assert [f[:2] for f in found(report)] == ([expected] if expected else [])


ONIONS = {
    "overwritten": ("builtins.row_39 = C()", []),
    "wrapped": (
        "def wrap(previous):\n    def loads(it): return previous(it)\n    json.loads = loads\nwrap(json.loads)",
        [("patched-global", "growing", "json.loads")],
    ),
    "wrapped, with the previous one in a global": (
        "previous = json.loads\ndef loads(text):\n    return previous(text)\njson.loads = loads",
        [("patched-global", "growing", "json.loads")],
    ),
    "wrapped once": (
        "import json as j; first = getattr(j.loads, 'first', j.loads)\ndef f(it): pass\nf.first = first; j.loads = f",
        [],
    ),
}


@pytest.mark.parametrize("onion", ONIONS)
@pytest.mark.parametrize("unload", [False, True], ids=["reloads", "unload"])
def test_row_39_attributes_of_what_is_global(onion, unload, program, monkeypatch):
    """Row 39: singletons: a chain of wrappers grows; one slot is clean until the target is to be unloaded for good."""
    import builtins
    import json

    monkeypatch.setattr(json, "loads", json.loads)
    program.host.undo.append(lambda: vars(builtins).pop("row_39", None))
    line, expected = ONIONS[onion]
    program.write({"app": f"import builtins, json\nclass C:\n    def f(self): pass\n{line}\n"})

    report = program.measure(unload=unload)

    pinned = {"overwritten": "builtins.row_39", "wrapped once": "json.loads"}.get(onion)
    more = [("patched-global", "bounded", pinned)] if unload and pinned else []
    assert found(report) == [*more, *expected]


def test_row_40_database_connections(program):
    """Row 40: DB connections: an adapter of each generation's class stays registered, a closed connection does not."""
    sqlite3 = pytest.importorskip("sqlite3")
    leaking = "import sqlite3\nclass C:\n    pass\ndef f(c):\n    return ''\nsqlite3.register_adapter(C, f)\n"
    cured = (
        f"{leaking}connection = sqlite3.connect(':memory:')\ndef __reload_dispose__():\n"
        "    connection.close()\n    sqlite3.adapters.pop((C, sqlite3.PrepareProtocol))\n"
    )
    before = dict(sqlite3.adapters)
    program.host.undo.append(
        lambda: [sqlite3.adapters.pop(k) for k in sqlite3.adapters.keys() - before.keys()]
    )

    program.write({"app": leaking})
    bad = program.measure()
    program.write({"app": cured})
    good = program.measure()

    assert [(f.kind, f.registry, f.growth) for f in bad.findings] == [("registration", "sqlite3", "growing")]
    assert (good.outcome, good.findings) == ("clean", ())


HOOKS = {
    "__reload_dispose__": ("def __reload_dispose__(): host.listeners.remove(f)", []),
    "weakref.finalize": (
        "import sys, weakref\nweakref.finalize(sys.modules[__name__], host.listeners.remove, f)",
        [],
    ),
    "atexit": (
        "import atexit\natexit.register(host.listeners.remove, f)",
        ["registration", "retained-generation"],
    ),
    "one that forgets": ("def __reload_dispose__(): pass", ["retained-generation"]),
}


@pytest.mark.parametrize("hook", HOOKS)
def test_row_41_a_dispose_hook(hook, program):
    """Row 41: dispose hook: it is called before the reload and verified; `atexit` is the trap, a leak by itself."""
    import atexit

    line, expected = HOOKS[hook]
    program.write({"app": f"import host\ndef f(): pass\nhost.listeners.append(f)\n{line}\n"})
    program.host.undo.append(lambda: atexit.unregister(program.host.listeners.remove))

    report = program.measure()

    assert sorted({f.kind for f in report.findings} | set(report.error or ())) == expected


LATE = """\
import host, threading

def f(): pass

def loop():
    host.stopping.wait(60)

def later():
    {}

timer = threading.Timer(0.05, later)
timer.start()
"""
LATER = {
    "listener": ("host.listeners.append(f)", "retained-generation"),
    "thread": ("threading.Thread(target=loop).start()", "live-thread"),
    "overwritten": ("host.slot = f", None),
    "ended": ("threading.Thread(target=f).start()", None),
}


@pytest.mark.parametrize("late", LATER)
def test_row_42_effects_that_come_later(late, program, monkeypatch):
    """Row 42: effects after the reload: a timer that is about to fire is waited for; what it leaves is the finding."""
    monkeypatch.setattr(settle, "PATIENCE_S", 0.5 if late == "thread" else 5)
    line, kind = LATER[late]
    program.write({"app": LATE.format(line)})

    report = program.measure()

    assert [f[:2] for f in found(report)] == ([(kind, "growing")] if kind else [])
