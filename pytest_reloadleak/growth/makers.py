"""Find the lines of the target that make names in the file system, and those of the names that stay."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import NamedTuple

from pytest_reloadleak.effects import spelling
from pytest_reloadleak.growth.fresh_names import opened
from pytest_reloadleak.growth.places import (
    SEGMENTS,
    TICK_NS,
    is_own,
    kind_of,
    last_change_ns,
    listed,
    temporary,
)
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.holders.retention import GRACE, Stack
from pytest_reloadleak.holders.search import Search

ROUNDS = 4
"""Number of watched rounds: the names of two should be gone, since a program may keep those of the last generation."""
_MANY = 1000
"""A folder with more names is listed only after a line that changed it, and where the target's code begins and ends."""

_LONGEST_REST_S = 5.0
_DOUBTFUL_SHARE = 0.25
"""The share of a rate at which names appear without the target that makes all of them doubtful."""

_now_s, _sleep = time.monotonic, time.sleep
_listdir, _fstat, _lstat, _open = os.listdir, os.fstat, os.lstat, open
_realpath, _split = os.path.realpath, os.path.split
_now_ns = time.time_ns
_DESCRIPTORS = "/dev/fd"


class NamesLeft(NamedTuple):
    """The names that one line of the target leaves in the file system, as values."""

    kind: str
    """`file`, `directory`, `link`, `socket`, `fifo`, `segment` or `semaphore`."""
    path: str
    """The name as reports spell it, with `*` for what differs between the names."""
    is_temporary: bool
    """Whether it is in the folder that `tempfile` uses."""
    per_round: float
    paths: tuple[str, ...]
    stack: Stack
    cure: str | None = None
    """What removes the present generation's; `None` where the target has no name for it."""


class Makers:
    """Observes which line of the target makes which name.

    Args:
        new: the paths that the rounds so far left.
    """

    def __init__(self, new: Collection[str]) -> None:
        self._directory = os.getcwd()
        self._folders = sorted({_split(path)[0] for path in new})
        self._times: dict[str, tuple[int, int]] = {}
        """The times of each folder's last change and of its listing, in ns."""
        self._names = {folder: self._listed(folder) for folder in self._folders}
        # What was there before the check counts too: a program that keeps its newest logs removes those first.
        self._before = frozenset(new).union(f"{folder}/{n}" for folder, ns in self._names.items() for n in ns)
        self._made: dict[str, tuple[int, Stack]] = {}
        self._others: list[str] = []
        """The paths that appeared while no code of the target ran."""
        self._spent_s = {True: 0.0, False: 0.0}
        """How long code of the target ran, and how long none did."""
        self._looked_s = _now_s()
        self.round = 0
        """Number of the watched round."""
        self.is_doubtful = False
        """Whether names that the target may have made were left out because other programs make such names too."""

    def look(self, *, is_inside: bool, is_edge: bool, stack: Callable[[], Stack]) -> None:
        """Note the names that a line of the target has made."""
        self._note_time(is_inside=is_inside)
        for folder in self._folders:
            if len(self._names[folder]) > _MANY and not is_edge and self._is_same(folder):
                continue
            now = self._listed(folder)
            more = now - self._names[folder]
            self._names[folder] = now
            if more and is_inside:
                found = stack()
                self._made |= {f"{folder}/{name}": (self.round, found) for name in more}
            else:
                self._others += [f"{folder}/{name}" for name in more]

    def _rest(self) -> None:
        """Wait about as long as the target ran, and note which names appear without it.

        Only then can names that other processes make in a shared folder be told from the target's: a reload that takes
        seconds has some in each round. Nothing is waited for unless the target seems to leave names.
        """
        if any(rounds for _, _, rounds in self._families()):
            missing_s = min(self._spent_s[True] - self._spent_s[False], _LONGEST_REST_S)
            _sleep(max(missing_s, 0))
            self.look(is_inside=False, is_edge=True, stack=tuple)

    def _note_time(self, *, is_inside: bool) -> None:
        before_s, self._looked_s = self._looked_s, _now_s()
        self._spent_s[is_inside] += self._looked_s - before_s

    def _listed(self, folder: str) -> frozenset[str]:
        self._times[folder] = (last_change_ns(folder) or 0, _now_ns())
        return listed(folder) or frozenset()

    def _is_same(self, folder: str) -> bool:
        before_ns, listed_ns = self._times[folder]
        return last_change_ns(folder) == before_ns and before_ns < listed_ns - TICK_NS

    def found(self) -> list[NamesLeft]:
        """The names that stay although their generation is gone, more with each round.

        A name that is open or has a finalizer is left to the probes, which see its user.
        """
        self._rest()
        out = []
        for kind, paths, rounds in self._families():
            path = f"{_split(paths[0])[0]}/{_name(paths)}"
            is_doubtful = bool(rounds) and self._may_be_others(path, rounds, len(paths))
            self.is_doubtful |= is_doubtful
            if rounds and not is_doubtful:
                gone = sum(1 for old in self._before if _is_like(old, path) and not is_own(old))
                if len(paths) > gone:
                    out.append(self._left(kind, path, paths, len(paths) - gone, self._made[paths[0]][1]))
        return out

    def _families(self) -> list[tuple[str, list[str], set[int]]]:
        """Kind and paths of the names that belong together, and the rounds that made them if they stay too long."""
        made = {path: born for path, born in self._made.items() if is_own(path)}
        used = _in_use() | _to_be_removed() if made else frozenset()
        families: dict[tuple[str, str, Stack], list[str]] = {}
        for path, (_, stack) in made.items():
            if used.isdisjoint((path, _inode(path))):
                families.setdefault((_split(path)[0], kind_of(path), stack[:1]), []).append(path)
        out = []
        for (_, kind, _), paths in sorted(families.items()):
            rounds = {made[path][0] for path in paths}
            is_old = len(rounds) > 1 and min(rounds) <= ROUNDS - 1 - GRACE
            out.append((kind, paths, rounds if is_old else set()))
        return out

    def _may_be_others(self, pattern: str, rounds: Collection[int], count: int) -> bool:
        """Whether other programs may have made these names, since such names appear while the target does not run."""
        others = sum(1 for path in self._others if _is_like(path, pattern) or _begins_like(path, pattern))
        inside_s, outside_s = self._spent_s[True], self._spent_s[False]
        # By rate, since the rest may have been shorter than the target's own time.
        is_usual = _DOUBTFUL_SHARE * count * outside_s <= others * inside_s
        return others > 0 and (is_usual or others >= min(ROUNDS, count) or len(rounds) < ROUNDS)

    def _left(self, kind: str, path: str, paths: list[str], count: int, stack: Stack) -> NamesLeft:
        folder = _split(path)[0]
        is_temporary = f"{folder}/".startswith(f"{temporary()}/")
        is_listed = folder == SEGMENTS
        shown = path.removeprefix(f"{SEGMENTS}/") if is_listed else spelling.file(path, self._directory).exact
        return NamesLeft(kind, shown, is_temporary, round(count / ROUNDS, 2), tuple(sorted(paths)), stack)


