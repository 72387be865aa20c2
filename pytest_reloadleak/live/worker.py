"""Do work at a later moment in a thread that exists only while something is due."""

from __future__ import annotations

import _thread
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress

_now_s = time.monotonic


class Worker:
    """Calls a function when something is due. While nothing is due, there is no thread.

    `arm` may be called at any moment in any thread, for example by a weak reference's callback during a collection. So
    it takes no lock that its own thread may hold already, and does not use `threading`, whose locks the interrupted
    code may hold.

    Args:
        work: called when something is due; returns the seconds until the next call, or `None`.
    """

    def __init__(self, work: Callable[[], float | None]) -> None:
        self._work = work
        self._due_s: float | None = None
        self._is_stopped = False
        self._running = _thread.allocate_lock()
        self._bell = _thread.allocate_lock()
        self._bell.acquire()
        self._process = os.getpid()
        self._ident: int | None = None

    def arm(self, delay_s: float) -> None:
        """Make something due after some seconds, unless something is due earlier."""
        due_s, known_s = _now_s() + delay_s, self._due_s
        if known_s is None or due_s < known_s:
            self._due_s = due_s
        if self._process != os.getpid():  # a fork has no copy of the thread, but its locks in their state
            self._process, self._running = os.getpid(), _thread.allocate_lock()
        self._start()
        with suppress(RuntimeError):  # it rings already
            self._bell.release()

    def stop(self, patience_s: float) -> None:
        """End the thread, and wait for its end unless this is the thread itself."""
        self._is_stopped = True
        with suppress(RuntimeError):
            self._bell.release()
        if self._ident != _thread.get_ident() and self._running.acquire(timeout=patience_s):
            self._running.release()

    def _start(self) -> None:
        if not self._is_stopped and self._running.acquire(blocking=False):
            try:
                _thread.start_new_thread(self._launch, ())
            except RuntimeError:  # the interpreter is about to end
                self._running.release()

    def _launch(self) -> None:
        """Start the thread that works, from a raw thread, which holds no lock of `threading`."""
        try:
            threading.Thread(target=self._run, name="pytest-reloadleak watch", daemon=True).start()
        except RuntimeError:  # as above
            self._running.release()

    def _run(self) -> None:
        running = self._running
        self._ident = _thread.get_ident()
        try:
            while not self._is_stopped and (due_s := self._due_s) is not None:
                wait_s = due_s - _now_s()
                if wait_s > 0:
                    self._bell.acquire(timeout=wait_s)
                    continue
                self._due_s = None
                again_s = self._work()
                if again_s is not None:
                    self.arm(again_s)
        finally:
            self._ident = None
            running.release()
        if self._due_s is not None:  # armed after this thread last read it
            self._start()
