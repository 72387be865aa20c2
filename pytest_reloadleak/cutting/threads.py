"""Stop a thread of the program, if something can stop it: a method, or an event that it reads or waits for."""

from __future__ import annotations

import re
import sys
import threading
import time
import types
import weakref
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from pytest_reloadleak.cures.knowledge import QUEUES, STOPS
from pytest_reloadleak.cutting.cut import CannotCutError
from pytest_reloadleak.heap import foreign, sources
from pytest_reloadleak.heap.collector import current_frames
from pytest_reloadleak.heap.own_objects import outward
from pytest_reloadleak.heap.references import frame_locals

PATIENCE_S = 1.0
"""Seconds that a thread may take to end after it was asked to stop."""
_PAUSE_S = 0.005

_STOPS = re.compile(r"(^|_)(stop|cancel|exit|quit|shutdown|terminate|finish|close|done|end)", re.IGNORECASE)
"""Beginnings of words in the names of events that stop a thread."""
_OWN_WAIT = vars(threading.Event)["wait"].__code__
_SET: Callable[[Any], None] = threading.Event.set
_CANCEL: Callable[[Any], None] = threading.Timer.cancel
_sleep, _now_s = time.sleep, time.monotonic
_enumerate = threading.enumerate


def stop(ident: int, thread: weakref.ref[Any] | None) -> None:
    """Stop a thread and wait until it has ended.

    Args:
        ident: the thread's ident.
        thread: its object of `threading`; `None` for a raw thread.

    Raises:
        CannotCutError: nothing stops it, or it goes on.
    """
    is_asked = False
    for ask in _requests(ident, thread() if thread is not None else None):
        try:
            ask()
        except Exception:  # noqa: BLE001, S112 - a method of the program that does not stop it; the next one may
            continue
        is_asked = True
        if _has_ended(ident):
            return
    if is_asked:
        raise CannotCutError(f"the thread still runs {PATIENCE_S:g} s after it was asked to stop")
    if _has_ended(ident, 0.0):
        return
    raise CannotCutError("the thread has nothing that stops it: no method, and no event that it waits for")


def functions_of(timers: Iterable[threading.Timer]) -> list[weakref.ref[Any]]:
    """Weak references to the functions that timers call."""
    found = {id(o): o for timer in timers if (o := _called(timer)) is not None}
    return [weakref.ref(o) for o in found.values()]


def cancel(functions: Iterable[weakref.ref[Any]]) -> None:
    """Cancel the timers that call some functions, and those that these functions set meanwhile, until none is left.

    Args:
        functions: weak references to the functions.
    """
    wanted = list(functions)
    deadline = _now_s() + PATIENCE_S
    while any(_cancel_each(wanted)) and _now_s() < deadline:
        _sleep(_PAUSE_S)


def _cancel_each(wanted: Iterable[weakref.ref[Any]]) -> list[int]:
    """Cancel the timers that run now; returns their idents."""
    ids = {id(o) for reference in wanted if (o := reference()) is not None}
    running = [thread for thread in _enumerate() if issubclass(type(thread), threading.Timer)]
    found: list[Any] = [timer for timer in running if id(_called(timer)) in ids]
    for timer in found:
        _CANCEL(timer)
    return [timer.ident for timer in found]


def _called(timer: Any) -> Any:
    """The function that a timer calls, or that of a bound method; `None` if it has no weak references."""
    function = dict.get(foreign.instance_dict(timer) or {}, "function")
    if type(function) is types.MethodType:
        function = function.__func__
    return function if type(function) is types.FunctionType else None


def _has_ended(ident: int, patience_s: float = PATIENCE_S) -> bool:
    deadline = _now_s() + patience_s
    while ident in current_frames():
        if _now_s() >= deadline:
            return False
        _sleep(_PAUSE_S)
    return True


def _requests(ident: int, thread: Any) -> Iterator[Callable[[], object]]:
    """Functions that may stop a thread, the surest first."""
    if thread is not None and issubclass(type(thread), threading.Timer):
        yield partial(_CANCEL, thread)
    own = foreign.instance_dict(thread) or {} if thread is not None else {}
    target = dict.get(own, "_target")
    owners: list[Any] = [
        o for o in (thread, target.__self__ if type(target) is types.MethodType else None) if o is not None
    ]
    for owner in owners:
        # The `stop` of an event loop does not wake a loop that waits.
        if foreign.defines(type(owner), "call_soon_threadsafe"):
            yield partial(owner.call_soon_threadsafe, owner.stop)
        else:
            yield from _methods(owner)
    yield from _executors(own)
    named = [(name, o) for owner in owners for name, o in (foreign.instance_dict(owner) or {}).items()]
    given = [("", o) for o in (*_tuple(dict.get(own, "_args")), *(dict.get(own, "_kwargs") or {}).values())]
    frames = list(outward(current_frames().get(ident)))
    named += [pair for frame in frames if frame.f_code is not _OWN_WAIT for pair in frame_locals(frame)]
    events = [(foreign.text(name), o) for name, o in named if _is_event(o)]
    yield from (partial(_SET, o) for name, o in events if _STOPS.search(name))
    waited = [dict(frame_locals(frame)).get("self") for frame in frames if frame.f_code is _OWN_WAIT]
    yield from (partial(_SET, o) for o in waited if _is_event(o))
    yield from (partial(_SET, o) for _, o in given if _is_event(o))
    for frame in frames:
        yield from _from_code(frame)


def _from_code(frame: types.FrameType) -> Iterator[Callable[[], object]]:
    """Functions that end a frame's loop: they stop its event loop, change its flag or put `None` into its queue."""
    code, values = frame.f_code, dict(frame_locals(frame))
    owner: Any = values.get(code.co_varnames[0]) if code.co_argcount else None
    module = foreign.module_name(frame.f_globals)
    if module == "asyncio.base_events" and foreign.code_text(code) == "run_forever":
        yield partial(owner.call_soon_threadsafe, owner.stop)
    if module.partition(".")[0] in sys.stdlib_module_names:
        return
    tables: tuple[dict[Any, Any], ...] = (foreign.instance_dict(owner) or {}, frame.f_globals, values)
    for name, ends in sources.flags(code).items():
        for table in tables[:2]:
            if table.get(name) is (not ends):
                yield partial(dict.__setitem__, table, name, ends)
    if "get" in code.co_names and sources.compares_with_none(code):
        names = (*code.co_names, *code.co_varnames)
        read = [o for table in tables for name in names if (o := table.get(name)) is not None]
        yield from (partial(o.put, None) for o in read if foreign.type_name(o) in QUEUES)


def _methods(owner: Any) -> Iterator[Callable[[], object]]:
    """Methods of the program's own classes whose names say that they stop something."""
    for cls in foreign.mro(type(owner)):
        if foreign.class_module(cls) in {"threading", "builtins"}:
            continue
        for name in STOPS:
            method = foreign.class_dict(cls).get(name)
            if type(method) is types.FunctionType:
                yield types.MethodType(method, owner)


def _executors(own: dict[Any, Any]) -> Iterator[Callable[[], object]]:
    """The executor of `concurrent.futures` that owns the thread: the first argument of its function refers to it."""
    for argument in _tuple(dict.get(own, "_args"))[:1]:
        executor = argument() if type(argument) is weakref.ref else None
        if executor is not None and foreign.class_module(type(executor)) == "concurrent.futures.thread":
            yield partial(executor.shutdown, wait=False, cancel_futures=True)


def _is_event(o: Any) -> bool:
    return issubclass(type(o), threading.Event)


def _tuple(o: Any) -> tuple[Any, ...]:
    return o if type(o) is tuple else ()
