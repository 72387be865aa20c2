"""Processes whose parent has ended: the system gives them to another one, and no list of this process has them.

They are known by a variable of their environment, which every process inherits from the one that started it. A process
that was forked and never executed anything shows the environment with which its program was started: so it is known in
a check of its own process, which is started with the variable, and not in one that shares its process with the tests.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

VARIABLE = "PYTEST_RELOADLEAK_CHECK"

_listdir = os.listdir
_open = open
_getpid = os.getpid


class Marked:
    """Processes that were started after this was made, and inherited a mark. None where there is no `/proc`.

    Args:
        mark: the variable's value.
    """

    def __init__(self, mark: str) -> None:
        self._mark = f"{VARIABLE}={mark}".encode()
        self._strangers = set(_numbers())
        """Who does not bear it, for good: each is asked once, so that a look costs one listing of a directory."""

    def running(self) -> list[int]:
        """Their numbers."""
        return [pid for pid in _numbers() if pid not in self._strangers and self._has_mark(pid)]

    def _has_mark(self, pid: int) -> bool:
        try:
            with _open(f"/proc/{pid}/environ", "rb") as file:
                content = file.read()
        except OSError:  # it has ended, or belongs to another user
            self._strangers.add(pid)
            return False
        found = self._mark in content.split(b"\0")
        if not found and content:  # for a moment after it executed a program, a process shows none
            self._strangers.add(pid)
        return found


class Escaped:
    """Who was started in the course of a check, below this process, and is below it no more."""

    def __init__(self) -> None:
        self._is_ours = VARIABLE not in os.environ
        if self._is_ours:
            os.environ[VARIABLE] = token()
        self._marked = Marked(os.environ[VARIABLE])

    def end(self) -> None:
        """Take the variable out of the environment again."""
        if self._is_ours:
            os.environ.pop(VARIABLE, None)

    def present(self) -> list[int]:
        """Numbers of those that run now."""
        found = self._marked.running()
        parents = {pid: _parent(pid) for pid in found}
        return [pid for pid in found if not _is_below(pid, parents)]


def token() -> str:
    """What marks the processes of one check of this process."""
    return f"{_getpid()}-{os.urandom(8).hex()}"


def _numbers() -> Iterable[int]:
    try:
        return [int(name) for name in _listdir("/proc") if name.isdigit()]
    except OSError:
        return []


def _is_below(pid: int, parents: Mapping[int, int]) -> bool:
    """Whether a process descends from this one, by processes that are marked as well."""
    here, seen = _getpid(), set()
    while pid != here and pid in parents and pid not in seen:
        seen.add(pid)
        pid = parents[pid]
    return pid == here


def _parent(pid: int) -> int:
    try:
        with _open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except OSError:
        return 0
