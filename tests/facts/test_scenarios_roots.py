"""Scenarios of Tomcat (T) and classloader-leak-prevention (L), in Python: leaks with and without their cleaners."""

from __future__ import annotations

import atexit
import copyreg
import gc
import logging
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import scenario_support as support
from scenario_support import GENERATIONS, found

from pytest_reloadleak.report import terminal

BOTH = ("reimport", "reload")


@pytest.fixture
def program(tmp_path):
    """A program of small modules; afterwards nothing that one registered in this process is left."""
    with support.program(tmp_path) as it:
        it.write(
            {
                "host": f"{support.HOST}\nclass Box:\n    def __init__(self, value):\n        self.value = value\n"
            }
        )
        it.host = support.importlib.reload(it.host)
        it.host.undo.append(undo)
        yield it


def undo():
    """Take away what leaking twins leave in this process."""
    sys.meta_path[:] = [o for o in sys.meta_path if getattr(o, "__module__", "") != "app"]
    for kind in [o for o in copyreg.dispatch_table if o.__module__ == "app"]:
        del copyreg.dispatch_table[kind]
    logging.getLogger("row_l").handlers.clear()
    everything = gc.get_objects()
    for o in [o for o in everything if type(o) is type(undo) and o.__module__ == "app"]:
        atexit.unregister(o)
    for executor in [o for o in everything if type(o) is ThreadPoolExecutor]:
        executor.shutdown(wait=False)  # its threads, told to end their work, would wait for more


TARGET = """\
import abc, atexit, collections.abc, contextvars, copyreg, host, logging, sys, threading, typing, weakref
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar

logger = logging.getLogger("row_l")

class C:
    def f(self): pass

class Finder:
    def find_spec(self, *_): pass

class Handler(logging.Handler):
    def emit(self, record): pass

def f(*_):
    pass

def wait(_):
    told.wait()

"""
CLEANERS = {
    "t1-k22 timer": (
        "it = threading.Timer(60, f); it.start()",
        "it.cancel(), it.join()",
        ("live-timer", "timer 'Thread-*'"),
    ),
    "t2 executor": (
        "it = ThreadPoolExecutor(10); told = threading.Event(); host.undo.append(told.set); it.map(wait, range(10))",
        "told.set(), it.shutdown()",
        ("live-thread", "thread 'ThreadPoolExecutor-*_*'"),
    ),
    "t3 context variable": (
        "it = ContextVar('it'); token = it.set(C())",
        "it.reset(token)",
        ("registration", "contextvars['it']"),
    ),
    "t4 indirect value": (
        "it = ContextVar('it'); token = it.set(host.Box(C()))",
        "it.reset(token)",
        ("registration", "contextvars['it']"),
    ),
    "t7 import hook": (
        "it = Finder(); sys.meta_path.append(it)",
        "sys.meta_path.remove(it)",
        ("registration", "sys.meta_path[*]"),
    ),
    "l1 exit hook": ("atexit.register(f)", "atexit.unregister(f)", ("registration", "atexit app.f")),
    "l1 listener": (
        "host.listeners.append(C().f)",
        "host.listeners.clear()",
        ("retained-generation", "host.listeners[*]"),
    ),
    "l1 pickler": (
        "copyreg.pickle(C, f)",
        "del copyreg.dispatch_table[C]",
        ("registration", "copyreg.dispatch_table[*]"),
    ),
    "l1 log handler": (
        "it = Handler(); logger.addHandler(it)",
        "logger.removeHandler(it)",
        ("registration", "logging.getLogger('row_l').handlers[*]"),
    ),
    "l1 exception": (
        "def fail(): raise ValueError\ntry: fail()\nexcept ValueError as e: host.listeners.append(e)",
        "host.listeners.clear()",
        ("retained-generation", "host.listeners[*]"),
    ),
}


