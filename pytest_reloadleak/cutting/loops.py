"""End what is pending on an event loop: cancel tasks and timers, remove readers, close async generators."""

from __future__ import annotations

import sys
import threading
import time
import types
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from pytest_reloadleak.cutting import edges
from pytest_reloadleak.cutting.cut import CannotCutError
from pytest_reloadleak.effects.loops import asyncio_children
from pytest_reloadleak.effects.loops.asyncio_objects import field, library
from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import foreign, instances

_TURNS = 6
"""Turns of a loop that does not run by itself: a cancelled task may need several to end."""
_PATIENCE_S = 1.0
"""Seconds that a loop in another thread may take."""
_PAUSE_S = 0.005

_sleep, _now_s = time.sleep, time.monotonic


class _Calls(NamedTuple):
    """Weak references to what a timer calls. By the time of the removal its function may have set the next timer."""

    loop: weakref.ref[Any]
    parts: tuple[weakref.ref[Any], ...]


def removal(o: Any, path: str) -> Callable[[], None]:
    """A function that ends a task, timer, callback, future or async generator, to which it refers weakly.

    Args:
        o: the object.
        path: the name of the effect. It begins with the word for the use of a handle.
    """
    return partial(_end, weakref.ref(o), path, _calls(o))


def close_child(pid: int) -> None:
    """Close what a loop has for a child, if it has something, and let it notice that the child has ended."""
    transports = instances.instances([cls for cls in asyncio_children.classes() if cls is not None])
    o = next((one for one in transports if asyncio_children.transported(one)[0] == pid), None)
    if o is None:
        return
    loop = field(o, "_loop")
    if loop is None:  # of uvloop
        loop = next(
            (part for part in gc.get_referents(o) if foreign.defines(type(part), "run_forever")), None
        )
    _in_loop(loop, o.close)
    deadline = _now_s() + _PATIENCE_S
    while o.get_returncode() is None and _now_s() < deadline:
        _sleep(_PAUSE_S)
        _in_loop(loop, _nothing)


def _nothing() -> None:
    """Let the loop turn."""


def _calls(o: Any) -> _Calls | None:
    asyncio = library()
    if asyncio is None or not issubclass(type(o), asyncio.timer):
        return None
    try:
        return _Calls(weakref.ref(field(o, "_loop")), tuple(map(weakref.ref, _parts(field(o, "_callback")))))
    except TypeError:
        return None


def _parts(callback: Any) -> tuple[Any, ...]:
    """A callback, or the parts of a method, since each access creates a new method."""
    return (callback.__self__, callback.__func__) if type(callback) is types.MethodType else (callback,)


def _cancel_alike(calls: _Calls) -> None:
    """Cancel the timers that call the same, where their loop runs: elsewhere each may set the next one meanwhile."""
    loop = calls.loop()
    if loop is not None:
        _in_loop(loop, partial(_cancel_each, calls))


def _cancel_each(calls: _Calls) -> None:
    wanted = [part() for part in calls.parts]
    if any(part is None for part in wanted):
        return
    for timer in list(field(calls.loop(), "_scheduled") or ()):
        parts = _parts(field(timer, "_callback"))
        if len(parts) == len(wanted) and all(one is other for one, other in zip(parts, wanted, strict=True)):
            timer.cancel()


def _end(reference: weakref.ref[Any], path: str, calls: _Calls | None) -> None:
    """End the object, and let its loop turn.

    Raises:
        CannotCutError: nothing ends it, or it goes on.
    """
    o = reference()
    if o is None:
        if calls is not None:
            _cancel_alike(calls)
        return
    asyncio = library()
    if asyncio is None or foreign.class_module(type(o)).partition(".")[0] == "trio":
        raise CannotCutError("only asyncio's tasks and timers can be cancelled from outside")
    loop = field(o, "_loop")
    if type(o) is types.AsyncGeneratorType:
        _close(o)
    elif issubclass(type(o), asyncio.handle) and field(o, "_cancelled") is True:
        _drop(o)
    elif issubclass(type(o), asyncio.handle):
        remove = _removal(loop, o, path)
        _in_loop(loop, remove if remove is not None else o.cancel)
        if calls is not None:
            _cancel_alike(calls)
    elif asyncio.is_future(o):
        _in_loop(loop, o.cancel)
        if not _is_over(o, loop):
            raise CannotCutError("it went on after it was cancelled")
    elif foreign.type_name(o) in _OF_UVLOOP:
        o.cancel()
    else:
        raise CannotCutError(f"a {foreign.type_name(o)} has no end of its own")


def _drop(handle: Any) -> None:
    """Remove a cancelled handle from what keeps it, since cancelling it again would change nothing."""
    for owner in gc.get_referrers(handle):
        remove = (
            edges.removal((owner, handle), 1, {id(handle)}) if type(owner) is not types.FrameType else None
        )
        if remove is not None:
            remove()


_OF_UVLOOP = frozenset({"uvloop.loop.Handle", "uvloop.loop.TimerHandle"})


def _removal(loop: Any, handle: Any, path: str) -> Callable[[], object] | None:
    """The loop's own function that removes a reader, writer or signal handler; `None` for any other handle."""
    word = path.partition(" ")[0]
    if word in {"reader", "writer"}:
        keys = field(field(loop, "_selector"), "_fd_to_key") or {}
        for number, key in list(keys.items()):
            data = key.data if type(key.data) is tuple else ()
            for at, one in enumerate(data):
                if one is handle:
                    return lambda: (loop.remove_reader, loop.remove_writer)[at](number)
    if word == "signal":
        for number, one in list((field(loop, "_signal_handlers") or {}).items()):
            if one is handle:
                return lambda: loop.remove_signal_handler(number)
    return None


def _in_loop(loop: Any, action: Callable[[], object]) -> None:
    """Call a function in the thread of a loop, and let the loop turn."""
    if loop is None or loop.is_closed():
        action()
    elif loop.is_running():
        done = threading.Event()
        loop.call_soon_threadsafe(action)
        for _ in range(_TURNS):
            done.clear()
            loop.call_soon_threadsafe(done.set)
            done.wait(_PATIENCE_S)
    else:
        action()
        for _ in range(_TURNS):
            loop.call_soon(loop.stop)
            loop.run_forever()


def _is_over(future: Any, loop: Any) -> bool:
    deadline = _now_s() + (_PATIENCE_S if loop is not None and loop.is_running() else 0)
    while not future.done():
        if _now_s() >= deadline:
            return False
        _sleep(_PAUSE_S)
    return True


def _close(generator: Any) -> None:
    """Close a suspended async generator on the loop that has it, or on a new loop if none has it."""
    asyncio: Any = sys.modules["asyncio"]
    own = library()
    found = own.policy() if own is not None else None
    loop = field(field(found, "_local"), "_loop")
    if loop is not None and not loop.is_closed() and not loop.is_running():
        loop.run_until_complete(generator.aclose())
        return
    fresh = asyncio.new_event_loop()
    try:
        fresh.run_until_complete(generator.aclose())
    finally:
        fresh.close()
