"""Read event loops that are not asyncio's own: uvloop's, which replace them, and trio's runs.

uvloop's loops and handles are C objects without attributes, but they show the collector what they refer to. trio lists
its tasks only to code in its own thread; but one task of a run leads to all others, from any thread.
"""

from __future__ import annotations

import collections
import sys
import weakref
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from pytest_reloadleak.effects.loops.asyncio_loops import Entry, signal_name
from pytest_reloadleak.heap import foreign, instances

_UV_HANDLE, _UV_TIMER, _UV_POLL = "uvloop.loop.Handle", "uvloop.loop.TimerHandle", "uvloop.loop.UVPoll"


def is_uvloop(loop: Any) -> bool:
    """Whether a loop is one of uvloop's."""
    return any(foreign.class_module(cls).partition(".")[0] == "uvloop" for cls in foreign.mro(type(loop)))


def uv_entries(loop: Any) -> Iterator[Entry]:
    """Every handle of a uvloop loop."""
    for listed in instances.referents(loop):
        if type(listed) is set or type(listed) is collections.deque:
            for handle in list(listed):
                if foreign.type_name(handle) in {_UV_HANDLE, _UV_TIMER}:
                    yield _uv_entry("handle", handle)
        elif type(listed) is dict:
            for key, value in list(listed.items()):
                if foreign.type_name(value) == _UV_HANDLE:
                    yield _uv_entry(f"signal handler {signal_name(key)} on loop", value)
                elif foreign.type_name(value) == _UV_POLL:
                    pair = instances.referents(value)[-2:]
                    for word, handle in zip(("reader", "writer"), pair, strict=False):
                        if foreign.type_name(handle) == _UV_HANDLE:
                            yield _uv_entry(word, handle)


def uv_containers(loop: Any) -> Iterator[Any]:
    """The sets and queues of handles."""
    yield from (o for o in instances.referents(loop) if type(o) is set or type(o) is collections.deque)


def twisted_containers() -> Iterator[Any]:
    """The lists of delayed calls of Twisted's reactor, if the program has one."""
    reactor = dict.get(foreign.namespace("twisted.internet"), "reactor")
    attributes = foreign.instance_dict(reactor) or {}
    for name in ("_pendingTimedCalls", "_newTimedCalls"):
        if type(attributes.get(name)) is list:
            yield attributes[name]


def uv_asyncgens(loop: Any) -> Any:
    """The weak set of async generators."""
    return next((o for o in instances.referents(loop) if type(o) is weakref.WeakSet), None)


def _uv_entry(word: str, handle: Any) -> Entry:
    referents = instances.referents(handle)
    own = [o for o in referents if foreign.class_module(type(o)).partition(".")[0] != "uvloop"]
    callback = next((o for o in own if callable(o)), None)
    args = next((o for o in own if type(o) is tuple), ())
    is_timer = foreign.type_name(handle) == _UV_TIMER
    return Entry("call_later timer" if is_timer else word, handle, callback, args)


def uv_is_cancelled(handle: Any) -> bool:
    """Whether a handle has nothing left to call."""
    return _uv_entry("", handle).callback is None


class TrioRuns:
    """The trio runs found so far, by their root tasks."""

    def __init__(self) -> None:
        self._roots: dict[int, weakref.ref[Any]] = {}

    def classes(self) -> tuple[type, ...]:
        """The classes whose live instances `take` needs."""
        trio = sys.modules.get("trio.lowlevel")
        return (vars(trio)["Task"],) if trio is not None else ()

    def take(self, objects: list[Any]) -> None:
        """Remember the runs of the tasks among `objects`."""
        for cls in self.classes():
            for o in objects:
                if type(o) is cls:  # trio forbids subclasses
                    self._add(o)

    def _add(self, task: Any) -> None:
        while task.parent_nursery is not None:
            task = task.parent_nursery.parent_task
        known = self._roots.get(id(task))
        if known is None or known() is not task:
            self._roots[id(task)] = weakref.ref(task)

    def tasks(self) -> list[Any]:
        """Every task of the known runs, including the run of the current thread."""
        trio = sys.modules.get("trio.lowlevel")
        if trio is None:
            return []
        with suppress(RuntimeError):  # no run in this thread
            root = vars(trio)["current_root_task"]()
            if root is not None:
                self._add(root)
        alive = [root for reference in self._roots.values() if (root := reference()) is not None]
        self._roots = {id(root): self._roots[id(root)] for root in alive}
        for task in alive:  # the list grows while the loop runs
            for nursery in list(task.child_nurseries):
                alive += nursery.child_tasks
        return [task for task in alive if not is_over(task)]


def is_over(task: Any) -> bool:
    """Whether a trio task has ended."""
    coroutine = task.coro
    return foreign.type_name(coroutine) == "coroutine" and coroutine.cr_frame is None


def parent(task: Any) -> Any:
    """The trio task that waits for this one."""
    return task.parent_nursery.parent_task if task.parent_nursery is not None else None
