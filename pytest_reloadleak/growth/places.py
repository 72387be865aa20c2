"""List the folders where programs leave what should not outlive them: temporary files, shared memory, locks, sockets.

A clean check lists them once before the rounds, and after them only those that have changed. It replaces nothing that
the program can see. Rejected:

- stand-ins for `open`, `os.open` and similar functions: the program sees another function than without the check;
- an audit hook: it cannot be removed, so every later event of the process would pay for it, and it gets no events for
  FIFOs, shared memory and semaphores;
- a listing in each round: in a busy folder of temporary files it takes milliseconds;
- the birth or the owner of a file: other programs of the same user make files at the same moment.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Collection, Iterable
from typing import Any

from pytest_reloadleak.effects import spelling
from pytest_reloadleak.heap import foreign

SEGMENTS = "/dev/shm"  # noqa: S108 - where Linux lists shared memory
_RUNNING = ("/var/tmp", "/run", "/run/lock")  # noqa: S108 - only listed
_MOST = 5000
"""The largest number of names of a folder that is listed, which takes some milliseconds."""
_MOST_BELOW = 200
"""The largest number of names of a folder whose subfolders are listed too if they have changed."""
_MOST_NAMED = 20
"""The largest number of folders that names of the target and its host lead to."""
TICK_NS = 50_000_000
"""A change this short before a look may be followed by another one with the same time: file systems' clocks tick."""
_SKIPPED = frozenset({"__pycache__", ".pytest_cache", ".git"})

_scandir, _stat, _lstat = os.scandir, os.stat, os.lstat
_realpath, _isabs, _dirname = os.path.realpath, os.path.isabs, os.path.dirname
_geteuid: Any = vars(os).get("geteuid")
"""`None` on Windows, where these folders are not used in this way."""
_now_ns = time.time_ns


class Places:
    """The names in these folders when the counted rounds begin.

    Args:
        namespaces: those of the target and of the modules around it, whose texts may name further folders.
        files: the target's source files.
    """

    def __init__(self, namespaces: Iterable[dict[str, Any]], files: Iterable[str]) -> None:
        self._begun_ns = _now_ns() - TICK_NS
        self._first: dict[str, tuple[int, frozenset[str]]] = {}
        for folder in _folders(namespaces, files) if _geteuid is not None else ():
            changed = last_change_ns(folder)
            names = listed(folder) if changed is not None else None
            if changed is not None and names is not None:
                self._first[folder] = (changed, names)

    def new(self, least: int) -> list[str]:
        """The new paths of this user that the rounds may have made.

        Other programs make files in the same folders. So a folder counts only if it has at least `least` new names of
        one kind, all changed since the rounds began: a closer look costs more rounds.

        Args:
            least: number of new names that a folder must have.
        """
        groups: dict[tuple[str, str], list[str]] = {}
        for path in self._new():
            if (last_change_ns(path) or 0) >= self._begun_ns:
                groups.setdefault((_dirname(path), kind_of(path)), []).append(path)
        return sorted(path for paths in groups.values() if len(paths) >= least for path in paths)

    def _new(self) -> list[str]:
        found: list[str] = []
        for folder, (changed_ns, names) in self._first.items():
            now_ns = last_change_ns(folder)
            is_same = now_ns == changed_ns and changed_ns < self._begun_ns
            present = names if is_same else (listed(folder) or frozenset())
            found += [f"{folder}/{name}" for name in present - names]
            found += self._below(folder, present & names)
        return sorted(path for path in dict.fromkeys(found) if is_own(path))

    def _below(self, folder: str, names: Collection[str]) -> list[str]:
        """The new names in the subfolders of a folder, by the times of the files."""
        found: list[str] = []
        for name in names if len(names) <= _MOST_BELOW else ():
            path = f"{folder}/{name}"
            changed_ns = last_change_ns(path, is_folder=True)
            if changed_ns is not None and changed_ns >= self._begun_ns and path not in self._first:
                inner = (f"{path}/{one}" for one in listed(path) or ())
                found += [one for one in inner if (last_change_ns(one) or 0) >= self._begun_ns]
        return found


def listed(folder: str) -> frozenset[str] | None:
    """The names in a folder; `None` if it cannot be read, or has too many."""
    found = []
    try:
        with _scandir(folder) as entries:
            for entry in entries:
                found.append(entry.name)
                if len(found) > _MOST:
                    return None
    except OSError:
        return None
    return frozenset(found) - _SKIPPED


def is_own(path: str) -> bool:
    """Whether a path exists and belongs to this user."""
    try:
        return bool(_lstat(path).st_uid == _geteuid())
    except OSError:
        return False


def kind_of(path: str) -> str:
    """The kind of a path, in one word; '' if it does not exist."""
    try:
        mode = _lstat(path).st_mode
    except OSError:
        return ""
    folder, _, name = path.rpartition("/")
    if folder == SEGMENTS:
        return "semaphore" if name.startswith("sem.") else "segment"
    kinds = {stat.S_IFDIR: "directory", stat.S_IFIFO: "fifo", stat.S_IFSOCK: "socket", stat.S_IFLNK: "link"}
    return kinds.get(stat.S_IFMT(mode), "file")


def temporary() -> str:
    """The folder that `tempfile` uses. Its own function could create a file."""
    known = foreign.namespace("tempfile").get("tempdir")
    return _realpath(known if type(known) is str else spelling.temporary())


def last_change_ns(path: str, *, is_folder: bool = False) -> int | None:
    """The time of a path's last change, in ns; `None` if it does not exist, or if it is no folder but must be one."""
    try:
        status = _lstat(path)
    except OSError:
        return None
    return (
        None
        if is_folder and not stat.S_ISDIR(status.st_mode)
        else max(status.st_mtime_ns, status.st_ctime_ns)
    )


def _folders(namespaces: Iterable[dict[str, Any]], files: Iterable[str]) -> list[str]:
    found = [temporary(), SEGMENTS, os.curdir, *_RUNNING]
    found += [os.environ[name] for name in ("XDG_RUNTIME_DIR",) if name in os.environ]
    found += [_dirname(file) for file in files]
    found += _named(namespaces)
    return list(dict.fromkeys(map(_realpath, found)))


def _named(namespaces: Iterable[dict[str, Any]]) -> list[str]:
    """The folders that texts and paths in some namespaces name."""
    found: dict[str, None] = {}
    for namespace in namespaces:
        for name, value in list(dict.items(namespace)):
            text = _path_text(value) if type(name) is str and not name.startswith("__") else ""
            if _isabs(text) and "\n" not in text and "\0" not in text:
                folder = text if last_change_ns(text, is_folder=True) is not None else _dirname(text)
                found[folder] = None
    return list(found)[:_MOST_NAMED]


def _path_text(value: Any) -> str:
    """The text of a path; '' for anything else."""
    if type(value) is str:
        return value
    return str(value) if foreign.class_name(type(value)) in _PATHS else ""


_PATHS = frozenset({"pathlib.PosixPath", "pathlib._local.PosixPath"})
