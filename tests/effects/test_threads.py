"""Threads and timers that a reload leaves running: each leaking twin is found as one cause, each cured one is clean."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from cases import run

ROUNDS = 3
JUDGED = (-1, 0, 1)
BOTH = ("reimport", "reload")

HOST = """\
import _thread, threading
from concurrent.futures import ThreadPoolExecutor

stopping = threading.Event()
running = []
timers = []
pools = []
lent = []

class Worker(threading.Thread):
    def __init__(self, function):
        super().__init__(daemon=True)
        self.function_to_call = function

    def run(self):
        self.wait()

    def wait(self):
        stopping.wait(60)

def wait_raw(ready):
    ready.release()
    stopping.wait(60)

def start(thread):
    thread.start()
    running.append(thread)
    return thread

def replaced(thread, event):
    for old, told in running:
        told.set()
        old.join()
    running[:] = [(thread, event)]
    thread.start()

def stop():
    stopping.set()
    for entry in running:
        if type(entry) is tuple:
            entry[1].set()
        (entry[0] if type(entry) is tuple else entry).join()
    for timer in timers:
        timer.cancel()
    for told, _ in lent:
        told.set()
    for pool in pools:
        pool.shutdown(wait=True)
"""


@dataclass(frozen=True, kw_only=True)
class Twins:
    """Targets in which a thread or timer is left, and in which it is ended."""

    name: str
    leaking: str
    cured: str
    kind: str
    path: str
    type: str
    held: str
    retains: bool = True


CURED_FUNCTION = """
    import threading, host
    def loop(told):
        told.wait(60)
    event = threading.Event()
    host.replaced(threading.Thread(target=loop, args=(event,), daemon=True), event)
"""

TWINS = (
    Twins(
        name="function",
        leaking="""
            import threading, host
            def loop():
                host.stopping.wait(60)
            host.start(threading.Thread(target=loop, daemon=True))
        """,
        cured=CURED_FUNCTION,
        kind="live-thread",
        path="thread 'Thread-* (loop)' (daemon)",
        type="threading.Thread",
        held="plugin.loop",
    ),
    Twins(
        name="method of an object that is not a daemon",
        leaking="""
            import threading, host
            class Poller:
                def poll(self):
                    host.stopping.wait(60)
            host.start(threading.Thread(target=Poller().poll, name='poller'))
        """,
        cured="""
            import threading, host
            class Poller:
                def __init__(self):
                    self.told = threading.Event()
                def poll(self):
                    self.told.wait(60)
            poller = Poller()
            host.replaced(threading.Thread(target=poller.poll, name='poller'), poller.told)
        """,
        kind="live-thread",
        path="thread 'poller'",
        type="threading.Thread",
        held="plugin.Poller.poll",
    ),
    Twins(
        name="class of its own",
        leaking="""
            import threading, host
            class Ticker(threading.Thread):
                def run(self):
                    host.stopping.wait(60)
            host.start(Ticker(daemon=True, name='ticker'))
        """,
        cured="""
            import threading, host
            class Ticker(threading.Thread):
                told = threading.Event()
                def run(self):
                    self.told.wait(60)
            host.replaced(Ticker(daemon=True, name='ticker'), Ticker.told)
        """,
        kind="live-thread",
        path="thread 'ticker' (daemon)",
        type="plugin.Ticker",
        held="plugin.Ticker",
    ),
    Twins(
        name="foreign class that has a function of the target",
        leaking="""
            import host
            def on_event():
                pass
            host.start(host.Worker(on_event)).name = 'worker'
        """,
        cured=CURED_FUNCTION,
        kind="live-thread",
        path="thread 'worker' (daemon)",
        type="host.Worker",
        held="plugin.on_event",
    ),
    Twins(
        name="nothing of the target's in it",
        leaking="""
            import threading, host
            host.start(threading.Thread(target=host.stopping.wait, args=(60,), daemon=True, name='waiter'))
        """,
        cured=CURED_FUNCTION,
        kind="live-thread",
        path="thread 'waiter' (daemon)",
        type="threading.Thread",
        held="plugin",
        retains=False,
    ),
    Twins(
        name="raw thread",
        leaking="""
            import _thread, host
            ready = _thread.allocate_lock()
            ready.acquire()
            def loop():
                ready.release()
                host.stopping.wait(60)
            _thread.start_new_thread(loop, ())
            ready.acquire()
        """,
        cured="""
            import _thread, host
            done = _thread.allocate_lock()
            done.acquire()
            def once():
                done.release()
            _thread.start_new_thread(once, ())
            done.acquire()
        """,
        kind="live-thread",
        path="raw thread in loop",
        type="_thread",
        held="plugin.loop",
    ),
    Twins(
        name="raw thread with nothing of the target's in it",
        leaking="""
            import _thread, host
            ready = _thread.allocate_lock()
            ready.acquire()
            _thread.start_new_thread(host.wait_raw, (ready,))
            ready.acquire()
        """,
        cured="""
            import _thread, host
            done = _thread.allocate_lock()
            done.acquire()
            _thread.start_new_thread(done.release, ())
            done.acquire()
        """,
        kind="live-thread",
        path="raw thread in wait_raw",
        type="_thread",
        held="plugin",
        retains=False,
    ),
    Twins(
        name="timer",
        leaking="""
            import threading, host
            def later():
                pass
            timer = threading.Timer(60, later)
            timer.daemon = True
            timer.start()
            host.timers.append(timer)
        """,
        cured="""
            import threading, host
            def later():
                pass
            for old in host.timers:
                old.cancel()
                old.join()
                del old
            timer = threading.Timer(60, later)
            timer.daemon = True
            timer.start()
            host.timers[:] = [timer]
        """,
        kind="live-timer",
        path="timer 'Thread-*' (daemon)",
        type="threading.Timer",
        held="plugin.later",
    ),
    Twins(
        name="timer that was cancelled and is kept",
        leaking="""
            import threading, host
            def later():
                pass
            timer = threading.Timer(60, later)
            timer.start()
            timer.cancel()
            timer.join()
            host.timers.append(timer)
            del timer
        """,
        cured="""
            import threading
            def later():
                pass
            timer = threading.Timer(60, later)
            timer.start()
            timer.cancel()
            timer.join()
        """,
        kind="live-timer",
        path="timer kept by host.timers[*]",
        type="threading.Timer",
        held="plugin.later",
    ),
    Twins(
        name="busy executor",
        leaking="""
            import host
            from concurrent.futures import ThreadPoolExecutor
            pool = ThreadPoolExecutor(1)
            pool.submit(host.stopping.wait, 60)
            host.pools.append(pool)
            del pool
        """,
        cured="""
            from concurrent.futures import ThreadPoolExecutor
            def work():
                return 1
            pool = ThreadPoolExecutor(1)
            pool.submit(work).result()
        """,
        kind="live-thread",
        path="thread 'ThreadPoolExecutor-*_*'",
        type="threading.Thread",
        held="plugin",
        retains=False,
    ),
)


def measured(directory, source, strategy):
    """The report of a target with the host."""
    from cases.edges import source as dedented

    run.write(directory, {"host": HOST, "plugin": dedented(source)})
    return run.measure_and_undo(directory, "plugin", strategy, ROUNDS)


@pytest.mark.parametrize("strategy", BOTH)
@pytest.mark.parametrize("twins", TWINS, ids=lambda twins: twins.name)
def test_what_is_left_running_is_one_finding(twins, strategy, tmp_path):
    """The thread is the finding; the generations that it keeps alive are told with it, not beside it."""
    report = measured(tmp_path, twins.leaking, strategy)

    (finding,) = report.findings
    assert (finding.kind, finding.growth, finding.per_round) == (twins.kind, "growing", 1.0)
    assert (finding.holder.path, finding.holder.type) == (twins.path, twins.type)
    assert finding.held.name == twins.held
    assert finding.generations == JUDGED
    assert bool(finding.also_retains) == twins.retains
    assert report.outcome == "leaking"


@pytest.mark.parametrize("strategy", BOTH)
@pytest.mark.parametrize("twins", TWINS, ids=lambda twins: twins.name)
def test_what_is_ended_is_clean(twins, strategy, tmp_path):
    """A thread that the next generation tells to stop, and one that has done its work, are no leak."""
    report = measured(tmp_path, twins.cured, strategy)

    assert (report.outcome, report.findings, report.error) == ("clean", (), None)


def test_the_report_shows_where_a_thread_is(tmp_path):
    """The present stack, innermost frame first, as far as it is the program's."""
    report = measured(tmp_path, TWINS[0].leaking, "reimport")

    (finding,) = report.findings
    assert any(line.startswith("at plugin.py:") and line.endswith("in loop") for line in finding.details)


