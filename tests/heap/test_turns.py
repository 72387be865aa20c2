"""Loops that a check keeps from turning: each gets the turn that the program would give it, and none is started."""

from __future__ import annotations

import asyncio
import importlib
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from cases import run

from pytest_reloadleak import Report, measure_reload
from pytest_reloadleak.heap import turns

ROUNDS = 3
PLUGIN = """
import host
def on_event(*args): pass
{body}
"""
TKINTER = """
import tkinter
root = tkinter._default_root = tkinter.Tcl()
def add(f): root.after_idle(f)
"""
TWISTED = """
from twisted.internet import reactor
def add(f): reactor.callLater(0, f)
"""
GEVENT = """
import gevent
gevent.sleep(0)  # the program's hub has run
class Waiting:
    def __init__(self, f): self.greenlet = gevent.spawn(f)
def add(f): gevent.spawn(f)
"""
QT = """
from PyQt5.QtCore import QCoreApplication, QObject, pyqtSignal
app = QCoreApplication([])
class Bus(QObject):
    signal = pyqtSignal()
bus = Bus()
"""


def measured(directory: Path, host: str, body: str, strategy: str = "reimport") -> Report:
    """Check a target with a host, in this process."""
    run.write(directory, {"host": host, "plugin": PLUGIN.format(body=body)})
    return run.measure_and_undo(directory, "plugin", strategy, ROUNDS)


@pytest.fixture
def tcl(monkeypatch):
    """A root without a display, which tkinter takes for its own."""
    tkinter: Any = pytest.importorskip("tkinter")
    try:
        tkinter.Tcl()
    except tkinter.TclError:
        pytest.skip("Tcl has no library here")
    monkeypatch.setattr(tkinter, "_default_root", None)
    return tkinter


@pytest.mark.parametrize("strategy", run.WAYS)
@pytest.mark.parametrize("call", ["after_idle(on_event)", "after(3_600_000, on_event)"])
def test_an_idle_callback_of_tkinter_is_called(call, strategy, tcl, tmp_path):
    """And one that waits for an hour is a leak."""
    report = measured(tmp_path, TKINTER, f"host.root.{call}", strategy)

    assert report.outcome == ("clean" if "idle" in call else "leaking")


@pytest.mark.parametrize("is_running", [True, False])
def test_what_twisted_put_off_is_called_where_its_reactor_runs(is_running, tmp_path, monkeypatch):
    """A reactor that the program did not start calls nothing."""
    pytest.importorskip("twisted")
    from twisted.internet import reactor
    from twisted.python import threadable

    monkeypatch.setattr(threadable, "ioThread", threadable.getThreadID())
    monkeypatch.setattr(reactor, "running", is_running)

    report = measured(tmp_path, TWISTED, "host.add(on_event)")

    assert report.outcome == ("clean" if is_running else "leaking")


@pytest.mark.parametrize("body", ["host.add(on_event)", "host.gevent.spawn_later(3600, on_event)"])
def test_a_greenlet_that_is_ready_ends(body, tmp_path):
    """And one that sleeps for an hour does not."""
    pytest.importorskip("gevent")

    report = measured(tmp_path, GEVENT, body)

    assert report.outcome == ("clean" if "add" in body else "leaking")


@pytest.mark.parametrize("is_cured", [True, False])
def test_the_proxy_of_a_slot_that_was_disconnected_is_deleted(is_cured, tmp_path):
    """Qt deletes it when its loop next runs."""
    pytest.importorskip("PyQt5.QtCore")
    hook = "def __reload_dispose__(data): host.bus.signal.disconnect(on_event)\n" if is_cured else ""

    report = measured(tmp_path, QT, f"host.bus.signal.connect(on_event)\n{hook}")

    assert report.outcome == ("clean" if is_cured else "leaking")


def test_no_library_is_imported_and_no_loop_is_made(monkeypatch):
    """Without the libraries there is nothing to do."""
    for name, _ in turns._TURNS:
        monkeypatch.delitem(sys.modules, name, raising=False)
    before = set(sys.modules)

    turns.give()

    assert set(sys.modules) == before


def test_a_loop_whose_callbacks_raise_does_not_end_the_check(tcl, monkeypatch):
    """They raise in the program as well."""

    class Root:
        called = 0

        def update_idletasks(self) -> None:
            Root.called += 1
            raise LookupError("a callback is bad")

    monkeypatch.setattr(tcl, "_default_root", Root())

    turns.give()

    assert Root.called == 1


def test_what_an_async_hook_cancelled_ends_before_the_process_is_judged(tmp_path):
    """On the loop that the check made for the coroutines of the program."""
    ended: list[int] = []
    run.write(tmp_path, {"plugin": "def f(): pass\n"})

    async def waits() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(1)

    async def reload() -> None:
        task = asyncio.ensure_future(waits())
        await asyncio.sleep(0)
        task.cancel()
        importlib.reload(sys.modules["plugin"])

    with run.importable(tmp_path):
        importlib.import_module("plugin")
        report = measure_reload("plugin", reload=reload, rounds=ROUNDS)

    assert report.outcome == "clean"
    assert len(ended) >= ROUNDS + 1  # the last one as well


def test_a_loop_of_the_program_that_does_not_run_stays_as_it_is(tmp_path):
    """Whether and when it runs is the program's affair."""
    host = textwrap.dedent("""
        import asyncio
        loop = asyncio.new_event_loop()
        def stop(): loop.close()
    """)

    report = measured(tmp_path, host, "host.loop.call_soon(on_event)")

    assert {f.kind for f in report.findings} == {"pending-task"}
