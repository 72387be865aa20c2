"""Read asyncio's objects: what a handle calls, what a future wakes, where a coroutine is suspended.

The program may subclass asyncio's classes, so attributes are read through the descriptors of asyncio's own classes.
Futures and tasks exist in C and in Python; both are read in the same way.
"""

from __future__ import annotations

import collections
import functools
import inspect
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from pytest_reloadleak.effects import stack_lines
from pytest_reloadleak.heap import foreign, instances
from pytest_reloadleak.heap.references import frame_locals

_MOST = 64
"""The largest number of objects to follow from a handle or a coroutine."""
_FRAMES = 8
"""Frames of a task that the report shows."""
_DESCRIPTORS = foreign.type_ids(types.GetSetDescriptorType, types.MemberDescriptorType)
_STEPS = {
    id(types.CoroutineType): ("cr_frame", "cr_await"),
    id(types.GeneratorType): ("gi_frame", "gi_yieldfrom"),
    id(types.AsyncGeneratorType): ("ag_frame", "ag_await"),
}
_OPAQUE = frozenset({"coroutine_wrapper", "async_generator_asend", "async_generator_athrow"})
"""Interpreter types that lead to suspended code but have no attribute for it."""


class Library(NamedTuple):
    """The parts of asyncio that the probe needs, taken when it is first seen: a target may patch them later."""

    abstract_loop: type
    base_loop: type
    future: tuple[type, ...]
    task: tuple[type, ...]
    handle: type
    timer: type
    all_tasks: Callable[[Any], Iterable[Any]]
    running_loop: Callable[[], Any]
    run_forever: types.CodeType
    policy: Callable[[], Any]

    def is_task(self, o: Any) -> bool:
        """Whether `o` is a task, in C or in Python."""
        return any(issubclass(type(o), cls) for cls in self.task)

    def is_future(self, o: Any) -> bool:
        """Whether `o` is a future or a task."""
        return any(issubclass(type(o), cls) for cls in self.future)


def library() -> Library | None:
    """The parts of asyncio, if the program has loaded it; a check never imports it."""
    names = ("base_events", "events", "futures", "tasks")
    modules = [sys.modules.get(f"asyncio.{name}") for name in names]
    if any(module is None for module in modules):
        return None
    base_events, events, futures, tasks = (vars(module) for module in modules)
    try:
        return Library(
            abstract_loop=events["AbstractEventLoop"],
            base_loop=base_events["BaseEventLoop"],
            future=(futures["Future"], futures["_PyFuture"]),
            task=(tasks["Task"], tasks["_PyTask"]),
            handle=events["Handle"],
            timer=events["TimerHandle"],
            all_tasks=tasks["all_tasks"],
            running_loop=events["_get_running_loop"],
            run_forever=base_events["BaseEventLoop"].run_forever.__code__,
            policy=lambda: events.get("_event_loop_policy"),
        )
    except KeyError:  # another thread is still importing it
        return None


def field(o: Any, name: str) -> Any:
    """An attribute of an asyncio object; `None` if it has none of this name."""
    own = foreign.instance_dict(o)
    if own is not None and name in own:
        return dict.get(own, name)
    for cls in foreign.mro(type(o)):
        descriptor = foreign.class_dict(cls).get(name)
        if foreign.is_exactly(descriptor, _DESCRIPTORS):
            try:
                return descriptor.__get__(o)
            except AttributeError:
                return None
    return None


def call(o: Any, name: str, classes: Iterable[type]) -> Any:
    """Call a method of asyncio's own class on `o`, even if a subclass overrides it."""
    method = next((m for cls in classes if (m := foreign.class_dict(cls).get(name)) is not None), None)
    try:
        return method(o) if method is not None else None
    except TypeError:  # the method is in C and `o` in Python, or vice versa
        return None


def of_task(asyncio: Library, task: Any, name: str) -> Any:
    """The result of a task's `get_name` or `get_coro`."""
    own = [cls for cls in asyncio.task if issubclass(type(task), cls)]
    return call(task, name, own)


def callbacks(future: Any) -> list[Any]:
    """The callbacks that a future calls when it is done."""
    pairs = field(future, "_callbacks")
    return [pair[0] for pair in list(pairs)] if type(pairs) is list else []


