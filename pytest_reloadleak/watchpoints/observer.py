"""Follow each thread from line to line, and compare what is watched after each line.

At each event something may be new. The line that made it is not the one that begins now, but the one that the thread
has just left: the line before it, the last line of a function that returned, or the line that called one.
"""

from __future__ import annotations

import _thread
import time
import types
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from pytest_reloadleak.heap import foreign
from pytest_reloadleak.heap.collector import current_frames
from pytest_reloadleak.holders.retention import Stack
from pytest_reloadleak.watchpoints.births import Blame
from pytest_reloadleak.watchpoints.stacks import TARGET, Ranks

_now_s = time.thread_time
"""The processor time of this thread, so that a busy machine does not make a look longer."""
_get_ident = _thread.get_ident
_USUAL = 100
"""After this many visits of a line without a birth, only some of its visits cause a look."""
_SELDOM = 50
_PATIENCE_S = 5.0


class Watch(Protocol):
    """A container or list of effects that is compared after each line."""

    def look(self, blame: Blame, returned: object = None) -> None:
        """Note what is new since the last look."""

    def close(self) -> None:
        """Let go of every object of the program."""


class Follower(Protocol):
    """Receives each line, call and return of traced code. Its methods must not raise: they run within the program."""

    ranks: Ranks

    def begins(self, frame: types.FrameType) -> bool:
        """Note that a frame of the calling thread begins or goes on; returns whether its code is traced."""

    def at(self, frame: types.FrameType, line: int) -> None:
        """Note that the calling thread has arrived at a line of traced code."""

    def left(self, frame: types.FrameType, value: object) -> None:
        """Note that a frame of the calling thread returned or yielded a value, or ended by an exception."""


class Observer:
    """Receives each line, call and return of traced code; lets the watches look, and gives them the stack to blame.

    Args:
        watches: what to compare.
        ranks: whose code is traced.
        most_s: seconds that all looks together may take.
    """

    def __init__(self, watches: Iterable[Watch], ranks: Ranks, most_s: float) -> None:
        self.ranks = ranks
        self.failure: str | None = None
        """Why the observer stopped before the round was over."""
        self._watches = tuple(watches)
        self._left_s = most_s
        self._at: dict[int, tuple[types.FrameType, int]] = {}
        self._last = 0
        self._visits: dict[tuple[int, int], int] = {}
        self._is_behind = False
        """Whether a line ended without a look since the last one."""
        self._lock = _thread.allocate_lock()

    def begins(self, frame: types.FrameType) -> bool:
        """Note that a frame of the calling thread begins or goes on; returns whether its code is traced."""
        with self._turn() as is_mine:
            is_traced = is_mine and self.ranks.of(frame) is not None
            if is_traced:
                self._arrive(frame, frame.f_lineno or frame.f_code.co_firstlineno)
        return is_traced

    def at(self, frame: types.FrameType, line: int) -> None:
        """Note that the calling thread has arrived at a line of traced code."""
        with self._turn() as is_mine:
            if is_mine:
                self._arrive(frame, line)

    def left(self, frame: types.FrameType, value: object) -> None:
        """Note that a frame of the calling thread returned or yielded a value, or ended by an exception."""
        with self._turn() as is_mine:
            if is_mine and self.ranks.of(frame) is not None:
                self._leave(frame, value)

    @contextmanager
    def _turn(self) -> Iterator[bool]:
        """A block that one thread at a time runs; yields whether there is anything to do.

        A thread that waits here does not become the thread that ran last. The wait is limited: a process forked
        meanwhile has the lock, but not the thread that would release it.
        """
        if self.failure is not None or not self._lock.acquire(True, _PATIENCE_S):
            yield False
            return
        try:
            yield self.failure is None
        finally:
            self._lock.release()

    def _arrive(self, frame: types.FrameType, line: int) -> None:
        ident = _get_ident()
        if self._is_usual(ident, frame, line):
            self._is_behind = True
        else:
            self._look(ident)
        self._at[ident] = (frame, line)
        self._last = ident

    def _leave(self, frame: types.FrameType, value: object) -> None:
        ident = _get_ident()
        self._look(ident, value)
        above = self.ranks.above(frame.f_back)
        if above is None:
            self._at.pop(ident, None)
        else:
            self._at[ident] = (above, above.f_lineno or 0)
        self._last = ident

    def end(self) -> None:
        """Look a last time, and release every frame."""
        with self._turn() as is_mine:
            if is_mine:
                self._look(_get_ident())
        self.stop("it has ended")

    def stop(self, why: str) -> None:
        """Stop for good."""
        self.failure = self.failure or why
        self._at.clear()
        self._watches = ()

    def _is_usual(self, ident: int, frame: types.FrameType, line: int) -> bool:
        """Whether both the line that has run and the next one belong to a long loop in which nothing appears."""
        key = (id(frame.f_code), line)
        visits = self._visits[key] = self._visits.get(key, 0) + 1
        place = self._at.get(ident)
        if place is None or visits <= _USUAL or visits % _SELDOM == 0:
            return False
        return self._visits.get((id(place[0].f_code), place[1]), 0) > _USUAL

    def _look(self, ident: int, returned: object = None) -> None:
        begun_s = _now_s()
        found: list[Stack] = []

        def blame() -> Stack:
            if not found:
                found.append(self._blamed(ident))
                self._visits.clear()
            return found[0]

        try:
            for watch in self._watches:
                watch.look(blame, returned)
        except Exception as error:  # noqa: BLE001 - it runs within the program, which must not notice
            self.stop(f"comparing what is watched raised {foreign.exception_text(error)}")
        self._is_behind = False
        self._left_s -= _now_s() - begun_s
        if self._left_s < 0:
            self.stop("the round ran too many lines to look after each of them")

    def _blamed(self, ident: int) -> Stack:
        """The stack that made what is new: that of the thread that ran last, since threads are rarely switched."""
        if self._is_behind:
            return ()
        place = self._at.get(self._last) or self._at.get(ident)
        stack = self.ranks.stack(*place) if place is not None else ()
        return stack if _has_target(stack) else self._of_waiting() or stack

    def _of_waiting(self) -> Stack:
        """The stack of the one thread that has called something from a line of the target; empty if there is none.

        A host's thread may do what the target's line waits for. If that thread runs the target's own code at the
        moment, it waits for nothing, and the line that it is at has nothing to do with what is new.
        """
        running = current_frames()
        calling = [
            place
            for ident, place in self._at.items()
            if (frame := running.get(ident)) is not None and self.ranks.of(frame) != TARGET
        ]
        running.clear()  # it has this very frame: a cycle that would keep all callers
        stacks = [stack for stack in (self.ranks.stack(*place) for place in calling) if _has_target(stack)]
        return stacks[0] if len(stacks) == 1 else ()


def _has_target(stack: Stack) -> bool:
    return any(place.rank == TARGET for place in stack)
