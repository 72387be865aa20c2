"""Start workers as forks of a server, which has imported what they need. See `serving` for the server's side."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import time
from typing import Any

from pytest_reloadleak.effects.system import orphans
from pytest_reloadleak.isolation import words
from pytest_reloadleak.isolation.conditions import inherited
from pytest_reloadleak.isolation.exchange import Exchange
from pytest_reloadleak.strategies.workers import interpreter
from pytest_reloadleak.tether import signal_at_end

_SERVING = "pytest_reloadleak.isolation.serving"
_START_S = 60
"""Seconds for the start of a server, as long as an isolated check may take by default."""
_REPLY_S = 60


class ServerEndedError(Exception):
    """The server of a worker has ended or does not answer, so the end of the worker is not known."""


class Server:
    """A server of workers, one at a time.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self) -> None:
        self.conditions = inherited()
        """What its forks inherit."""
        self._mark = orphans.token()
        self._marked = orphans.Marked(self._mark)
        """The server and its forks that have not begun; forks that have begun have marks of their own."""
        self._lines = b""
        self._is_ready: bool | None = None
        """Whether forks are possible; `None` until the server has been asked."""
        self.is_unfit = False
        """Whether the server has said that its forks would differ from fresh interpreters."""
        self._exchange: Exchange | None = None
        self._files = contextlib.ExitStack()
        with contextlib.ExitStack() as handed_over:
            try:
                requests, self._requests = os.pipe()
                handed_over.callback(os.close, requests)
                self._files.callback(os.close, self._requests)
                self.replies, replies = os.pipe()
                handed_over.callback(os.close, replies)
                self._files.callback(os.close, self.replies)
                self._exchange = Exchange()
                self._process = self._started(requests, replies)
                # A server that somebody has stopped, even during its start, continues and notices the end of this
                # process.
                with contextlib.suppress(ImportError, AttributeError, OSError):
                    signal_at_end(requests, self._process.pid, signal.SIGCONT)
            except BaseException:
                self._close_files()
                raise

    def _started(self, requests: int, replies: int) -> subprocess.Popen[bytes]:
        assert self._exchange is not None
        content = {
            "path": interpreter.search_path(),
            "module": _SERVING,
            "requests": requests,
            "replies": replies,
            "mark": self._mark,
        }
        self._exchange.job.write_text(json.dumps(content), encoding="utf-8")
        # The same kinds of standard streams as those of a worker, which inherits the objects for them.
        return subprocess.Popen(  # noqa: S603 - our own interpreter with our own code
            interpreter.command(str(self._exchange.job)),
            stdin=subprocess.DEVNULL,
            stdout=self._exchange.output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(requests, replies),
            env={**os.environ, orphans.VARIABLE: self._mark},
        )

    def fits(self) -> bool:
        """Whether a fork would now equal a fresh interpreter."""
        if self._is_ready is None:
            try:
                self._is_ready = self.line(_START_S).split()[0] == words.READY
                self.is_unfit = not self._is_ready
            except ServerEndedError:
                self._is_ready = False
            if self._exchange is not None:
                self._exchange.close()
                self._exchange = None
        return bool(self._is_ready) and self.conditions == inherited()

    def fork(self, job: str) -> Forked | None:
        """Start a worker; `None` if the system refused to fork.

        Args:
            job: the path of its job.

        Raises:
            ServerEndedError: the server has ended.
        """
        self.send(job)
        word, _, rest = self.line(_REPLY_S).partition(b" ")
        return Forked(self, int(rest)) if word == words.STARTED else None

    def send(self, line: str) -> None:
        """Send a request.

        Raises:
            ServerEndedError: the server has ended.
        """
        try:
            os.write(self._requests, line.encode() + b"\n")
        except OSError as error:
            self._is_ready = False
            raise ServerEndedError from error

    def line(self, timeout_s: float | None) -> bytes:
        """The next reply.

        Raises:
            ServerEndedError: the server has ended, or does not answer in time.
        """
        end_s = time.monotonic() + timeout_s if timeout_s is not None else None
        while b"\n" not in self._lines:
            left_s = None if end_s is None else max(end_s - time.monotonic(), 0)
            found = os.read(self.replies, 4096) if is_readable(self.replies, left_s) else b""
            if not found:
                self._is_ready = False
                raise ServerEndedError
            self._lines += found
        line, _, self._lines = self._lines.partition(b"\n")
        return line

    def close(self) -> None:
        """End it. A worker that runs must have been ended before."""
        self._is_ready = False
        self._process.kill()  # it has nothing to save, and may have been stopped
        self._process.wait()
        # A fork that somebody has stopped would not notice the end of its server.
        for pid in self._marked.running():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        self._close_files()

    def _close_files(self) -> None:
        self._files.close()
        if self._exchange is not None:
            self._exchange.close()
            self._exchange = None


class Forked:
    """A worker that was forked from a server."""

    def __init__(self, server: Server, pid: int) -> None:
        self._server = server
        self.pid = pid

    def descriptor(self) -> int | None:
        """A descriptor that becomes readable when the worker or its server has ended."""
        return self._server.replies

    def status(self, timeout_s: float | None = None) -> int:
        """Wait for its end, and return its status as `subprocess` does.

        Raises:
            ServerEndedError: the server has ended, or does not answer in time.
        """
        return int(self._server.line(timeout_s).split()[1])

    def release(self) -> None:
        """Let the system assign the worker's process id to another process."""
        self._server.send(words.REAP.decode())

    def abandon(self) -> None:
        """End the server, since the end of the worker is not known."""
        self._server.close()


def taken_over(
    content: dict[str, Any], tether: int, output: int, environment: dict[str, str | None]
) -> dict[str, Any]:
    """A worker's job with what a fresh interpreter would inherit, and a fork opens or sets.

    Args:
        content: the job of a fresh interpreter.
        tether: the reading end of its tether.
        output: the descriptor for what it prints.
        environment: the variables that this check has of its own; `None` removes one.
    """
    here = f"/proc/{os.getpid()}/fd"
    more = {"tether_path": f"{here}/{tether}", "output": f"{here}/{output}"}
    return {**content, **more, "environment": environment}


def is_readable(descriptor: int, timeout_s: float | None) -> bool:
    """Wait until a descriptor can be read; returns whether it can.

    `select` takes no number above 1023, and the default selector needs a descriptor of its own.
    """
    with selectors.PollSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        return bool(selector.select(timeout_s))
