"""List what the operating system keeps for the process: directory, signals, timers, limits, descriptors."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from pytest_reloadleak.holders.roots import SIGNAL_NAMES
from pytest_reloadleak.run.restoring.setting import Setting

_MAIN = threading.main_thread().ident
_STATUS, _LIMITS = "/proc/self/status", "/proc/self/limits"
# Private copies: the target may patch the originals.
_getcwd, _chdir, _umask, _fstat = os.getcwd, os.chdir, os.umask, os.fstat
_getsignal, _signal, _signals = signal.getsignal, signal.signal, tuple(signal.valid_signals())
_get_ident = threading.get_ident
_TIMERS = {
    "ITIMER_REAL": time.monotonic,
    "ITIMER_VIRTUAL": lambda: os.times().user,
    "ITIMER_PROF": time.process_time,
}
"""The interval timers, and a clock that runs as each of them does."""
_LATE_S = 0.5
"""Seconds by which a running timer may differ from its earlier value, minus the time since then."""


def settings() -> Iterator[Setting]:
    """The settings that the system keeps for the process and can set again."""
    for what, read, write in (("user", "geteuid", "seteuid"), ("group", "getegid", "setegid")):
        if read in vars(os):  # first, since only their owner can put back the other settings
            yield Setting(f"the effective {what}", vars(os)[read], vars(os)[write])
    yield Setting("the working directory", _getcwd, _chdir)
    # On other systems the mask can be read only by setting it, which threads would see.
    if sys.platform == "linux":
        yield Setting("the file mode mask (umask)", _read_umask, _umask)
        yield Setting("the resource limits", _limits, _set_limits)
    yield from _of_signals()
    yield from _of_scheduling()


def streams() -> tuple[object, ...]:
    """The files of the descriptors 0, 1 and 2, none of which can be put back."""
    return tuple(_place(number) for number in range(3))


def _place(number: int) -> tuple[int, int] | None:
    try:
        found = _fstat(number)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _read_umask() -> int:
    with open(_STATUS, "rb") as file:
        line = next(line for line in file if line.startswith(b"Umask:"))
    return int(line.split()[1], 8)


def _of_signals() -> Iterator[Setting]:
    if hasattr(signal, "pthread_sigmask"):
        mask = signal.pthread_sigmask
        yield Setting("the blocked signals", partial(_blocked, mask), partial(mask, signal.SIG_SETMASK))
    if _get_ident() != _MAIN:  # only the main thread can set a handler
        return
    for number in _signals:
        if _getsignal(number) is not None:
            name = f"the handler of {SIGNAL_NAMES.get(number, f'signal {number}')}"
            yield Setting(name, partial(_getsignal, number), partial(_signal, number))
    for timer, now_s in _TIMERS.items():
        if timer in vars(signal):
            clock = _Clock(vars(signal)[timer], now_s)
            yield Setting(f"the interval timer {timer}", clock.read, clock.write)


def _blocked(mask: Any) -> frozenset[int]:
    return frozenset(map(int, mask(signal.SIG_BLOCK, ())))


class _Clock:
    """One interval timer of the process, as the moment at which it will fire.

    Args:
        which: the number of the timer.
        now_s: the clock by which it runs.
    """

    def __init__(self, which: int, now_s: Callable[[], float]) -> None:
        self._which, self._now_s = which, now_s
        self._get, self._set = signal.getitimer, signal.setitimer
        self._first: tuple[float, float] | None = None

    def read(self) -> tuple[float, float] | None:
        """The time at which it fires, and its interval; `None` if it does not run. The passing of time is no change."""
        left_s, interval_s = self._get(self._which)
        found = (self._now_s() + left_s, interval_s) if left_s else None
        if self._first is None:
            self._first = found
        return self._first if self._is_first(found) else found

    def _is_first(self, found: tuple[float, float] | None) -> bool:
        """Whether it is still the timer that ran first."""
        if self._first is None:
            return False
        at_s, interval_s = self._first
        if found is None:  # a timer that fires once is over by then
            return not interval_s and self._now_s() > at_s - _LATE_S
        return found[1] == interval_s and (bool(interval_s) or abs(found[0] - at_s) < _LATE_S)

    def write(self, value: tuple[float, float] | None) -> None:
        """Let it fire at the earlier time, or at once if that time has passed."""
        if value is None:
            self._set(self._which, 0)
        else:
            self._set(self._which, max(value[0] - self._now_s(), 1e-3), value[1])


def _of_scheduling() -> Iterator[Setting]:
    if hasattr(os, "sched_setaffinity"):
        read = partial(_affinity, os.sched_getaffinity)
        yield Setting("the processors of the process", read, partial(os.sched_setaffinity, 0))
    if hasattr(os, "setpriority"):
        where = (os.PRIO_PROCESS, 0)
        yield Setting(
            "the priority of the process",
            partial(os.getpriority, *where),
            partial(os.setpriority, *where),
        )


def _affinity(read: Any) -> frozenset[int]:
    return frozenset(read(0))


def _limits() -> bytes:
    """The limits as Linux's own text, so that the module `resource` need not be loaded."""
    with open(_LIMITS, "rb") as file:
        return file.read()


_NAMES = {
    b"Max cpu time": "RLIMIT_CPU",
    b"Max file size": "RLIMIT_FSIZE",
    b"Max data size": "RLIMIT_DATA",
    b"Max stack size": "RLIMIT_STACK",
    b"Max core file size": "RLIMIT_CORE",
    b"Max processes": "RLIMIT_NPROC",
    b"Max open files": "RLIMIT_NOFILE",
    b"Max locked memory": "RLIMIT_MEMLOCK",
    b"Max address space": "RLIMIT_AS",
}


def _set_limits(text: bytes) -> None:
    import resource

    space, now = vars(resource), set(_limits().splitlines())
    for line in text.splitlines():
        name = next((name for name in _NAMES if line.startswith(name)), None)
        if name is not None and line not in now:
            soft, hard = (-1 if word == b"unlimited" else int(word) for word in line[len(name) :].split()[:2])
            resource.setrlimit(space[_NAMES[name]], (soft, hard))
