"""Find threads and timers: those of `threading`, and raw ones of `_thread`, which only their frames reveal."""

from __future__ import annotations

import threading
import time
import types
from collections.abc import Collection, Iterable
from typing import Any

from pytest_reloadleak.effects import stack_lines
from pytest_reloadleak.effects.loops import asyncio_children
from pytest_reloadleak.effects.probe import Effect, Identity, Probe
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.heap.collector import current_frames
from pytest_reloadleak.heap.own_objects import outward
from pytest_reloadleak.heap.references import frame_locals
from pytest_reloadleak.holders.sweep import Cause
from pytest_reloadleak.holders.trace import without_numbers

_STACK = 8
"""Frames of a thread that the report shows."""

_RAW = "_thread"
"""Holder type of a thread that `threading` does not know."""
_START_S = 0.001

_sleep = time.sleep
_enumerate = threading.enumerate
_get_ident = threading.get_ident


class Threads(Probe):
    """Threads that run."""

    name = "threads"
    kinds = ("live-thread", "live-timer")
    is_transient = True

    def identities(self) -> Iterable[Identity]:
        """Ident and address: the interpreter reuses the ident of a thread that ended."""
        known = {thread.ident: id(thread) for thread in _enumerate()}
        return [(ident, known.get(ident, 0)) for ident in current_frames()]

    def glance(self, causes: Collection[Cause]) -> Iterable[Identity]:
        """The same, without the lock of `threading`: the line may have run while that was held."""
        if any(cause.type == _RAW for cause in causes):
            _sleep(_START_S)  # a raw thread may not have begun yet: nothing waits for that
        known = {ident: id(thread) for ident, thread in dict.copy(vars(threading)["_active"]).items()}
        return {(ident, known.get(ident, 0)) for ident in current_frames()}

    def effects(self) -> list[Effect]:
        """Every thread except this one and the main one."""
        known = {thread.ident: thread for thread in _enumerate()}
        spared = {_get_ident(), threading.main_thread().ident}
        return [
            _effect(ident, known.get(ident), frame)
            for ident, frame in current_frames().items()
            if ident not in spared and not _waits_for_child(known.get(ident))
        ]


def _effect(ident: int, thread: threading.Thread | None, frame: types.FrameType) -> Effect:
    frames = list(outward(frame))
    # Since 3.11 a running frame shows the collector neither its locals nor its globals.
    also = tuple(value for f in frames for value in (f.f_globals, *(local for _, local in frame_locals(f))))
    outermost_first = tuple(reversed(frames))
    if thread is None:
        started = frames[-1].f_code
        name = f"raw thread in {foreign.code_name(started)}"
        cause = Cause("live-thread", "thread", name, _RAW)
        return Effect(
            (ident, 0),
            cause,
            outermost_first,
            also,
            frozenset({ident}),
            details=_stack(frames),
            advice=f"stop the {name} on unload; it still runs old code",
        )
    own = foreign.instance_dict(thread) or {}
    # The frames do not show whose thread it is: a pool's thread runs functions of different generations in turn.
    values: tuple[Any, ...] = (thread, *(dict.get(own, key) for key in ("_target", "function")))
    is_timer = issubclass(type(thread), threading.Timer)
    label = dict.get(own, "_name")
    name = without_numbers(foreign.text(label)) if foreign.is_text(label) else "*"
    path = f"{'timer' if is_timer else 'thread'} {foreign.key_text(name)}"
    if dict.get(own, "_daemonic") is True:
        path += " (daemon)"
    cause = Cause("live-timer" if is_timer else "live-thread", "thread", path, foreign.type_name(thread))
    return Effect(
        (ident, id(thread)),
        cause,
        tuple(value for value in values if value is not None),
        (*outermost_first, *also),
        frozenset({ident}),
        details=_stack(frames),
        advice=_advice("timer" if is_timer else "thread", path),
    )


def _waits_for_child(thread: threading.Thread | None) -> bool:
    """Whether asyncio started a thread that ends with a child, which is reported instead."""
    return asyncio_children.waits(dict.get(foreign.instance_dict(thread) or {}, "_target"))


def _advice(what: str, path: str) -> str:
    if what == "timer":
        return f"cancel() {path} on unload; it keeps old code and will call it"
    return f"stop and join() {path} on unload; it still runs old code"


def _stack(frames: list[types.FrameType]) -> tuple[str, ...]:
    """The current stack, innermost frame first."""
    return tuple(stack_lines.at(f) for f in frames[:_STACK])
