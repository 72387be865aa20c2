"""Write the cure of what an event loop has: a task, timer, callback, server or child process."""

from __future__ import annotations

import builtins
import types
from collections.abc import Iterator
from typing import Any

from pytest_reloadleak.cures import reading
from pytest_reloadleak.cures.effects.registrations import Clue
from pytest_reloadleak.cures.knowledge import ENDS
from pytest_reloadleak.cures.methods.offers import function_of, needs_nothing
from pytest_reloadleak.cures.names import Names, Subject, Test, is_name
from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import foreign


def child(clue: Clue, names: Names) -> list[str] | None:
    """The lines that end a child of a loop; `None` where no global of the target is its process or transport."""
    pid = next((part for part in clue.identity if type(part) is int), None)
    for name, value in list(names.namespace.items()):
        if is_name(name) and foreign.type_name(value) == _PROCESS:
            own = foreign.instance_dict(value) or {}
            if pid is not None and dict.get(own, "pid") == pid:
                return _ended(names, dict.get(own, "_loop"), f"{name}.terminate()", f"{name}.wait()")
        elif is_name(name) and any(value is o for o in clue.values) and function_of(value, "get_returncode"):
            loop = dict.get(foreign.instance_dict(value) or {}, "_loop")
            return _closed(names, loop or _loop_of_uvloop(value), name)
    return None


def _ended(names: Names, loop: object, end: str, wait: str) -> list[str]:
    """The lines that end a child and let its loop notice it."""
    spelled = _spelled(loop, names)
    if spelled is None:
        return [end]
    return [end, f"if not {spelled}.is_running():", f"    {spelled}.run_until_complete({wait})"]


def _closed(names: Names, loop: object, name: str) -> list[str]:
    """The lines that close a transport, which kills its child; only the loop notices that the child has ended."""
    spelled = _spelled(loop, names)
    if spelled is None:
        return [f"{name}.close()"]
    return [
        f"{name}.close()",
        f"while {name}.get_returncode() is None and not {spelled}.is_running():",
        f"    {spelled}.run_until_complete({names.need('asyncio')}.sleep(0.01))",
    ]


def _loop_of_uvloop(o: Any) -> Any:
    """The loop among what an object of uvloop refers to."""
    return next(
        (part for part in gc.get_referents_of_all(o) if foreign.defines(type(part), "run_forever")), None
    )


_PROCESS = "asyncio.subprocess.Process"


def of_loop(clue: Clue, names: Names) -> list[str] | None:
    """The lines that end what a loop would run."""
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
    return _spelled(loop, names)


def _spelled(loop: object, names: Names) -> str | None:
    """How a loop is spelled; `None` if no global has it."""
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
            if needs_nothing(function_of(owner, method)):
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