@pytest.mark.parametrize("is_cleaned", [False, True], ids=["left", "cleaned"])
@pytest.mark.parametrize("cleaner", CLEANERS)
def test_t1_t2_t3_t4_t5_t6_t7_l1_k22_with_and_without_a_cleaner(cleaner, is_cleaned, program):
    """T1-T7, K22, L1: without its cleaner one finding, for that reason alone, with each generation; none with it."""
    line, undoing, (kind, path) = CLEANERS[cleaner]
    if not is_cleaned:
        line = line.replace("token = ", "")  # it has a copy of the context, and so of older values
    program.write({"app": f"{TARGET}{line}\n\ndef clean():\n    {undoing}\n"})

    report = program.measure(dispose="clean" if is_cleaned else None)

    assert found(report) == ([] if is_cleaned else [(kind, "growing", path)])
    assert report.retained_generations == (() if is_cleaned else (-1, 0))
    if cleaner == "t3 context variable" and not is_cleaned:
        assert report.findings[0].held.name == "app.C"
        # The key fact, the holder, and the advice.
        assert terminal.text(report).count("contextvars['it']") == 3


INNOCENTS = {
    "thread-local": "local = threading.local(); local.value = C()",
    "default of a context variable": "it = ContextVar('it', default=C())",
    "set within a context": "it = ContextVar('it'); contextvars.copy_context().run(it.set, C())",
    "abstract base class": "collections.abc.Sized.register(C)",
    "idle executor": "it = ThreadPoolExecutor(1); it.submit(int).result()",
    "types": "it = (list[C], typing.Optional[C], collections.abc.Callable[[C], int])",
    "weak method": "it = C(); host.listeners[:] = [weakref.WeakMethod(it.f)]",
    "logger": "it = logging.getLogger(__name__)",
    "subclass": "class Own(host.Box): pass",
}


@pytest.mark.parametrize("strategy", BOTH)
@pytest.mark.parametrize("innocent", INNOCENTS)
def test_l3_l4_the_accused_who_are_innocent(innocent, strategy, program):
    """L3, L4: what looks like a leak and is none is clean, a thread-local of the target's among it, unlike in Java."""
    program.write({"app": f"{TARGET}{INNOCENTS[innocent]}\n"})

    report = program.measure(strategy=strategy)

    assert (report.outcome, report.findings) == ("clean", ())


@pytest.mark.parametrize("value", ["1", "C()"], ids=["foreign", "own"])
def test_l3_whose_value_it_is(value, program):
    """L3: a value of the target's retains its generation, a foreign one does not; the variable stays in either case."""
    program.write({"app": f"{TARGET}it = ContextVar('it'); it.set({value})\n"})

    report = program.measure()

    assert found(report) == [("registration", "growing", "contextvars['it']")]
    assert bool(report.findings[0].also_retains) == (value == "C()")


@pytest.mark.parametrize("error", ["LookupError('no')", "Own('no')", "SystemExit(3)"])
@pytest.mark.parametrize("strategy", BOTH)
def test_l3_a_target_that_raises_is_no_leak(error, strategy, program):
    """L3: whatever is raised, a class of the target's own too: an error without findings; the next check is clean."""
    fails = f"host.log.append(1)\nif len(host.log) == 3:\n    raise {error}\n"
    program.write({"app": f"import host\nclass Own(Exception):\n    def f(self): pass\n{fails}"})

    report = program.measure(strategy=strategy)
    again = program.measure(strategy=strategy)

    assert (report.outcome, report.findings) == ("error", ())
    assert (again.outcome, again.findings) == ("clean", ())
    assert len(program.host.log) == 3 + GENERATIONS


@pytest.mark.parametrize("is_initialised", [False, True], ids=["first call", "second call"])
def test_l2_the_first_call_leaks_and_the_second_does_not(is_initialised, program):
    """L2: what is set by whoever comes first pins that one, bounded; where somebody else came before, nobody is."""
    program.write({"app": "import host\ndef f(): pass\nhost.slot = host.slot or f\n"})
    if is_initialised:
        program.host.slot = print

    report = program.measure()

    assert found(report) == ([] if is_initialised else [("stale-reference", "bounded", "host.slot")])
