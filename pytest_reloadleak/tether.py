"""End a worker whose parent is gone: a killed pytest must not leave one that runs for ever.

The worker inherits the reading end of a pipe. The kernel sends it a signal when the last writer, the parent, closes the
pipe (`O_ASYNC`, `F_SETSIG`; Linux). The request for the signal belongs to the pipe, whoever makes it. So the parent
makes it as soon as it knows the worker's process id, which covers a worker that is stopped in its first moments.
Rejected: a waiting thread, which the target and a fork would see; `PR_SET_PDEATHSIG`, which needs `ctypes` and fires
when only the thread that started the worker ends. Where there is no such signal, the limit of processor time remains.
"""

from __future__ import annotations

import contextlib
import os
import signal

_SPARE_S = 5
"""Seconds beyond the timeout: as long as the parent lives, it is the parent that ends the worker."""


def signal_at_end(descriptor: int, owner: int, number: int) -> None:
    """Ask for a signal when something arrives at a pipe, or its last writer closes it.

    Args:
        descriptor: the pipe's reading end.
        owner: who gets the signal: a process, or a group as a negative number.
        number: the signal.

    Raises:
        OSError: the owner has ended.
        ImportError, AttributeError: the system has no such signal.
    """
    import fcntl

    fcntl.fcntl(descriptor, fcntl.F_SETOWN, owner)
    fcntl.fcntl(descriptor, fcntl.F_SETSIG, number)
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_ASYNC)


class Tether:
    """The parent's end of the pipe. The worker inherits `descriptor`; `close` closes both ends.

    Raises:
        OSError: no descriptor is left.
    """

    def __init__(self) -> None:
        self.descriptor, self._writer = os.pipe()

    def hold(self, worker: int) -> None:
        """Make sure that a worker with the reading end ends when this process ends.

        This process keeps the reading end open too, since a target may close all descriptors of the worker.

        Args:
            worker: its process id, or its process group as a negative number.
        """
        with contextlib.suppress(ImportError, AttributeError, OSError):
            signal_at_end(self.descriptor, worker, signal.SIGKILL)

    def close(self) -> None:
        """Close both ends."""
        for descriptor in (self.descriptor, self._writer):
            if descriptor >= 0:
                os.close(descriptor)
        self.descriptor = self._writer = -1


def fasten(descriptor: int, timeout_s: float) -> None:
    """Make this process and its group end with its parent, or after far more processor time than the timeout allows.

    Args:
        descriptor: the tether's reading end.
        timeout_s: the parent's timeout.
    """
    os.set_inheritable(descriptor, False)
    with contextlib.suppress(ImportError, AttributeError, OSError):
        signal_at_end(descriptor, -os.getpgrp(), signal.SIGKILL)
        os.set_blocking(descriptor, False)
        with contextlib.suppress(BlockingIOError):
            if os.read(descriptor, 1) == b"":  # the parent has ended before the signal was asked for
                os._exit(1)
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        # Threads outside of Python may use all processors at once.
        seconds = int(timeout_s + _SPARE_S) * (os.cpu_count() or 1)
        soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
        if soft == resource.RLIM_INFINITY or seconds < soft:
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, hard))
