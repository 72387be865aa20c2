"""Find what is pending on event loops: tasks, timers, callbacks, readers, signal handlers, suspended async generators.

Only separate causes are reported. A timer that merely wakes a sleeping task is part of that task, and a task that only
another task awaits is part of that other one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pytest_reloadleak.effects.attribution import is_owned, owner
from pytest_reloadleak.effects.chains import Chains
from pytest_reloadleak.effects.loops import (
    asyncio_children,
    asyncio_loops,
    asyncio_objects,
    loop_tasks,
    other_loops,
)
from pytest_reloadleak.effects.loops.asyncio_loops import Entry, LoopTable
from pytest_reloadleak.effects.loops.asyncio_objects import Library, name_of, parts
from pytest_reloadleak.effects.loops.loop_tasks import Task
from pytest_reloadleak.effects.loops.serials import Serial, Serials
from pytest_reloadleak.effects.probe import Effect, Identity, Probe, Scope
from pytest_reloadleak.heap import foreign, instances
from pytest_reloadleak.heap.collector import current_frames
from pytest_reloadleak.holders.sweep import Cause
from pytest_reloadleak.model import Held

_PACKAGE = __name__.partition(".")[0]

_monotonic = time.monotonic


class Loops(Probe):
    """Everything pending on event loops, running or merely kept."""

    name = "tasks"
    kinds = ("pending-task", "live-timer")
    is_transient = True

    def __init__(self) -> None:
        self._asyncio: Library | None = None
        self._serials = Serials()
        self._chains = Chains()
        self._runs = other_loops.TrioRuns()
        self._threads_before: set[int] = set()
        self._is_searched = False

    def begin(self, scope: Scope) -> None:
        """Find the loops that already exist."""
        super().begin(scope)
        self._search()
        self._threads_before = set(current_frames())
        if self._has_asyncio():
            self._table.begin()

    def end(self) -> None:
        """Forget everything."""
        self._serials.clear()
        self._asyncio = None

    def _has_asyncio(self, *, searches: bool = True) -> bool:
        """Whether the program has loaded asyncio. Its loops are searched the first time, if the caller does not."""
        if self._asyncio is None:
            self._asyncio = asyncio_objects.library()
            if self._asyncio is not None:
                self._table = LoopTable(self._asyncio, self.scope.owns)
                if searches:
                    self._search()
        return self._asyncio is not None

    def _search(self) -> list[Any]:
        """Find all loops in one walk over the heap. Returns the pending futures, which only such a walk can find."""
        has_asyncio = self._has_asyncio(searches=False)
        classes = (*self._runs.classes(), *(self._table.classes() if has_asyncio else ()))
        objects = instances.instances(classes) if classes else []
        self._runs.take(objects)
        return self._table.take(objects) if has_asyncio else []

    def identities(self) -> Iterable[Identity]:
        """Numbers of tasks, handles and async generators. A timer that is over counts as long as something keeps it."""
        self._is_searched = False
        present = [self._serial(task) for task in self._runs.tasks()]
        if self._has_asyncio():
            for loop in self._table.loops():
                present += [self._serial(task) for task in self._tasks_of(loop)]
                present += [self._serial(o) for o in asyncio_loops.generators(_asyncgens(loop))]
                present += [self._noted(entry) for entry in self._entries(loop)]
        self._chains.note((serial.name for serial in present if serial.name), self.scope.generation())
        present += [serial for _, serial in self._serials.alive() if serial.name]
        found: set[Identity] = {(serial.number,) for serial in present if serial.is_dated}
        # A look may have been the first to see a timer. That there are more has been seen in the rounds.
        return found | {("chains",)} if self._chains.has_grown else found

    def _serial(self, o: Any) -> Serial:
        return self._serials.of(o, is_dated=True)

    def _noted(self, entry: Entry) -> Serial:
        def first(serial: Serial) -> None:
            """Remember the callback: a cancelled handle forgets it."""
            if entry.word == "call_later timer" and entry.callback is not None:
                serial.name = self._name(entry.callback)
                serial.generation = self.scope.generation()
                serial.held = self._owner(self._made_of(entry))

        return self._serials.of(entry.handle, is_dated=True, first=first)

    def _tasks_of(self, loop: Any) -> list[Any]:
        assert self._asyncio is not None
        return list(self._asyncio.all_tasks(loop))

    def _entries(self, loop: Any) -> Iterator[Entry]:
        assert self._asyncio is not None
        if other_loops.is_uvloop(loop):
            return other_loops.uv_entries(loop)
        return asyncio_loops.entries(self._asyncio, loop)

    def _made_of(self, entry: Entry) -> list[Any]:
        assert self._asyncio is not None
        return parts(self._asyncio, (entry.callback, *entry.args))

    def _owner(self, values: Iterable[Any]) -> Held | None:
        return owner(values, self.scope.owns, self.scope.rename)

    def _name(self, callback: Any) -> str:
        return self.scope.rename(name_of(callback))

    def effects(self) -> list[Effect]:
        """Everything pending on the loops of all threads. Searches the heap once, however long settling waits."""
        futures = [] if self._is_searched else self._search()
        self._is_searched = True
        tasks = {id(task): loop_tasks.of_trio(task, self.scope) for task in self._runs.tasks()}
        out: list[Effect] = []
        if self._has_asyncio():
            assert self._asyncio is not None
            loops = self._table.loops()
            apart = self._table.piling_up(self._threads_before)
            loops = [loop for loop in loops if id(loop) not in apart]
            for loop in loops:
                for task in self._tasks_of(loop):
                    tasks[id(task)] = loop_tasks.of_asyncio(self._asyncio, task, self.scope)
            reached: set[int] = set()
            for loop in loops:
                for entry in self._entries(loop):
                    if entry.callback is not None:
                        out += self._of_entry(entry, tasks, reached)
            out = self._with_chains(out)
            futures[:] = [future for future in futures if id(future) not in reached]
            out += self._futures(futures)
            out += self._generators(loops, {id(o) for task in tasks.values() for o in task.suspended})
            out += self._cancelled(loops)
        return [*out, *loop_tasks.effects(tasks, self._serials)]

    def emptied_later(self) -> Iterable[object]:
        """The lists of the loops' handles: asyncio drops cancelled timers once there are a hundred, Twisted fifty."""
        found = [*other_loops.twisted_containers()]
        if self._has_asyncio():
            found += [c for loop in self._table.loops() for c in _containers(loop)]
        return found

    def blind(self) -> str | None:
        """Loops of other libraries do not list what they have scheduled."""
        if self._asyncio is not None:
            for loop in self._table.loops():
                if not (asyncio_loops.is_own(self._asyncio, loop) or other_loops.is_uvloop(loop)):
                    name = foreign.type_name(loop)
                    return f"a loop of type {name} does not list its timers and callbacks; only its tasks were seen"
        return None

    def _of_entry(self, entry: Entry, tasks: dict[int, Task], reached: set[int]) -> Iterator[Effect]:
        """The effect of a handle. One of asyncio's that only serves a task is a part of the task, or does not count."""
        made_of = self._made_of(entry)
        reached.update(map(id, made_of))
        if entry.word in {"reader", "writer"} and asyncio_children.is_part(entry.callback, made_of):
            return
        serial = self._serials.of(entry.handle, is_dated=False)
        served = [tasks[id(o)] for o in made_of if id(o) in tasks]
        if served and not is_owned(entry.callback, self.scope.owns):
            first = loop_tasks.top(served[0], tasks)
            if first.held is not None:
                yield Effect(("part", serial.number), first.cause, (entry.handle,), is_certain=True)
            return
        is_timer = entry.word == "call_later timer"
        path = f"{entry.word} {self._name(entry.callback)}"
        kind = foreign.type_name(entry.handle)
        yield Effect(
            (serial.number,),
            Cause("live-timer", "timer", path, kind)
            if is_timer
            else Cause("pending-task", "loop", path, kind),
            (entry.handle, *made_of),
            details=_due(entry.handle) if is_timer else (),
            advice=_advice(entry.word, path),
        )

    def _with_chains(self, found: list[Effect]) -> list[Effect]:
        """The effects of handles, with the generations that began the timers which set themselves again."""
        current = self.scope.generation()
        timers = []
        for number, effect in enumerate(found):
            if effect.cause.root == "timer" and effect.identity[0] != "part":
                serial = self._serials.of(effect.values[0], is_dated=False)
                if serial.generation in {None, current}:
                    timers.append((number, serial.name or self._name(effect.values[1]), effect))
        dated = self._chains.dated([(name, effect) for _, name, effect in timers], self.scope)
        for at, effect in dated.items():
            found[timers[at][0]] = effect
        return found

    def _cancelled(self, loops: list[Any]) -> Iterator[Effect]:
        """Cancelled timers that something other than the loop keeps. The loop itself drops them later."""
        containers = [c for loop in loops for c in _containers(loop)]
        for handle in self._kept(self._cancelled_handles(), containers):
            serial = self._serials.of(handle, is_dated=False)
            path = f"call_later timer {serial.name} (cancelled)"
            yield Effect(
                (serial.number,),
                Cause("live-timer", "timer", path, foreign.type_name(handle)),
                (handle,),
                held=serial.held,
                advice=f"drop the reference to the {path}; something other than its loop keeps it",
            )

    def _cancelled_handles(self) -> list[Any]:
        """The target's timers that were cancelled."""
        timers = [handle for handle, serial in self._serials.alive() if serial.held is not None]
        return [handle for handle in timers if _is_cancelled(handle)]

    def _kept(self, objects: list[Any], containers: list[Any]) -> list[Any]:
        """The objects that something outside the target keeps. Those that only an old generation keeps die with it."""
        owns = self.scope.owns

        def is_ignored(o: Any) -> bool:
            if type(o) is dict:
                return owns(foreign.module_name(o))
            return is_owned(o, owns) or foreign.class_module(type(o)).partition(".")[0] == _PACKAGE

        held = instances.held_besides(objects, [*containers, containers], is_ignored)
        return [o for o in objects if id(o) in held]

    def _futures(self, futures: list[Any]) -> Iterator[Effect]:
        """Pending futures that will call the target. No list has them."""
        assert self._asyncio is not None
        found = []
        for future in futures:
            made_of = parts(self._asyncio, asyncio_objects.callbacks(future))
            if self._owner(made_of) is not None and not any(map(self._asyncio.is_task, made_of)):
                found.append(future)
        for future in self._kept(found, [futures]):
            callbacks = asyncio_objects.callbacks(future)
            mine = next((o for o in callbacks if is_owned(o, self.scope.owns)), None)
            path = f"future with callback {self._name(mine) if mine is not None else '*'}"
            yield Effect(
                (self._serials.of(future, is_dated=False).number,),
                Cause("pending-task", "loop", path, foreign.type_name(future)),
                (future, *parts(self._asyncio, callbacks)),
                advice=f"cancel the {path} on unload, or call its remove_done_callback()",
            )

    def _generators(self, loops: list[Any], running: set[int]) -> Iterator[Effect]:
        found = [
            o for loop in loops for o in asyncio_loops.generators(_asyncgens(loop)) if id(o) not in running
        ]
        for generator in self._kept(found, []):
            path = f"async generator {self._name(generator)}"
            yield Effect(
                (self._serials.of(generator, is_dated=False).number,),
                Cause("pending-task", "loop", path, "async_generator"),
                (generator,),
                details=asyncio_objects.suspended_at([generator]),
                advice=f"close the {path} on unload: await its aclose()",
            )


