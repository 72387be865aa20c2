"""Call a watcher after each line of the target's code, for some rounds, so that it sees what the line changed."""

from __future__ import annotations

import threading
import time
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from pytest_reloadleak.heap import foreign
from pytest_reloadleak.heap.own_objects import outward
from pytest_reloadleak.holders.retention import Stack
from pytest_reloadleak.watchpoints.stacks import Ranks
from pytest_reloadleak.watchpoints.tracers import tracer

_get_ident, _now_s = threading.get_ident, time.perf_counter
BUDGET_S = 0.5
"""Seconds for the looks of some watched rounds. When they are used up, looks follow only where the target's code begins
and ends: a target that runs a hundred thousand lines would take minutes."""


class Watcher(Protocol):
    """Looks at something that the target's code may change."""

    def look(self, *, is_inside: bool, is_edge: bool, stack: Callable[[], Stack]) -> None:
        """Compare with the previous look.

        Args:
            is_inside: whether code of the target has been on a stack since then.
            is_edge: whether the target's code has just begun or ended, and not only one of its lines.
            stack: returns the stack of the line that was executed since then.
        """


class _Lines:
    """Turns the events of a tracer into looks of a watcher. A `Follower`."""

    def __init__(self, owns: Callable[[str], bool], watcher: Watcher) -> None:
        self.ranks = Ranks(owns, lambda _: None)
        self._watcher = watcher
        self._depths: dict[int, int] = {}
        """The number of frames of the target that each thread runs."""
        self._at: dict[int, int] = {}
        """The line of the target that each thread executes, in the innermost of these frames."""
        self.failure: str | None = None
        self._left_s = BUDGET_S

    def begins(self, frame: types.FrameType) -> bool:
        """Look at what the caller's line did, unless the frame runs no code of the target."""
        if self.ranks.of(frame) is None:
            return False
        thread = _get_ident()
        depth = self._depths.get(thread, 0)
        self._look(frame.f_back, thread, is_edge=not depth)
        self._depths[thread] = depth + 1
        self._at[thread] = frame.f_lineno or 0
        return True

    def at(self, frame: types.FrameType, line: int) -> None:
        """Look at what the previous line did."""
        thread = _get_ident()
        self._depths.setdefault(thread, 1)  # it ran before the first event
        self._look(frame, thread)
        self._at[thread] = line

    def left(self, frame: types.FrameType, value: object) -> None:
        """Look at what the last line did."""
        del value
        if self.ranks.of(frame) is None:
            return
        thread = _get_ident()
        depth = self._depths.get(thread, 1) - 1
        self._look(frame, thread, is_edge=not depth)
        above = self._above(frame.f_back) if depth > 0 else None
        if above is not None:
            self._depths[thread], self._at[thread] = depth, above.f_lineno or 0
        else:
            self._depths.pop(thread, None)
            self._at.pop(thread, None)

    def _above(self, frame: types.FrameType | None) -> types.FrameType | None:
        return next((f for f in outward(frame) if self.ranks.of(f) is not None), None)

    def _look(self, frame: types.FrameType | None, thread: int, *, is_edge: bool = False) -> None:
        if self.failure is not None or (self._left_s < 0 and not is_edge):
            return
        begun_s = _now_s()
        try:
            self._watcher.look(
                is_inside=bool(self._depths),
                is_edge=is_edge,
                stack=lambda: self._stack(frame, self._at.get(thread, 0)),
            )
        except Exception as error:  # noqa: BLE001 - it runs within the program, which must not notice
            self.failure = foreign.exception_text(error)
        self._left_s -= _now_s() - begun_s

    def _stack(self, frame: types.FrameType | None, line: int) -> Stack:
        inner = self._above(frame)
        return self.ranks.stack(inner, line) if inner is not None else ()


class Watching:
    """Whether the lines were seen. It is known when the block is over."""

    is_complete = False


@contextmanager
def watching(owns: Callable[[str], bool], watcher: Watcher) -> Iterator[Watching]:
    """Let a watcher look after each line of the target's code in the block.

    Args:
        owns: whether a module name is the target's.
        watcher: looks.

    Yields:
        An object that says after the block whether the lines were seen: not if the program or a debugger replaced the
        tracer.
    """
    lines, seen = _Lines(owns, watcher), Watching()
    traced = tracer(lines)
    failure = traced.start()
    try:
        yield seen
    finally:
        ended_early = traced.stop() if failure is None else None
        seen.is_complete = not (failure or ended_early or lines.failure)
