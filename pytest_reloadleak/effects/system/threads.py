"""Find threads and timers: those of `threading`, and raw ones of `_thread`, which only their frames reveal."""

from __future__ import annotations

import os
import threading
import time
import types
from collections.abc import Collection, Iterable
from typing import Any

from pytest_reloadleak.effects import stack_lines
from pytest_reloadleak.effects.chains import Chains
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
_START_S, _LONGEST_START_S = 0.001, 0.1
"""How long a raw thread may take to begin: nothing waits for it. The second holds where the system shows that a thread
exists which has no frame yet, as on a machine with other work."""
_TASKS = "/proc/self/task"

_RUN, _WAIT = vars(threading.Timer)["run"].__code__, vars(threading.Event)["wait"].__code__

_listdir = os.listdir
_sleep = time.sleep
_now_s = time.monotonic
_enumerate = threading.enumerate
_get_ident = threading.get_ident


class Threads(Probe):
    """Threads that run."""

    name = "threads"
    kinds = ("live-thread", "live-timer")
    is_transient = True

    def __init__(self) -> None:
        self._chains = Chains()
        self._timers: dict[Identity, int] = {}
        """The generation in which each timer was first seen."""
        self._without_frame = 0
        """How many threads of the process ran no Python code at the last glance."""

    def identities(self) -> Iterable[Identity]:
        """Ident and address: the interpreter reuses the ident of a thread that ended."""
        threads, frames = _enumerate(), current_frames()
        known = {thread.ident: id(thread) for thread in threads}
        timers = [thread for thread in threads if issubclass(type(thread), threading.Timer)]
        if timers or self._timers:
            self._note([timer for timer in timers if _waits(frames.get(timer.ident or 0))])
        idents = list(frames)
        frames.clear()  # it has this very frame: a cycle that would keep all callers with what they refer to
        return [(ident, known.get(ident, 0)) for ident in idents]

    def _note(self, waiting: list[threading.Thread]) -> None:
        current = self.scope.generation()
        identities: list[Identity] = [(timer.ident or 0, id(timer)) for timer in waiting]
        self._timers = {identity: self._timers.get(identity, current) for identity in identities}
        self._chains.note(map(_called, waiting), current)

    def glance(self, causes: Collection[Cause]) -> Iterable[Identity]:
        """The same, without the lock of `threading`: the line may have run while that was held."""
        if any(cause.type == _RAW for cause in causes):
            self._wait_for_start()
        known = {ident: id(thread) for ident, thread in dict.copy(vars(threading)["_active"]).items()}
        return {(ident, known.get(ident, 0)) for ident in current_frames()}

    def _wait_for_start(self) -> None:
        """Give a raw thread that the last line may have started the time to begin."""
        _sleep(_START_S)
        until_s = _now_s() + _LONGEST_START_S
        while (without := _threads_without_frame()) > self._without_frame and _now_s() < until_s:
            _sleep(_START_S)
        self._without_frame = without

    def effects(self) -> list[Effect]:
        """Every thread except this one and the main one."""
        known, frames = {thread.ident: thread for thread in _enumerate()}, current_frames()
        spared = {_get_ident(), threading.main_thread().ident}
        found = [
            _effect(ident, known.get(ident), frame)
            for ident, frame in frames.items()
            if ident not in spared and not _waits_for_child(known.get(ident))
        ]
        waiting = {ident for ident, frame in frames.items() if _waits(frame)}
        frames.clear()  # as above
        return self._with_chains(found, waiting)

    def _with_chains(self, found: list[Effect], waiting: Collection[int]) -> list[Effect]:
        """The effects of threads, with the generations that began the timers which set themselves again."""
        current = self.scope.generation()
        timers = [
            (number, _called(effect.values[0]))
            for number, effect in enumerate(found)
            if effect.cause.kind == "live-timer"
            and self._timers.get(effect.identity, current) == current
            and effect.identity[0] in waiting
        ]
        dated = self._chains.dated([(name, found[number]) for number, name in timers], self.scope)
        for at, effect in dated.items():
            found[timers[at][0]] = effect
        return found


def _threads_without_frame() -> int:
    """How many threads of this process run no Python code; 0 where the system does not list them."""
    try:
        return len(_listdir(_TASKS)) - len(current_frames())
    except OSError:
        return 0


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


def _waits(frame: types.FrameType | None) -> bool:
    """Whether the thread of a timer waits for its time: later it calls its function, which may set the next one."""
    inner = None
    for outer in outward(frame) if frame is not None else ():
        if outer.f_code is _RUN:
            return inner is _WAIT
        inner = outer.f_code
    return False


def _called(timer: threading.Thread) -> str:
    """What a timer calls, in words."""
    function = dict.get(foreign.instance_dict(timer) or {}, "function")
    if type(function) is types.MethodType:
        function = function.__func__
    return foreign.function_name(function) if type(function) is types.FunctionType else ""


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