def _asyncgens(loop: Any) -> Any:
    own = asyncio_objects.field(loop, "_asyncgens")
    return other_loops.uv_asyncgens(loop) if own is None and other_loops.is_uvloop(loop) else own


def _containers(loop: Any) -> Iterator[Any]:
    if other_loops.is_uvloop(loop):
        return other_loops.uv_containers(loop)
    return asyncio_loops.containers(loop)


def _is_cancelled(handle: Any) -> bool:
    if other_loops.is_uvloop(handle):
        return other_loops.uv_is_cancelled(handle)
    return asyncio_objects.field(handle, "_cancelled") is True


def _due(handle: Any) -> tuple[str, ...]:
    when = asyncio_objects.field(handle, "_when")
    return (f"due in {max(0.0, when - _monotonic()):.0f} s",) if type(when) is float else ()


_ADVICE: dict[str, Callable[[str], str]] = {
    "call_later timer": lambda path: f"cancel() the {path} on unload; it keeps old code and will call it",
    "reader": lambda path: f"call the loop's remove_reader() on unload; the {path} still calls old code",
    "writer": lambda path: f"call the loop's remove_writer() on unload; the {path} still calls old code",
    "handle": lambda path: f"run or close the loop on unload; until then it keeps the {path}",
}


def _advice(word: str, path: str) -> str:
    if word in _ADVICE:
        return _ADVICE[word](path)
    return f"call the loop's remove_signal_handler() on unload; the {path} still calls old code"
