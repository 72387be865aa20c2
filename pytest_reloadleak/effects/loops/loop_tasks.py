"""Describe tasks as effects: what they run, where they are suspended, and which only serve another task."""

from __future__ import annotations

import re
import types
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
from pytest_reloadleak.holders.trace import without_numbers
from pytest_reloadleak.model import Held

_DEFAULT_NAME = re.compile(r"Task-\d+")


@dataclass(slots=True, eq=False, repr=False)
class Task:
    """One task of asyncio or trio. Lives only while the process is inspected."""

    task: Any
    label: str
    suspended: list[Any]
    """Its coroutine and what that awaits, outermost first."""
    awaited_by: list[Any]
    """Tasks that wait for it."""
    held: Held | None
    """The target's object that it runs."""
    is_borrowed: bool = False
    """Whether it runs a foreign function with or for the target: it may be older than the target's objects in it."""

    @property
    def cause(self) -> Cause:
        """Tasks with equal names that run equal functions have one cause."""
        return Cause("pending-task", "task", self.label, foreign.type_name(self.task))


def of_asyncio(asyncio: Library, task: Any, scope: Scope) -> Task:
    """Describe an asyncio task. A name that asyncio itself gave says nothing, so the label names the function too."""
    name = asyncio_objects.of_task(asyncio, task, "get_name")
    name = foreign.text(name) if foreign.is_text(name) else None
    coroutine = asyncio_objects.of_task(asyncio, task, "get_coro")
    label = f"task {foreign.key_text(without_numbers(name) if name is not None else '*')}"
    if coroutine is not None and (name is None or _DEFAULT_NAME.fullmatch(name)):
        label += f" {name_of(coroutine)}"
    waiting = [o for o in parts(asyncio, asyncio_objects.callbacks(task)) if asyncio.is_task(o)]
    return _described(task, label, coroutine, waiting, scope)


def of_trio(task: Any, scope: Scope) -> Task:
    """Describe a trio task. Its name is that of its function."""
    label = f"task {foreign.key_text(foreign.text(task.name) or '*')}"
    above = other_loops.parent(task)
    return _described(task, label, task.coro, [above] if above is not None else [], scope)


def _described(task: Any, label: str, coroutine: Any, awaited_by: list[Any], scope: Scope) -> Task:
    suspended = chain(coroutine)
    own = owner((task, coroutine), scope.owns, scope.rename)
    lent = [o for part in suspended for o in (part, *asyncio_objects.arguments(part))]
    held = own or owner(lent, scope.owns, scope.rename) or owner(_wrapped(lent), scope.owns, scope.rename)
    return Task(task, scope.rename(label), suspended, awaited_by, held, own is not held)


def _wrapped(lent: list[Any]) -> list[Any]:
    """The functions that foreign objects wrap, such as the coroutine function of a `discord.ext.tasks.Loop`."""
    namespaces = (foreign.instance_dict(o) or {} for o in lent if not foreign.is_class(o))
    return [o for each in namespaces for o in list(each.values()) if type(o) is types.FunctionType]


def top(task: Task, tasks: dict[int, Task]) -> Task:
    """The last of the target's tasks that wait for this one, directly or through others; else this one."""
    seen = {id(task.task)}
    above = [task]
    found = task
    for waiting in above:  # the list grows while the loop runs
        if waiting.held is not None:
            found = waiting
        fresh = [id(o) for o in waiting.awaited_by if id(o) in tasks and id(o) not in seen]
        seen.update(fresh)
        above += [tasks[key] for key in fresh]
    return found


def effects(tasks: dict[int, Task], serials: Serials) -> Iterable[Effect]:
    """Each task as an effect. A task that only serves a task of the target has that task's cause and is not counted.

    A foreign task is not counted either: only the heap search shows whether it keeps objects of an old generation.
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
            advice=f"cancel {first.label} on unload; it still runs old code",
        )
