"""Trace lines with `sys.settrace` (3.10 and 3.11), and put back the trace functions that were set before."""

from __future__ import annotations

import sys
import threading
import types
from typing import Any

from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.watchpoints.observer import Follower

_current: Follower | None = None
"""The observer of the round that is traced. Frames and threads that outlive the round have only functions of this
module, which then do nothing."""


_displaced: Any = None
"""The trace function whose place this tool has taken."""


class Tracing:
    """Notifies an observer of each line, call and return of traced code in this thread and in new ones."""

    def __init__(self, observer: Follower) -> None:
        self._observer = observer
        self._of_threads: Any = None

    def start(self) -> str | None:
        """Begin to trace. Returns the reason if that is not possible, else `None`."""
        global _current, _displaced  # noqa: PLW0603 - see there
        if type(sys.settrace) is not types.BuiltinFunctionType:
            return "a debugger replaced sys.settrace, so no line can be traced beside it"
        _displaced, self._of_threads = sys.gettrace(), threading.gettrace()
        _current = self._observer
        threading.settrace(_called)
        sys.settrace(_called)
        return None

    def stop(self) -> str | None:
        """Put back the previous trace functions. Returns the reason if the round was not traced to its end."""
        global _current, _displaced  # noqa: PLW0603 - as above
        previous, of_threads = _displaced, self._of_threads
        _displaced = self._of_threads = None
        if threading.gettrace() is _called:
            threading.settrace(of_threads)
        is_ours = sys.gettrace() is _called
        if is_ours:  # before the observer goes: without it, the function would remove itself
            sys.settrace(previous)
        _current = None
        if is_ours and previous is not None and type(previous) not in _PYTHON:
            _introduce(previous)  # last, since from here on it receives every event
        return None if is_ours else "the program set a trace function of its own while the round was traced"


_PYTHON = (types.FunctionType, types.MethodType)


def _introduce(tracer: Any) -> None:
    """Notify a tracer that is written in C, such as coverage's, of the frames that began during the traced round.

    A tracer in Python receives events only of frames whose beginning it saw. A tracer in C also receives the ends of
    the others. It would take these for the ends of outer frames, and then miss the lines of those.
    """
    stack: list[types.FrameType] = []
    frame: types.FrameType | None = gc.getframe(1)
    while frame is not None:
        stack.append(frame)
        frame = frame.f_back
    stack.reverse()
    first = next((n for n, one in enumerate(stack) if one.f_trace is tracer), len(stack))
    began = [one for one in stack[first:] if one.f_trace is None]
    stack.clear()
    while began:
        tracer(began.pop(0), "call", None)


def _called(frame: types.FrameType, event: str, value: object) -> Any:
    """Trace the calls of traced code, the resumption of a generator included.

    A frame from before the round has the displaced tracer's function, so that tracer sees it return or yield. It must
    also see the resumption: coverage relies on seeing both.
    """
    observer = _current
    if observer is None:
        if sys.gettrace() is _called:  # a thread that outlives the round
            sys.settrace(None)
        return None
    if observer.begins(frame):
        return _within
    if frame.f_trace is None or _displaced is None:
        return None
    result = _displaced(frame, event, value)
    if sys.gettrace() is not _called:  # coverage takes its place again
        sys.settrace(_called)
    return result


def _within(frame: types.FrameType, event: str, value: object) -> Any:
    observer = _current
    if observer is None:
        frame.f_trace = None
        return None
    if event == "line":
        observer.at(frame, frame.f_lineno)
    elif event == "return":
        observer.left(frame, value)
    return _within
