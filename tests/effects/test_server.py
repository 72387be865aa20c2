"""A target that starts an HTTP server in a thread per reload, and its cured twin, which stops the one before."""

from __future__ import annotations

import re
import sys

import pytest
from cases import run

BOTH = ("reimport", "reload")
ROUNDS = 3

HOST = """\
import weakref

running = []

def started(server, thread):
    running.append((weakref.ref(server), weakref.ref(thread)))
    thread.start()

def replaced(server, thread):
    stop()
    started(server, thread)

def stop():
    for server, thread in [(server(), thread()) for server, thread in running]:
        if server is not None:
            server.shutdown()
            server.server_close()
        if thread is not None:
            thread.join()
    running.clear()
"""
"""The host can stop every server, and keeps none."""
SERVER = """\
import host, threading
from http.server import BaseHTTPRequestHandler, HTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args):
        pass


def serve(server):
    server.serve_forever(poll_interval=0.01)


server = HTTPServer(("127.0.0.1", 0), Handler)
host.VERB(server, threading.Thread(target=serve, args=(server,), daemon=True))
"""
LISTENS = re.compile(r"fd \d+: socket 127\.0\.0\.1:\d{4,5} LISTEN, owned by a socket\.socket")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="descriptors are named by their links")


def measured(tmp_path, verb, strategy, rounds):
    """The report on the target with one of its two last lines."""
    source = SERVER.replace("VERB", verb)
    run.write(tmp_path, {"host": HOST, "plugin": source})
    line = next(n for n, text in enumerate(source.splitlines(), start=1) if text.startswith("def serve"))
    return run.measure_and_undo(tmp_path, "plugin", strategy, rounds), line


@pytest.mark.parametrize("strategy", BOTH)
def test_a_server_that_goes_on_serving_is_named_with_its_function_and_its_port(strategy, tmp_path):
    """The thread with the function that it runs and its line, and the socket at which it listens."""
    report, line = measured(tmp_path, "started", strategy, ROUNDS)

    (thread,) = report.findings
    assert (thread.kind, thread.growth, thread.per_round) == ("live-thread", "growing", 1.0)
    assert (thread.held.name, thread.held.line) == ("plugin.serve", line)
    assert thread.held.file == str(tmp_path / "plugin.py")
    assert thread.generations == (-1, 0, 1)
    assert any(
        text.startswith(f"at {tmp_path / 'plugin.py'}:") and text.endswith("in serve")
        for text in thread.details
    )
    assert "open-fd: fd * socket listening on 127.0.0.1:*" in thread.also_retains
    assert any(LISTENS.fullmatch(text) for text in thread.details)


@pytest.mark.parametrize("strategy", BOTH)
def test_a_server_that_is_stopped_is_clean_for_fifty_rounds(strategy, tmp_path):
    """Its port is given back, its thread ended, and nothing of it left."""
    report, _ = measured(tmp_path, "replaced", strategy, 50)

    assert (report.outcome, report.findings, report.error) == ("clean", (), None)