def parts(asyncio: Library, start: Iterable[Any]) -> list[Any]:
    """The parts of callbacks that asyncio itself built, and the program's objects in them.

    asyncio calls the program's functions through objects of its own: futures that wake tasks, transports with a
    protocol, functions with a callback in their closure. These are followed; the program's own objects are not.
    """
    queue = collections.deque(start)
    seen: set[int] = set()
    out: list[Any] = []
    while queue and len(out) < _MOST:
        o = queue.popleft()
        if id(o) not in seen and not foreign.is_atom(o):
            seen.add(id(o))
            out.append(o)
            queue.extend(_inner(asyncio, o))
    return out


def _inner(asyncio: Library, o: Any) -> Iterator[Any]:
    kind = type(o)
    if kind is types.MethodType:
        yield from (o.__func__, o.__self__)
    elif kind is types.BuiltinFunctionType:
        if o.__self__ is not None and not foreign.is_module(o.__self__):
            yield o.__self__
    elif kind is functools.partial:
        yield from (o.func, *o.args, *o.keywords.values())
    elif kind is types.FunctionType:
        if _is_internal(foreign.module_name(o.__globals__)):
            yield from filter(_is_single, _contents(o))
    elif foreign.type_name(o).endswith("TaskStepMethWrapper"):
        yield from instances.referents(o)
    elif asyncio.is_task(o) or issubclass(kind, asyncio.abstract_loop) or foreign.is_class(o):
        return
    elif asyncio.is_future(o):
        yield from callbacks(o)
    elif _is_internal(foreign.class_module(kind)):
        yield from filter(_is_single, list((foreign.instance_dict(o) or {}).values()))
        yield from filter(_is_single, [value for _, value in foreign.slots(o)])


def _is_internal(module: str) -> bool:
    return module.partition(".")[0] in {"asyncio", "_asyncio"}


def _is_single(o: Any) -> bool:
    """Whether `o` is not a collection, whose other items are not parts of a callback."""
    return not foreign.is_exactly(o, _COLLECTIONS)


_COLLECTIONS = foreign.type_ids(list, tuple, dict, set, frozenset, collections.deque)


def _contents(function: types.FunctionType) -> list[Any]:
    # An unbound cell has no contents.
    return [o for cell in function.__closure__ or () for o in instances.referents(cell)]


def chain(coroutine: Any) -> list[Any]:
    """A suspended coroutine, what it awaits, and so on to the innermost one."""
    out: list[Any] = []
    o = coroutine
    while o is not None and len(out) < _MOST:
        if id(type(o)) in _STEPS:
            out.append(o)
            o = object.__getattribute__(o, _STEPS[id(type(o))][1])
        elif foreign.type_name(o) in _OPAQUE:
            o = next((inner for inner in instances.referents(o) if id(type(inner)) in _STEPS), None)
        else:
            break
    return out


def arguments(suspended: Any) -> list[Any]:
    """The arguments of suspended code, with those of `*args` and `**kwargs` one by one."""
    frame = object.__getattribute__(suspended, _STEPS[id(type(suspended))][0])
    if frame is None:
        return []
    code = frame.f_code
    variable = [bool(code.co_flags & inspect.CO_VARARGS), bool(code.co_flags & inspect.CO_VARKEYWORDS)]
    count = code.co_argcount + code.co_kwonlyargcount
    names = code.co_varnames[: count + sum(variable)]
    values = dict(frame_locals(frame))
    out = []
    for name in names:
        value = values.get(name)
        if name in names[:count]:
            out.append(value)
        elif type(value) is tuple:
            out += value
        elif type(value) is dict:
            out += value.values()
    return out


def suspended_at(suspended: list[Any]) -> tuple[str, ...]:
    """The places where code is suspended, innermost first."""
    frames = [object.__getattribute__(o, _STEPS[id(type(o))][0]) for o in reversed(suspended)]
    return tuple(stack_lines.at(frame) for frame in frames[:_FRAMES] if frame is not None)


def name_of(callback: Any) -> str:
    """The name of a callback for readers: qualified, without its module."""
    if type(callback) is functools.partial:
        return name_of(callback.func)
    if type(callback) is types.MethodType:
        return name_of(callback.__func__)
    if type(callback) is types.FunctionType or type(callback) is types.BuiltinFunctionType:
        return foreign.text(callback.__qualname__)
    if id(type(callback)) in _STEPS:
        return foreign.text(object.__getattribute__(callback, "__qualname__"))
    cls = callback if foreign.is_class(callback) else type(callback)
    return foreign.class_name(cls)
