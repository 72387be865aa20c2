"""Threads and timers that a target leaves running: leaking twins and their cured ones."""

from __future__ import annotations

from dataclasses import dataclass

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
