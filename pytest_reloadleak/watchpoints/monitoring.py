"""Trace lines with `sys.monitoring` (3.12 and later) under a tool number of our own, beside coverage and debuggers."""

from __future__ import annotations

import _thread
import sys
import types
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.watchpoints.observer import Follower

_get_ident = _thread.get_ident

NAME = "pytest-reloadleak"
_NUMBERS = (4, 3, 2, 5, 1, 0)
"""Tool numbers. Those without a conventional meaning come first."""


class Monitoring:
    """Notifies an observer of each line, call and return of traced code in all threads."""

    def __init__(self, observer: Follower) -> None:
        self._observer = observer
        self._tool = -1
        self._local = 0
        self._codes: dict[int, types.CodeType] = {}

    def start(self) -> str | None:
        """Begin to trace. Returns the reason if that is not possible, else `None`."""
        monitoring = _monitoring()
        free = [number for number in _NUMBERS if monitoring.get_tool(number) is None]
        if not free:
            return "other tools use every tool number of sys.monitoring"
        self._tool = free[0]
        monitoring.use_tool_id(self._tool, NAME)
        events = monitoring.events
        self._local = events.LINE | events.PY_RETURN | events.PY_YIELD
        for event, function in self._callbacks().items():
            _register(self._tool, event, function)
        monitoring.set_events(
            self._tool, events.PY_START | events.PY_RESUME | events.PY_THROW | events.PY_UNWIND
        )
        # Another run of this tool may have switched events off for code that is now traced.
        monitoring.restart_events()
        for ident, frame in gc.current_frames().items():
            found: types.FrameType | None = frame if ident != _get_ident() else None
            while found is not None:
                if self._observer.ranks.of(found) is not None:
                    self._trace(found.f_code)
                found = found.f_back
        return None

    def stop(self) -> str | None:
        """Stop. Returns the reason if the round was not traced to its end, else `None`."""
        monitoring = _monitoring()
        if monitoring.get_tool(self._tool) != NAME:
            self._codes.clear()
            return "the program took the tool number of sys.monitoring that traced"
        for code in self._codes.values():
            monitoring.set_local_events(self._tool, code, 0)
        monitoring.set_events(self._tool, 0)
        for event in self._callbacks():
            _register(self._tool, event, None)
        monitoring.free_tool_id(self._tool)
        self._codes.clear()
        return None

    def _callbacks(self) -> dict[int, Callable[..., object]]:
        events = _monitoring().events
        return {
            events.PY_START: self._begins,
            events.PY_RESUME: self._begins,
            events.PY_THROW: self._is_thrown,
            events.LINE: self._line,
            events.PY_RETURN: self._leaves,
            events.PY_YIELD: self._leaves,
            events.PY_UNWIND: self._leaves,
        }

    def _trace(self, code: types.CodeType) -> None:
        if id(code) not in self._codes:
            self._codes[id(code)] = code
            # The trace may have ended since: then an error would reach the function that begins here.
            with suppress(ValueError):
                _monitoring().set_local_events(self._tool, code, self._local)

    def _begins(self, code: types.CodeType, _offset: int) -> object:
        if not self._observer.begins(gc.getframe(1)):
            return _monitoring().DISABLE
        self._trace(code)
        return None

    def _is_thrown(self, code: types.CodeType, _offset: int, _error: object) -> None:
        if self._observer.begins(gc.getframe(1)):
            self._trace(code)

    def _line(self, _code: types.CodeType, line: int) -> None:
        self._observer.at(gc.getframe(1), line)

    def _leaves(self, _code: types.CodeType, _offset: int, value: object) -> None:
        self._observer.left(gc.getframe(1), value)


def _monitoring() -> Any:
    return vars(sys)["monitoring"]


def _register(tool: int, event: int, function: object) -> None:
    """Register a callback with the interpreter's own function, since a check may have replaced that of programs."""
    function_of: Any = vars(_monitoring())["register_callback"]
    original = vars(function_of).get("__wrapped__") if type(function_of) is not _BUILTIN else None
    (original or function_of)(tool, event, function)


_BUILTIN = types.BuiltinFunctionType
