"""End a worker whose parent is gone: a killed pytest must not leave one that runs for ever.

The worker inherits the reading end of a pipe and asks the kernel for a signal when its last writer, the parent, closes
it (`O_ASYNC`, `F_SETSIG`; Linux). A thread that waits would be visible to the target and to a fork;
`PR_SET_PDEATHSIG` needs `ctypes`, and fires when only the thread that started the worker ends. Where there is no such
signal, or where the target closes all descriptors, the limit of processor time remains.
"""

from __future__ import annotations

import contextlib
import os
import signal

CANNOT_ANSWER = 83
"""Exit status of a worker that could not write its answer; no other program is known to use it."""
CANNOT_START = 84
"""Exit status of a fork that could not be made like a fresh interpreter."""
_SPARE_S = 5
"""Seconds beyond the timeout: as long as the parent lives, it is the parent that ends the worker."""


class Tether:
    """The parent's end. The worker gets `descriptor`; `close` lets it go."""

    def __init__(self) -> None:
        self.descriptor, self._writer = os.pipe()

    def hand_over(self) -> None:
        """Close the reading end, once the worker has it."""
        os.close(self.descriptor)
        self.descriptor = -1

    def close(self) -> None:
        """Close both ends."""
        for descriptor in (self.descriptor, self._writer):
            if descriptor >= 0:
                os.close(descriptor)
        self.descriptor = self._writer = -1


def fasten(descriptor: int, timeout_s: float) -> None:
    """Let this process and its group end with its parent, or after far more processor time than the timeout allows.

    Args:
        descriptor: the tether's reading end.
        timeout_s: the parent's timeout.
    """
    os.set_inheritable(descriptor, False)
    with contextlib.suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(descriptor, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGKILL)
        flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_ASYNC | os.O_NONBLOCK)
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