@pytest.mark.parametrize("strategy", BOTH)
def test_a_thread_of_the_host_is_nobodys_leak(strategy, tmp_path):
    """A thread that a host starts once, when the target is first loaded, goes on as it should."""
    report = measured(
        tmp_path,
        """
            import threading, host
            def on_event():
                pass
            if not host.running:
                host.start(threading.Thread(target=host.stopping.wait, args=(60,), daemon=True))
        """,
        strategy,
    )

    assert (report.outcome, report.findings) == ("clean", ())


@pytest.mark.parametrize("strategy", BOTH)
def test_a_thread_that_was_started_once_and_runs_old_code_is_found(strategy, tmp_path):
    """It does not grow, and it is a leak all the same: the first generation's code runs for ever."""
    report = measured(
        tmp_path,
        """
            import threading, host
            def loop():
                host.stopping.wait(60)
            if not host.running:
                host.start(threading.Thread(target=loop, daemon=True))
        """,
        strategy,
    )

    (finding,) = report.findings
    assert (finding.kind, finding.growth, finding.generations) == ("live-thread", "bounded", (-1,))


@pytest.mark.parametrize("strategy", BOTH)
def test_a_thread_of_a_pool_is_of_no_generation(strategy, tmp_path):
    """A pool of the host's starts its thread for the first generation, and lends it to each of the later ones."""
    report = measured(
        tmp_path,
        """
            import threading, host
            def work(told):
                told.wait(60)
            def lend():
                if not host.pools:
                    host.pools.append(host.ThreadPoolExecutor(1))
                for told, future in host.lent:
                    told.set()
                    future.result(5)
                told = threading.Event()
                host.lent[:] = [(told, host.pools[0].submit(work, told))]
            lend()
        """,
        strategy,
    )

    assert (report.outcome, report.findings) == ("clean", ())
