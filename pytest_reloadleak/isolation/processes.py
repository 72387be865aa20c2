"""Run a worker as a fresh interpreter, and end it or a fork."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
from typing import BinaryIO

from pytest_reloadleak.isolation.server import Forked, ServerEndedError
from pytest_reloadleak.strategies.workers import interpreter

_ABORT_S = 2
"""Seconds that a worker that hangs gets to print its stacks."""


class Fresh:
    """A worker that is an interpreter of its own.

    Args:
        job: the path of its job.
        output: the file for what it prints.
        tether: the reading end of its tether.
        environment: the variables that this check has of its own; `None` removes one.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, job: str, output: BinaryIO, tether: int, environment: dict[str, str | None]) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter with our own code
            interpreter.command(job),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(tether,) if os.name == "posix" else (),
            env={name: value for name, value in {**os.environ, **environment}.items() if value is not None},
        )
        self.pid = self._process.pid
        self._descriptor: int | None = None
        # It does not exist before Linux 5.3 and on other systems, and a filter of system calls may refuse it.
        with contextlib.suppress(AttributeError, OSError):
            self._descriptor = os.pidfd_open(self.pid)

    def descriptor(self) -> int | None:
        """A descriptor that becomes readable when the worker has ended; `None` if the system has none."""
        return self._descriptor

    def status(self, timeout_s: float | None = None) -> int:
        """Wait for its end, and return its status.

        Raises:
            subprocess.TimeoutExpired: it still runs.
        """
        return self._process.wait(timeout_s)

    def kill(self) -> None:
        """End it, if it runs."""
        self._process.kill()

    def release(self) -> None:
        """Close the descriptor."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def abandon(self) -> None:
        """End it, and forget it."""
        self._process.kill()
        self._process.wait()
        self.release()


_LIMITS = {
    errno.EMFILE: "; raise the limit of open files (ulimit -n)",
    errno.EAGAIN: "; raise the limit of processes (ulimit -u)",
    errno.ENOMEM: "; raise the limit of memory (ulimit -v)",
}
"""What to do if the system starts no process, by error number."""


def why_not_started(error: OSError) -> str:
    """Why the system refused a worker, and what to do about it."""
    return f"{error.strerror or error}{_LIMITS.get(error.errno or 0, '')}"


def waited_s(pid: int) -> float:
    """Seconds that a process has waited for a processor; 0 if the system does not show it."""
    try:
        with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
            return int(file.read().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def stop(process: Fresh | Forked) -> None:
    """End a worker that hangs. `SIGABRT` comes first, so that `faulthandler` prints where it hung."""
    with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
        os.kill(process.pid, signal.SIGABRT)
    with contextlib.suppress(subprocess.TimeoutExpired, ServerEndedError):
        process.status(_ABORT_S)
        end_group(process)
        process.release()
        return
    end_group(process)
    process.abandon()


def end_group(process: Fresh | Forked) -> None:
    """End what the target left running: the worker leads its own session, which identifies its children."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    elif isinstance(process, Fresh):
        process.kill()
