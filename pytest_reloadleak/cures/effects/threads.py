"""Write the cure of a thread or timer: what its own code waits for, reads or offers in order to end."""

from __future__ import annotations

import threading
import types
from collections.abc import Iterator
from typing import Any

from pytest_reloadleak.cures.effects import open_things
from pytest_reloadleak.cures.effects.registrations import Clue
from pytest_reloadleak.cures.knowledge import QUEUES, STOPS
from pytest_reloadleak.cures.methods.offers import function_of, needs_nothing
from pytest_reloadleak.cures.names import Names
from pytest_reloadleak.heap import foreign, sources


def timer(clue: Clue, names: Names) -> list[str] | None:
    """Cancel the timer, which is a thread too."""
    name = names.bound(clue.values[0])
    if name is not None:
        return [f"{name}.cancel()"]
    if clue.owned is None:
        return None
    test = names.subject(clue.owned).test
    item = names.variable("item")
    spelled = item if clue.owned is clue.values[0] else f"getattr({item}, 'function', None)"
    module = names.need("threading")
    return [
        f"for {item} in [{item} for {item} in {module}.enumerate() if {test.of(spelled)}]:",
        f"    {item}.cancel()",
    ]


def thread(clue: Clue, names: Names) -> list[str] | None:
    """Ask the thread to end by the means that its code offers, then wait for it."""
    pool = open_things.of_pool(clue, names)
    if pool is not None:
        return pool
    thread = clue.values[0]
    is_thread = issubclass(type(thread), threading.Thread)
    name = names.bound(thread)
    item = names.variable("item")
    join = f"{name}.join()"
    loop: list[str] = []
    if name is None and is_thread:
        test = _thread_test(clue, item, names)
        if test is not None:
            loop = [f"for {item} in [{item} for {item} in {names.need('threading')}.enumerate() if {test}]:"]
            join = f"    {item}.join()"
    stop = _stop_method(thread) if is_thread else None
    if stop is not None and (name is not None or loop):
        return [*loop, f"{f'    {item}' if loop else name}.{stop}()", join]
    for owner in (value.__self__ for value in clue.values if type(value) is types.MethodType):
        owner_name, stop = names.bound(owner), _stop_method(owner)
        if owner_name is not None and stop is not None:
            call = f"{owner_name}.{stop}()"
            if _is_loop(owner):  # only its own thread can stop it at once
                call = f"{owner_name}.call_soon_threadsafe({owner_name}.stop)"
            return [call, *([*loop, join] if name is not None or loop else ())]
    signal = _signal(clue, names)
    if signal is None:
        return None
    if name is None and not loop:
        return [signal]
    return [signal, *loop, join]


def _thread_test(clue: Clue, item: str, names: Names) -> str | None:
    if clue.owned is None:
        return None
    if type(clue.owned) is types.FrameType:
        return None
    subject = names.subject(clue.owned)
    return subject.test.of(item if clue.owned is clue.values[0] else f"getattr({item}, '_target', None)")


def _stop_method(owner: Any) -> str | None:
    """A method of the thread, or of whose method it runs, that needs no argument and by its name ends the thread."""
    for name in STOPS:
        if needs_nothing(function_of(owner, name)):
            return name
    return None


def _functions(clue: Clue) -> list[Any]:
    """The Python functions that a thread runs."""
    out = []
    for value in clue.values:
        inner = value.__func__ if type(value) is types.MethodType else value
        if type(inner) is types.FunctionType:
            out.append(inner)
    run = function_of(clue.values[0], "run")
    return (
        [*out, run]
        if type(run) is types.FunctionType and foreign.module_name(run.__globals__) != "threading"
        else out
    )


def _signal(clue: Clue, names: Names) -> str | None:
    """What asks a thread to end: an event or flag that its code reads, `None` in its queue, the end of its loop."""
    for spelled, name, value, code in _read(clue, names):
        kind = foreign.type_name(value)
        if type(value) is bool and sources.flags(code).get(name) is (not value):
            place = f"globals()[{foreign.quoted(name)}]" if name == spelled else spelled
            return f"{place} = {not value}"
        if kind == "threading.Event" and name not in sources.switched(code):
            return f"{spelled}.set()"
        if kind in QUEUES and sources.compares_with_none(code):
            return f"{spelled}.put(None)"
        if _is_loop(value) and "run_forever" in code.co_names:
            return f"{spelled}.call_soon_threadsafe({spelled}.stop)"
    return None


def _is_loop(o: Any) -> bool:
    return foreign.defines(type(o), "run_forever") and foreign.defines(type(o), "call_soon_threadsafe")


def _read(clue: Clue, names: Names) -> Iterator[tuple[str, str, Any, types.CodeType]]:
    """What the functions of a thread read: arguments, globals, and attributes of the objects whose methods they are.

    Each with how the target's module spells it, and with its name in the function.
    """
    owners = [clue.values[0], *(value.__self__ for value in clue.values if type(value) is types.MethodType)]
    named = [(name, o) for o in owners if (name := names.bound(o)) is not None]
    for function in _functions(clue):
        code = function.__code__
        for name, o in _arguments(clue, code):
            spelled = names.bound(o)
            if spelled is not None and type(o) is not bool:  # a copy of a flag, which nothing can change
                yield spelled, name, o, code
        for name in map(foreign.text, code.co_names):
            if name in names.namespace:
                yield name, name, names.namespace[name], code
            for owner, o in named:
                own = foreign.instance_dict(o) or {}
                if name in own:
                    yield f"{owner}.{name}", name, own[name], code


def _arguments(clue: Clue, code: types.CodeType) -> Iterator[tuple[str, Any]]:
    """What a thread passes to its function, by the names of the parameters."""
    own = foreign.instance_dict(clue.values[0]) or {}
    args, named = own.get("_args"), own.get("_kwargs")
    if type(args) is tuple or type(args) is list:
        at = any(type(value) is types.MethodType for value in clue.values)  # `self` comes first
        yield from zip(map(foreign.text, code.co_varnames[at : code.co_argcount]), list(args), strict=False)
    if type(named) is dict:
        yield from ((name, o) for name, o in list(named.items()) if type(name) is str)
