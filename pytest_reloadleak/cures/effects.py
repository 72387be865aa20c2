"""Write the cure of an effect: what ends a thread, timer, task, child process or open file that a generation began."""

from __future__ import annotations

import builtins
import threading
import types
from collections.abc import Iterator
from typing import Any

from pytest_reloadleak.cures import open_things, reading, registrations
from pytest_reloadleak.cures.knowledge import ENDS, QUEUES, STOPS
from pytest_reloadleak.cures.names import Names, Subject, Test, is_name
from pytest_reloadleak.cures.offers import function_of
from pytest_reloadleak.cures.registrations import Clue
from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import foreign, sources


def cure(clue: Clue, registry: str | None, names: Names) -> list[str] | None:
    """The lines that end an effect; `None` where none are known.

    Args:
        clue: what is known of the effect.
        registry: the registry's name, for registrations.
        names: the names in the target's module.
    """
    if registry is not None:
        return registrations.cure(clue, registry, names)
    if clue.root == "thread":
        return _timer(clue, names) if clue.kind == "live-timer" else _thread(clue, names)
    if clue.root in {"task", "timer", "loop"}:
        return _of_loop(clue, names)
    if clue.kind == "child-process":
        return open_things.child(clue, names)
    if clue.kind == "open-fd":
        return open_things.descriptor(clue, names)
    return None


# -- threads ----------------------------------------------------------------------------------------------------------


def _timer(clue: Clue, names: Names) -> list[str] | None:
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


def _thread(clue: Clue, names: Names) -> list[str] | None:
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
        if _needs_nothing(function_of(owner, name)):
            return name
    return None


def _needs_nothing(method: Any) -> bool:
    """Whether a method can be called without arguments."""
    if type(method) is not types.FunctionType:
        return False
    code = method.__code__
    needed = code.co_argcount - len(method.__defaults__ or ())
    return needed <= 1 <= code.co_argcount and code.co_kwonlyargcount <= len(method.__kwdefaults__ or {})


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
    for spelled, value, code in _read(clue, names):
        kind = foreign.type_name(value)
        name = spelled.rpartition(".")[2]
        if type(value) is bool and sources.flags(code).get(name) is (not value):
            place = f"globals()[{foreign.quoted(name)}]" if name == spelled else spelled
            return f"{place} = {not value}"
        if kind == "threading.Event":
            return f"{spelled}.set()"
        if kind in QUEUES and sources.compares_with_none(code):
            return f"{spelled}.put(None)"
        if _is_loop(value) and "run_forever" in code.co_names:
            return f"{spelled}.call_soon_threadsafe({spelled}.stop)"
    return None


def _is_loop(o: Any) -> bool:
    return foreign.defines(type(o), "run_forever") and foreign.defines(type(o), "call_soon_threadsafe")


def _read(clue: Clue, names: Names) -> Iterator[tuple[str, Any, types.CodeType]]:
    """What the functions of a thread read: globals, and attributes of the objects whose methods they are."""
    owners = [clue.values[0], *(value.__self__ for value in clue.values if type(value) is types.MethodType)]
    named = [(name, o) for o in owners if (name := names.bound(o)) is not None]
    for function in _functions(clue):
        code = function.__code__
        for name in map(foreign.text, code.co_names):
            if name in names.namespace:
                yield name, names.namespace[name], code
            for owner, o in named:
                own = foreign.instance_dict(o) or {}
                if name in own:
                    yield f"{owner}.{name}", own[name], code


# -- loops ------------------------------------------------------------------------------------------------------------


def _of_loop(clue: Clue, names: Names) -> list[str] | None:
    first = clue.values[0]
    name = names.bound(first)
    loop = _loop_of(first, names)
    word = clue.path.partition(" ")[0]
    if clue.root == "task":
        return _task(clue, name, loop, names)
    if clue.path.startswith("async generator"):
        return (
            [f"{loop}.run_until_complete({name}.aclose())"] if name is not None and loop is not None else None
        )
    if clue.path.startswith("future"):
        callback = names.subject(clue.owned).name if clue.owned is not None else None
        return (
            [f"{name}.remove_done_callback({callback})"]
            if name is not None and callback is not None
            else None
        )
    if clue.path.endswith("(cancelled)"):
        return None  # something other than the loop keeps it
    if name is not None and clue.root == "timer":
        return [f"{name}.cancel()"]
    subject = names.subject(clue.owned) if clue.owned is not None else _builtin(clue)
    if loop is None or subject is None:
        return None
    item = names.variable("item")
    if clue.path.endswith("._accept_connection"):
        servers = [
            n for n, o in list(names.namespace.items()) if foreign.type_name(o) == _SERVER and is_name(n)
        ]
        return [f"{servers[0]}.close()"] if len(servers) == 1 else None
    if word in {"reader", "writer"}:
        at = 0 if word == "reader" else 1
        handle = f"{item}.data[{at}]"
        test = subject.test.of(f"getattr({handle}, '_callback', None)")
        return [
            f"for {item} in list({loop}._selector.get_map().values()):",
            f"    if {test}: {loop}.remove_{word}({item}.fd)",
        ]
    if clue.path.startswith("signal handler"):
        signal = clue.path.split(" ")[2]
        return [f"{loop}.remove_signal_handler({names.need('signal')}.{signal})"]
    table = "_scheduled" if clue.root == "timer" else "_ready"
    test = subject.test.of(f"getattr({item}, '_callback', None)")
    return [f"for {item} in [{item} for {item} in {loop}.{table} if {test}]:", f"    {item}.cancel()"]


