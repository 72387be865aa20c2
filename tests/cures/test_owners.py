"""Objects of effects that a table keeps, and pools that own them: the cure ends the effect and clears the table."""

from __future__ import annotations

from textwrap import dedent

import pytest
from cures.test_applied import cured, measured

from pytest_reloadleak.cures.methods import offers

HOST = """\
import asyncio
kept, by_number, current = [], {}, None
class Hub:
    def __init__(self):
        self.workers = set()
hub = Hub()
loop = asyncio.new_event_loop()

def stop():
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
"""
KEPT = {
    "thread in a list": """
        import threading, host
        stop = threading.Event()
        def loop(): stop.wait(60)
        thread = threading.Thread(target=loop, daemon=True)
        thread.start()
        host.kept.append(thread)
    """,
    "thread in a set of an instance": """
        import threading, host
        stop = threading.Event()
        def loop(): stop.wait(60)
        thread = threading.Thread(target=loop, daemon=True)
        thread.start()
        host.hub.workers.add(thread)
    """,
    "timer in a dict": """
        import threading, host
        def tick(): pass
        timer = threading.Timer(60, tick)
        timer.daemon = True
        timer.start()
        host.by_number[len(host.by_number)] = timer
    """,
    "task in a list": """
        import asyncio, host
        async def wait(): await asyncio.sleep(60)
        task = host.loop.create_task(wait())
        host.kept.append(task)
        host.loop.run_until_complete(asyncio.sleep(0))
    """,
    "file in a list": """
        import os, host
        file = open(os.devnull)
        host.kept.append(file)
    """,
    "socket in a list": """
        import host, socket
        sock = socket.socket()
        host.kept.append(sock)
    """,
    "child in a list": """
        import host, subprocess, sys
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1, stdout=-3, stderr=-3)
        host.kept.append(child)
    """,
}


@pytest.mark.parametrize("case", KEPT)
def test_a_table_that_keeps_what_ended_is_cleared_as_well(case, tmp_path):
    """One finding; its cure alone leaves nothing, not even an object that has ended."""
    files = {"host": HOST, "plugin": dedent(KEPT[case])}

    # A pending task that dies with its interpreter says so on standard error.
    (cure,) = cured(tmp_path, files, "reimport", apart=case != "task in a list")

    assert "host." in cure.splitlines()[-1]


@pytest.mark.parametrize("strategy", ["reimport", "reload"])
def test_a_place_that_each_reload_takes_over_is_not_told(strategy, tmp_path):
    """`host.current = thread` has one thread at a time."""
    source = dedent(KEPT["thread in a list"]).replace("host.kept.append(thread)", "host.current = thread")

    report = measured(tmp_path / "one", {"host": HOST, "plugin": source}, "plugin", strategy, apart=True)

    (finding,) = report["findings"]
    assert finding["kind"] == "live-thread"
    assert "host.current" not in (finding["cure"] or "") + finding["advice"]


POOLS = {
    "multiprocessing": (
        """
        import host, multiprocessing
        pool = multiprocessing.get_context("fork").Pool(1)
        pool.map(len, ["a"])
        host.kept.append(pool)
        """,
        "pool.terminate()\npool.join()\nhost.kept.remove(pool)",
    ),
    "processes": (
        """
        import concurrent.futures, host, multiprocessing
        pool = concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork"))
        pool.submit(len, "a").result()
        host.kept.append(pool)
        """,
        "pool.shutdown()\nhost.kept.remove(pool)",
    ),
    "threads": (
        """
        import concurrent.futures, host
        def work(): pass
        pool = concurrent.futures.ThreadPoolExecutor(1)
        pool.submit(work).result()
        host.kept.append(pool)
        """,
        "pool.shutdown()\nhost.kept.remove(pool)",
    ),
}
"""Targets whose pool the host keeps, and the cure."""


@pytest.mark.parametrize("kind", POOLS)
def test_children_threads_and_pipes_of_a_pool_are_one_finding(kind, tmp_path):
    """Whoever ends the pool and lets it go is done."""
    source, cure = POOLS[kind]

    assert cured(tmp_path, {"host": HOST, "plugin": dedent(source)}, "reimport", apart=True) == [cure]


@pytest.mark.parametrize(
    ("method", "can_be_called"),
    [
        (lambda self: self, True),
        (lambda self, wait=True: (self, wait), True),
        (lambda self, *, wait=True: (self, wait), True),
        (lambda self, wait: (self, wait), False),
        (lambda self, *, wait: (self, wait), False),
        (len, False),
    ],
)
def test_a_cure_calls_only_what_needs_no_argument(method, can_be_called):
    """For the owner of a task as for that of a thread."""
    assert offers.needs_nothing(method) is can_be_called
