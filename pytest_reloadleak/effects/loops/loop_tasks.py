"""Tasks as effects: whose they are, where they are suspended, and which of them only serve another one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pytest_reloadleak.effects.attribution import owner
from pytest_reloadleak.effects.loops import asyncio_objects, other_loops
from pytest_reloadleak.effects.loops.asyncio_objects import Library, chain, name_of, parts
from pytest_reloadleak.effects.loops.serials import Serials
from pytest_reloadleak.effects.probe import Effect, Scope
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.holders.sweep import Cause
from pytest_reloadleak.model import Held

_NUMBER = re.compile(r"\d+")
_DEFAULT_NAME = re.compile(r"Task-\d+")


@dataclass(slots=True, eq=False, repr=False)
class Task:
    """One task, of asyncio's or trio's. Lives only while the process is looked at."""

    task: Any
    label: str
    suspended: list[Any]
    """Its coroutine and what that awaits, outermost first."""
    awaited_by: list[Any]
    """Tasks that wait for it."""
    held: Held | None
    """What of the target it runs."""
    is_borrowed: bool = False
    """Whether a foreign function runs in it, with or for the target: then it may be older than what it has of that."""

    @property
    def cause(self) -> Cause:
        """Tasks with equal names that run equal functions are one cause."""
        return Cause("pending-task", "task", self.label, foreign.type_name(self.task))


def of_asyncio(asyncio: Library, task: Any, scope: Scope) -> Task:
    """Describe a task of asyncio's. A name that asyncio itself gave says nothing, so its function is named too."""
    name = asyncio_objects.of_task(asyncio, task, "get_name")
    name = foreign.text(name) if foreign.is_text(name) else None
    coroutine = asyncio_objects.of_task(asyncio, task, "get_coro")
    label = f"task {foreign.key_text(_NUMBER.sub('*', name) if name is not None else '*')}"
    if coroutine is not None and (name is None or _DEFAULT_NAME.fullmatch(name)):
        label += f" {name_of(coroutine)}"
    waiting = [o for o in parts(asyncio, asyncio_objects.callbacks(task)) if asyncio.is_task(o)]
    return _described(task, label, coroutine, waiting, scope)


def of_trio(task: Any, scope: Scope) -> Task:
    """Describe a task of trio's; its name is that of its function."""
    label = f"task {foreign.key_text(foreign.text(task.name) or '*')}"
    above = other_loops.parent(task)
    return _described(task, label, task.coro, [above] if above is not None else [], scope)


def _described(task: Any, label: str, coroutine: Any, awaited_by: list[Any], scope: Scope) -> Task:
    suspended = chain(coroutine)
    own = owner((task, coroutine), scope.owns, scope.rename)
    lent = (o for part in suspended for o in (part, *asyncio_objects.arguments(part)))
    held = own or owner(lent, scope.owns, scope.rename)
    return Task(task, scope.rename(label), suspended, awaited_by, held, own is not held)


def top(task: Task, tasks: dict[int, Task]) -> Task:
    """The last task of the target's that waits for this one, through others or not; else this one itself."""
    seen = {id(task.task)}
    above = [task]
    found = task
    for waiting in above:  # it grows while it is walked
        if waiting.held is not None:
            found = waiting
        fresh = [id(o) for o in waiting.awaited_by if id(o) in tasks and id(o) not in seen]
        seen.update(fresh)
        above += [tasks[key] for key in fresh]
    return found


def effects(tasks: dict[int, Task], serials: Serials) -> Iterable[Effect]:
    """Each task as an effect; those that only serve one of the target's are of its cause, and not counted.

    Nor is a foreign one: whether what it has of the target's is of an old generation, only the heap can tell.
    """
    for task in tasks.values():
        first = top(task, tasks)
        number = serials.of(task.task, is_dated=False).number
        yield Effect(
            (number,) if first is task and not task.is_borrowed else ("part", number),
            first.cause,
            (task.task, *task.suspended),
            held=task.held,
            is_certain=first is not task,
            details=asyncio_objects.suspended_at(task.suspended),
            advice=f"cancel the {first.label} when its code is unloaded: its code goes on running",
        )
