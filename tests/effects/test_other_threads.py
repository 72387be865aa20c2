"""Effects of unrelated code that runs at the same time are no leaks, and do not hide one."""

from __future__ import annotations

import socket
import tempfile
import threading
from contextlib import contextmanager

import pytest
from cases import run
from cases.edges import KEEPS, source

from pytest_reloadleak import measure_reload

RUNS = 25
"""Per strategy: 50 in all."""

CLEAN = """
    import threading
    import tempfile

    class Plugin:
        def act(self):
            with tempfile.TemporaryFile() as file:
                file.write(b'a')
            thread = threading.Thread(target=len, args=('a',))
            thread.start()
            thread.join()

    Plugin().act()
"""


@contextmanager
def noise():
    """Another thread allocates, opens and closes files and sockets, and starts and joins threads, all the time."""
    stopping = threading.Event()
    kept = []

    def turmoil():
        while not stopping.is_set():
            with tempfile.TemporaryFile() as file, socket.socket() as client:
                file.write(b"noise")
                client.setblocking(False)
                threads = [threading.Thread(target=stopping.wait, args=(0.002,)) for _ in range(3)]
                for thread in threads:
                    thread.start()
                kept.append([object() for _ in range(50)])
                for thread in threads:
                    thread.join()
            del kept[:-100]

    thread = threading.Thread(target=turmoil, name="noise")
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


@pytest.mark.parametrize("strategy", ["reimport", "reload"])
def test_a_clean_target_stays_clean_beside_a_busy_thread(strategy, tmp_path):
    """None of many checks finds anything, whatever the other thread has open at the moment of a look."""
    run.write(tmp_path, {"plugin": source(CLEAN)})
    with run.importable(tmp_path), noise():
        reports = [measure_reload("plugin", strategy=strategy, rounds=3) for _ in range(RUNS)]

    leaks = [report for report in reports if report.outcome != "clean"]
    assert [(f.kind, f.holder, f.details) for r in leaks for f in r.findings] == []
    assert leaks == []


@pytest.mark.parametrize("strategy", ["reimport", "reload"])
def test_a_leak_is_found_beside_a_busy_thread(strategy, tmp_path):
    """The one finding is the target's, and nothing of the other thread's is in the report."""
    run.write(
        tmp_path, {"host": KEEPS, "plugin": "import host\ndef on_event():\n    pass\nhost.keep(on_event)\n"}
    )
    with run.importable(tmp_path), noise():
        report = measure_reload("plugin", strategy=strategy, rounds=3)

    assert [(f.kind, f.holder.path) for f in report.findings] == [("retained-generation", "host.kept[*]")]