_SERVER = "asyncio.base_events.Server"


def _builtin(clue: Clue) -> Subject | None:
    """The builtin function that a handle calls."""
    for value in clue.values[1:2]:
        name = value.__name__ if type(value) is types.BuiltinFunctionType else ""
        if name and vars(builtins).get(name) is value:
            return Subject(name, Test("{}", "is", name))
    return None


def _loop_of(o: Any, names: Names) -> str | None:
    """How the loop of a task or handle is spelled; `None` if no global has it."""
    loop: Any = None
    for cls in foreign.mro(type(o)):
        descriptor = foreign.class_dict(cls).get("_loop")
        if foreign.is_exactly(descriptor, _DESCRIPTORS):
            try:
                loop = descriptor.__get__(o)
            except AttributeError:
                return None
            break
    if loop is None:
        return None
    bound = names.bound(loop)
    if bound is not None:
        return bound
    found = reading.global_of(loop)
    return f"{names.need(found[0])}.{found[1]}" if found is not None else None


_DESCRIPTORS = foreign.type_ids(types.GetSetDescriptorType, types.MemberDescriptorType)


def _task(clue: Clue, name: str | None, loop: str | None, names: Names) -> list[str] | None:
    item = names.variable("item")
    if name is not None:
        cancel = [f"{name}.cancel()"]
        tasks = f"[{name}]"
    elif loop is not None:
        test = _task_test(clue, item, names)
        if test is None:
            return None
        tasks = names.variable("tasks")
        module = names.need("asyncio")
        cancel = [
            f"{tasks} = [{item} for {item} in {module}.all_tasks({loop}) if {test}]",
            f"for {item} in {tasks}:",
            f"    {loop}.call_soon_threadsafe({item}.cancel)",
        ]
    else:
        return _by_owner(clue, names) or _on_loop(clue, names)
    if loop is None:
        return cancel
    module = names.need("asyncio")
    return [
        *cancel,
        f"if not {loop}.is_running():",
        f"    {loop}.run_until_complete({module}.wait({tasks}))"
        if name is not None
        else f"    {loop}.run_until_complete({module}.gather(*{tasks}, return_exceptions=True))",
    ]


def _task_test(clue: Clue, item: str, names: Names) -> str | None:
    if clue.owned is clue.values[0]:
        return names.subject(clue.owned).test.of(item)
    if clue.owned is not None and any(value is clue.owned for value in clue.values[1:2]):
        return names.subject(clue.owned).test.of(f"{item}.get_coro()")
    subject = names.called(*clue.held) if clue.held is not None else None
    if subject is None:
        return None
    value = names.variable("value")
    frame = f"getattr({item}.get_coro(), 'cr_frame', None)"
    return f"{frame} and any({subject.test.of(value)} for {value} in {frame}.f_locals.values())"


def _by_owner(clue: Clue, names: Names) -> list[str] | None:
    """Let the object whose method the task runs end it, such as a `discord.ext.tasks.Loop`."""
    for owner in _owners(clue):
        spelled = names.bound(owner) or _attribute(owner, names)
        for method in ENDS if spelled is not None else ():
            if _needs_nothing(function_of(owner, method)):
                return [f"{spelled}.{method}()"]
    return None


def _owners(clue: Clue) -> Iterator[Any]:
    """The objects whose methods the task's coroutines are."""
    for suspended in clue.values[1:]:
        if type(suspended) is types.CoroutineType:
            code = suspended.cr_code
            for value in gc.get_referents_of_all(suspended):
                if foreign.own_code(function_of(value, foreign.code_text(code))) is code:
                    yield value


def _attribute(owner: Any, names: Names) -> str | None:
    """How an instance of the target's class, which the owner knows, spells the owner."""
    for value in list((foreign.instance_dict(owner) or {}).values()):
        if foreign.class_module(type(value)) != names.module:
            continue
        for attribute, own in list((foreign.instance_dict(value) or {}).items()):
            if own is owner and type(attribute) is str:
                instance = names.bound(value) or ("self" if names.given.has_methods else None)
                return f"{instance}.{attribute}" if instance is not None else None
    return None


def _on_loop(clue: Clue, names: Names) -> list[str] | None:
    """Cancel the tasks of the loop on which the hook runs."""
    item = names.variable("item")
    test = _task_test(clue, item, names) if names.is_on_loop() else None
    if test is None:
        return None
    return [
        f"for {item} in [{item} for {item} in {names.need('asyncio')}.all_tasks() if {test}]:",
        f"    {item}.cancel()",
    ]