def with_cures(left: Iterable[NamesLeft], search: Search) -> tuple[NamesLeft, ...]:
    """Some names with what removes those of the present generation.

    Args:
        left: the names.
        search: has the target's namespaces.
    """
    from pytest_reloadleak.cures.effects import left_names  # only what leaks needs a cure
    from pytest_reloadleak.cures.writing import written

    def cure(one: NamesLeft) -> str | None:
        write = partial(left_names.cure, one.kind, one.paths)
        return written(write, search.target, search.namespaces, search.given)

    return tuple(one._replace(cure=cure(one)) for one in left)


def _name(paths: list[str]) -> str:
    return opened([_split(path)[1] for path in paths])[0]


def _is_like(path: str, pattern: str) -> bool:
    """Whether a path matches a pattern."""
    head, _, tail = pattern.partition("*")
    tail = tail.rpartition("*")[2]
    return path.startswith(head) and path.endswith(tail)


def _begins_like(path: str, pattern: str) -> bool:
    """Whether two names in one folder have the same word in front of what may be random, such as `job-`."""
    (folder, name), (other_folder, other) = _split(path), _split(pattern)
    word = _WORD.match(name)
    return folder == other_folder and word is not None and other.startswith(word[0])


_WORD = re.compile(r"[A-Za-z]+[-_.]")

_Inode = tuple[int, int]
"""Device and inode."""


def _inode(path: str) -> _Inode:
    try:
        status = _lstat(path)
    except OSError:
        return (0, 0)
    return status.st_dev, status.st_ino


def _in_use() -> frozenset[_Inode | str]:
    """The open files of this process, and the paths of bound sockets: the probe for descriptors finds these."""
    found: set[_Inode | str] = set()
    for number in map(int, _listdir(_DESCRIPTORS)):
        try:
            status = _fstat(number)
        except OSError:
            continue
        found.add((status.st_dev, status.st_ino))
    bound = (line.split(maxsplit=7) for line in _lines("/proc/net/unix"))
    return frozenset(found).union(_realpath(parts[7]) for parts in bound if len(parts) > 7)


def _lines(path: str) -> list[str]:
    """The lines of one of the system's lists; empty if the system has no such list."""
    try:
        with _open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read().splitlines()
    except OSError:
        return []


def _to_be_removed() -> frozenset[str]:
    """The paths among the arguments of finalizers of `weakref`, such as that of a `TemporaryDirectory`."""
    finalize = foreign.namespace("weakref").get("finalize")
    if finalize is None or not foreign.is_class(finalize):
        return frozenset()
    infos = list(foreign.class_dict(finalize)["_registry"].values())
    return frozenset(_realpath(argument) for info in infos for argument in info.args if type(argument) is str)
