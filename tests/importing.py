"""Threads that import modules of a test's program, and stop in the middle of it."""

import importlib
import sys
import threading
import time

GATE = """\
import threading
slow = None      # the name of a module whose next execution waits inside
fails = False    # or raises then
inside, go = threading.Event(), threading.Event()

def enter(name):
    global slow
    if name == slow:
        slow = None
        inside.set()
        assert go.wait(30)
        if fails:
            raise ValueError(f"{name} is not to be")
"""
SLOW = "import gate\nbegun = 1\ngate.enter(__name__)\ndef f(): pass\nended = 1\n"


class Threads:
    """Threads of one test, all over when it is."""

    def __init__(self, gate):
        self.gate = gate
        self.results = []
        self.started = []

    def run(self, action):
        """Run something in a thread of its own, and note what it returned or raised."""

        def noting():
            try:
                self.results.append(action())
            except BaseException as error:  # noqa: BLE001 - that is what the test asks for
                self.results.append(f"{type(error).__name__}: {error}")

        thread = threading.Thread(target=noting)
        self.started.append(thread)
        thread.start()
        return thread

    def importing(self, name):
        """Begin to import a module, whose body waits at the gate."""
        self.gate.slow = name
        thread = self.run(lambda: id(importlib.import_module(name)))  # kept itself, it would be found
        assert self.gate.inside.wait(30)
        return thread

    def join(self):
        """Let all end."""
        self.gate.go.set()
        for thread in self.started:
            thread.join(30)
            assert not thread.is_alive()


def waits_for_a_lock(thread):
    """Wait until a thread waits for an import lock."""
    table = vars(sys.modules["_frozen_importlib"])["_blocking_on"]
    ends_s = time.monotonic() + 30
    while not table.get(thread.ident):
        assert time.monotonic() < ends_s
        time.sleep(0.005)


def when_it_waits(thread, action):
    """A thread that does something as soon as another one waits for an import lock."""

    def wait():
        waits_for_a_lock(thread)
        action()

    waiting = threading.Thread(target=wait)
    waiting.start()
    return waiting
