"""Find processes whose parent has ended. The system gives them a new parent, so this process no longer lists them.

A variable of their environment identifies them: every process inherits it from the one that started it. A process that
was forked and never executed a program shows the environment with which its program was started. So a check in its own
process, which starts with the variable, finds such a fork, and a check that shares its process with the tests does not.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

VARIABLE = "PYTEST_RELOADLEAK_CHECK"

_LOAD = "/proc/loadavg"
"""Its last field is the process id that the system assigned last."""

_listdir = os.listdir
_open = open
_getpid = os.getpid
_stat = os.stat
_os_open, _os_read, _os_close = os.open, os.read, os.close


class Marked:
    """Processes that start after this object is created and inherit `mark` in `VARIABLE`; none without `/proc`."""

    def __init__(self, mark: str) -> None:
        self._mark = f"{VARIABLE}={mark}".encode()
        self._counts = _has_counter()
        self._newest = self._number_of_newest()
        self._strangers = set(_numbers())
        """Processes that will never have the mark. Each is read only once, so `running` costs one directory listing."""
        self._has_others = False
        """Whether the last listing had a process that is no stranger."""

    def running(self) -> list[int]:
        """The numbers of the marked processes that run now.

        Every process gets a new number, and the system shows the newest one. As long as that is the same and all
        processes are strangers, none can be marked, so nothing is listed.
        """
        newest = self._number_of_newest()  # before the listing, which may then show more, but not less
        if newest is not None and newest == self._newest and not self._has_others:
            return []
        others = [pid for pid in _numbers() if pid not in self._strangers]
        found = [pid for pid in others if self._has_mark(pid)]
        self._newest, self._has_others = newest, not self._strangers.issuperset(others)
        return found

    def _number_of_newest(self) -> bytes | None:
        """The number that the system assigned last to a process or thread; `None` if it does not show it."""
        return (_read(_LOAD) or b"").rpartition(b" ")[2] or None if self._counts else None

    def _has_mark(self, pid: int) -> bool:
        try:
            with _open(f"/proc/{pid}/environ", "rb") as file:
                content = file.read()
        except OSError:  # it has ended, or belongs to another user
            self._strangers.add(pid)
            return False
        found = self._mark in content.split(b"\0")
        if not found and content:  # a process that has just executed a program shows none yet
            self._strangers.add(pid)
        return found


class Orphans:
    """Processes that were started below this one during a check, and are no longer below it."""

    def __init__(self) -> None:
        self._is_ours = VARIABLE not in os.environ
        if self._is_ours:
            os.environ[VARIABLE] = token()
        self._marked = Marked(os.environ[VARIABLE])

    def end(self) -> None:
        """Remove the variable from the environment."""
        if self._is_ours:
            os.environ.pop(VARIABLE, None)

    def present(self) -> list[int]:
        """The numbers of those that run now."""
        found = self._marked.running()
        parents = {pid: _parent(pid) for pid in found}
        return [pid for pid in found if not _is_below(pid, parents)]


def token() -> str:
    """A mark for the processes of one check in this process."""
    return f"{_getpid()}-{os.urandom(8).hex()}"


def _numbers() -> Iterable[int]:
    try:
        return [int(name) for name in _listdir("/proc") if name.isdigit()]
    except OSError:
        return []


def _has_counter() -> bool:
    """Whether `/proc` is the kernel's own and shows the newest number. A substitute for it may be late."""
    try:
        is_own = _stat(_LOAD).st_dev == _stat("/proc/self").st_dev
    except OSError:
        return False
    return is_own and int((_read(_LOAD) or b"0").split()[-1]) >= _getpid()


def _read(path: str) -> bytes | None:
    try:
        file = _os_open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return _os_read(file, 4096)
    finally:
        _os_close(file)


def _is_below(pid: int, parents: Mapping[int, int]) -> bool:
    """Whether a process descends from this one through marked processes."""
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
