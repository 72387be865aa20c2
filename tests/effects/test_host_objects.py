"""An object of the host that owns a thread, a timer, a task or a descriptor and holds a generation is one finding."""

import importlib
import sys

import pytest
from cases import run

from pytest_reloadleak import measure_reload

HOST = """
import contextlib, os, socket, subprocess, threading

KEPT = []

class Kept:
    def __init__(self, callback):
        self.callback = callback
        self.begin()
        KEPT.append(self)

    def end(self):
        pass

class WithThread(Kept):
    def begin(self):
        self.stopped = threading.Event()
        self.reading, self.writing = os.pipe()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        self.stopped.wait()

    def end(self):
        self.stopped.set()
        self.thread.join()
        os.close(self.reading)
        os.close(self.writing)

class WithThreadOfAFunction(Kept):
    def begin(self):
        self.stopped = threading.Event()
        self.parts = {"thread": threading.Thread(target=wait, args=(self.stopped,), daemon=True)}
        self.parts["thread"].start()

    def end(self):
        self.stopped.set()
        self.parts["thread"].join()

def wait(stopped):
    stopped.wait()

class WithTimer(Kept):
    def begin(self):
        self.timer = threading.Timer(600, self.callback)
        self.timer.start()

    def end(self):
        self.timer.cancel()
        self.timer.join()

class WithFiles(Kept):
    def begin(self):
        self.sockets = socket.socketpair()
        self.file = open(__file__)

    def end(self):
        for one in (*self.sockets, self.file):
            one.close()

class WithParent(WithThreadOfAFunction):
    def begin(self):
        super().begin()
        self.all = KEPT

class WithParentNearby(Kept):
    def begin(self):
        self.all, self.stopped = KEPT, threading.Event()
        self.thread = threading.Thread(target=wait, args=(self.stopped,), daemon=True)
        self.thread.start()

    def end(self):
        self.stopped.set()
        self.thread.join()

class WithNothing(Kept):
    def begin(self):
        pass

def stop():
    for kept in KEPT:
        kept.end()
    KEPT.clear()
"""
APP = """
import host

def on_event(): pass

kept = host.{}(on_event)
"""
CURED = """
def __reload_dispose__(data):
    kept.end()
    host.KEPT.remove(kept)
"""
GENERATIONS = "retained-generation: generations -1, 0, 1, 2 of app"
FOUND = {
    "WithThread": ("live-thread", "thread 'Thread-* (run)' (daemon)", (GENERATIONS, "open-fd: fd * pipe")),
    "WithThreadOfAFunction": ("live-thread", "thread 'Thread-* (wait)' (daemon)", (GENERATIONS,)),
    "WithParent": ("live-thread", "thread 'Thread-* (wait)' (daemon)", (GENERATIONS,)),
    "WithParentNearby": ("live-thread", "thread 'Thread-* (wait)' (daemon)", (GENERATIONS,)),
    "WithTimer": ("live-timer", "timer 'Thread-*'", (GENERATIONS,)),
    "WithFiles": (
        "retained-generation",
        "host.KEPT[*].callback",
        ("open-fd: fd * file host.py", "open-fd: fd * unix socket"),
    ),
    "WithNothing": ("retained-generation", "host.KEPT[*].callback", ()),
}
"""By class of the host: kind and path of the one finding, and what goes with it."""
WAYS = ("reimport", "reload", "callable")


@pytest.fixture
def checked(tmp_path, monkeypatch):
    """Checks a target with a class of the host; afterwards nothing of it runs."""
    monkeypatch.chdir(tmp_path)
    with run.importable(tmp_path):

        def check(source, way):
            run.write(tmp_path, {"host": HOST, "app": source})
            for name in ("host", "app"):
                importlib.import_module(name)
            keywords = {"reload": lambda: run.import_again("app")} if way == "callable" else {"strategy": way}
            return measure_reload("app", rounds=4, **keywords)

        yield check
        sys.modules["host"].stop()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", FOUND)
def test_a_host_object_with_effects_is_one_finding(checked, name, way):
    """The first kind in the order that runs, or the reference where only descriptors stay; the rest goes with it."""
    report = checked(APP.format(name), way)

    (finding,) = report.findings
    kind, path, also = FOUND[name]
    assert (finding.kind, finding.growth, finding.sole_holder) == (kind, "growing", True)
    assert finding.holder.path == path
    assert finding.also_retains == also
    assert finding.held.name == "app.on_event"
    if kind != "retained-generation":
        assert "host.KEPT[*].callback" in finding.advice


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", FOUND)
def test_a_host_object_that_was_ended_is_clean(checked, name, way):
    """The cured twins: the hook ends the object and takes it out."""
    report = checked(APP.format(name) + CURED, way)

    assert (report.outcome, report.findings) == ("clean", ())


def test_a_thread_of_nobody_is_a_finding_of_its_own(checked):
    """A thread beside the object, which nothing of the object leads to, is another cause."""
    source = f"{APP.format('WithNothing')}import threading\nhost.WithThreadOfAFunction(int)\n"

    report = checked(source, "reimport")

    assert {f.kind for f in report.findings} >= {"live-thread", "retained-generation"}
    assert any(f.holder.path == "host.KEPT[*].callback" for f in report.findings)
