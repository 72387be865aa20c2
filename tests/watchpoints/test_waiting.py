"""A host's thread makes the reference: the line of the target that waits for it is the site."""

import pytest
from cases import run

from pytest_reloadleak import measure_reload

WORKER = """\
import queue
import threading

inbox, kept = queue.Queue(), []

def work():
    while True:
        done, o = inbox.get()
        if done is None:
            return
        kept.append(o)
        done.set()
        done = o = None

def give(o):
    done = threading.Event()
    inbox.put((done, o))
    done.wait()

thread = threading.Thread(target=work, daemon=True)
thread.start()

def stop():
    inbox.put((None, None))
    thread.join()
"""
A_THREAD_EACH = """\
import threading

kept = []

def work(o):
    kept.append(o)
    del o

def give(o):
    thread = threading.Thread(target=work, args=(o,))
    thread.start()
    thread.join()

def stop(): pass
"""


@pytest.mark.parametrize("host", [WORKER, A_THREAD_EACH], ids=["one worker", "a thread each"])
def test_the_line_that_waits_is_the_site(host, tmp_path, monkeypatch):
    """Its thread is traced too, but its own line would tell nothing of the target."""
    monkeypatch.chdir(tmp_path)
    target = "import host\n\ndef on_event(): pass\n\nhost.give(on_event)\n"
    run.write(tmp_path, {"host": host, "plugin": target})
    with run.importable(tmp_path):
        import host

        try:
            report = measure_reload("plugin", rounds=3)
        finally:
            host.stop()

    (finding,) = report.findings
    assert finding.holder.path == "host.kept[*]"
    assert (finding.site.file.rpartition("/")[2], finding.site.line) == ("plugin.py", 5)
    assert finding.site.function == "<module>"
