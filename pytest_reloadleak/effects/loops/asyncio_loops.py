"""Find asyncio's event loops without help from the program, and list the pending work of each.

A running loop is found through its thread. No list has a loop that is merely kept, so this module searches the
collector's objects when asyncio is first seen and at each inspection. It remembers the loops found weakly.
"""

from __future__ import annotations

import collections
import types
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pytest_reloadleak.effects.loops.asyncio_objects import Library, field
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.heap.collector import current_frames
from pytest_reloadleak.heap.own_objects import outward
from pytest_reloadleak.heap.references import frame_locals
from pytest_reloadleak.holders.roots import SIGNAL_NAMES


@dataclass(slots=True, eq=False, repr=False)
class Entry:
    """One handle of a loop. Lives only while the process is inspected."""

    word: str
    """The word for what the loop uses it for."""
    handle: Any
    callback: Any
    """`None` if the handle was cancelled or belongs to the loop itself."""
    args: tuple[Any, ...] = ()


class LoopTable:
    """The event loops found so far. `owns` says whether a module name belongs to the target."""

    def __init__(self, asyncio: Library, owns: Callable[[str], bool]) -> None:
        self._asyncio = asyncio
        self._owns = owns
        self._before: dict[int, weakref.ref[Any]] = {}
        self._modules: dict[str, int] = {}
        """By name, the ids of modules that need no further search."""
        self._known: dict[int, weakref.ref[Any]] = {}

    def loops(self) -> list[Any]:
        """Loops that are known or easy to find."""
        for loop in self._at_hand():
            self._add(loop)
        loop = None  # the last one is a value of the target, and a frame may outlive its call
        alive = [loop for reference in self._known.values() if (loop := reference()) is not None]
        self._known = {id(loop): self._known[id(loop)] for loop in alive}
        return alive

    def begin(self) -> None:
        """Record that the loops known now existed before the run."""
        self._before = dict(self._known)

    def piling_up(self, threads_before: set[int]) -> set[int]:
        """Ids of the run's loops in threads with idents other than `threads_before`, if there is more than one.

        Then the threads pile up, and the work on their loops ends with them. A single loop belongs to the program,
        though the first round may have started it.
        """
        idents = {id(loop): field(loop, "_thread_id") for loop in self.loops() if self._is_new(loop)}
        apart = {key for key, ident in idents.items() if type(ident) is int and ident not in threads_before}
        return apart if len(apart) > 1 else set()

    def _is_new(self, loop: Any) -> bool:
        reference = self._before.get(id(loop))
        return reference is None or reference() is not loop

    def classes(self) -> tuple[type, ...]:
        """The classes whose live instances `take` needs."""
        return (self._asyncio.abstract_loop, *self._asyncio.future)

    def take(self, objects: list[Any]) -> list[Any]:
        """Remember the loops among `objects`. Returns the futures that are not done, without tasks."""
        asyncio = self._asyncio
        if not self._modules:
            self._modules = {name: id(m) for name, m in foreign.loaded_modules() if not self._owns(name)}
        futures = []
        for o in objects:
            if issubclass(type(o), asyncio.abstract_loop):
                self._add(o)
            elif asyncio.is_future(o) and not asyncio.is_task(o) and field(o, "_state") == "PENDING":
                futures.append(o)
        return futures

    def _add(self, loop: Any) -> None:
        if issubclass(type(loop), self._asyncio.abstract_loop):
            known = self._known.get(id(loop))
            if known is None or known() is not loop:
                self._known[id(loop)] = weakref.ref(loop)

    def _at_hand(self) -> Iterator[Any]:
        yield self._asyncio.running_loop()
        yield field(field(self._asyncio.policy(), "_local"), "_loop")
        for frame in current_frames().values():
            for outer in outward(frame):
                if outer.f_code is self._asyncio.run_forever:
                    yield dict(frame_locals(outer)).get("self")
        # This frame is among them: the cycle would keep all callers and what they refer to.
        del frame, outer
        yield from self._in_new_modules()

    def _in_new_modules(self) -> Iterator[Any]:
        """Globals of the modules that are new, and of the target's modules."""
        for name, module in foreign.loaded_modules():
            if self._modules.get(name) != id(module):
                if not self._owns(name):
                    self._modules[name] = id(module)
                yield from list((foreign.module_dict(module) or {}).values())


def entries(asyncio: Library, loop: Any) -> Iterator[Entry]:
    """Every handle of one of asyncio's own loops."""
    for word, handle in _handles(loop):
        if issubclass(type(handle), asyncio.handle):
            is_timer = issubclass(type(handle), asyncio.timer)
            args = field(handle, "_args")
            callback = field(handle, "_callback")
            if not _is_of_loop(callback, loop):
                yield Entry(
                    "call_later timer" if is_timer else word,
                    handle,
                    callback,
                    args if type(args) is tuple else (),
                )


def _handles(loop: Any) -> Iterator[tuple[str, Any]]:
    """The handles in a loop's attributes. Each list is copied at once, since another thread may run the loop."""
    for attribute in ("_scheduled", "_ready"):
        listed = field(loop, attribute)
        if type(listed) is list or type(listed) is collections.deque:
            yield from (("handle", handle) for handle in list(listed))
    keys = field(field(loop, "_selector"), "_fd_to_key")
    for key in list(keys.values()) if type(keys) is dict else ():
        if type(key.data) is tuple and len(key.data) == 2:
            yield from zip(("reader", "writer"), key.data, strict=True)
    handlers = field(loop, "_signal_handlers")
    for number, handler in list(handlers.items()) if type(handlers) is dict else ():
        yield f"signal handler {signal_name(number)} on loop", handler


def containers(loop: Any) -> Iterator[Any]:
    """The lists of a loop's handles. A cancelled handle stays there until the loop has time to drop it."""
    yield from (listed for name in ("_scheduled", "_ready") if (listed := field(loop, name)) is not None)


def generators(asyncgens: Any) -> Iterator[Any]:
    """The suspended async generators in a loop's weak set, which the loop would close at its end."""
    if type(asyncgens) is weakref.WeakSet:
        for reference in list(vars(asyncgens)["data"]):
            generator = reference()
            if type(generator) is types.AsyncGeneratorType and generator.ag_frame is not None:
                yield generator


def _is_of_loop(callback: Any, loop: Any) -> bool:
    """Whether a callback is the loop's own, for its wake-up pipe."""
    return (
        type(callback) is types.MethodType
        and callback.__self__ is loop
        and type(callback.__func__) is types.FunctionType
        and callback.__func__.__name__ == "_read_from_self"
    )


def signal_name(number: Any) -> str:
    """The name of a signal. Those between the first and the last real-time signal have none."""
    return SIGNAL_NAMES.get(number, "SIGRTMIN+*") if issubclass(type(number), int) else "*"


def is_own(asyncio: Library, loop: Any) -> bool:
    """Whether a loop's class extends asyncio's base loop, so that it lists its handles in the same way."""
    return issubclass(type(loop), asyncio.base_loop)
