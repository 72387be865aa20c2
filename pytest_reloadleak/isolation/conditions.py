"""Describe what a fresh interpreter would inherit from this process: a fork must not differ from it."""

from __future__ import annotations

import contextlib
import os
import sys

from pytest_reloadleak.effects.system import orphans
from pytest_reloadleak.strategies.workers import interpreter

CURRENT_TEST = "PYTEST_CURRENT_TEST"
"""The variable that pytest sets anew for each test."""
_PER_CHECK = frozenset({CURRENT_TEST, orphans.VARIABLE})
"""Variables that differ between two checks of one session; each worker gets its own values."""
_STATUS = (
    *("Umask", "Uid", "Gid", "Groups", "SigBlk", "SigIgn", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"),
    *("NoNewPrivs", "Seccomp", "Cpus_allowed", "Mems_allowed"),
)
"""Lines in Linux's status of a process whose values its children inherit."""


def can_fork() -> bool:
    """Whether forks may replace fresh interpreters on this platform."""
    return sys.platform == "linux" and sys.implementation.name == "cpython"


def inherited() -> tuple[object, ...]:
    """What a child process inherits from this one.

    Two equal values mean that interpreters started at the two moments do not differ.
    """
    here: tuple[object, ...] = ()
    with contextlib.suppress(OSError):  # the directory is gone
        place = os.stat(".")
        here = (os.getcwd(), place.st_dev, place.st_ino)
    return (
        interpreter.command(""),
        list(sys.path),
        {name: value for name, value in os.environ.items() if name not in _PER_CHECK},
        here,
        _of_system() if sys.platform == "linux" else (),
    )


def _of_system() -> tuple[object, ...]:
    with contextlib.suppress(OSError):  # no `/proc`
        return _status(), _read("/proc/self/limits"), os.getpriority(os.PRIO_PROCESS, 0)
    return ()


def _status() -> list[str]:
    return [line for line in _read("/proc/self/status").splitlines() if line.partition(":")[0] in _STATUS]


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()
