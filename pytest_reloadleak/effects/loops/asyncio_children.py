"""Recognise the parts of a child process that asyncio started: transport, pipes, and the waiter for its end.

All of them end with the child, so they belong to the child's finding.
"""

from __future__ import annotations

import types
from collections.abc import Iterable
from typing import Any

from pytest_reloadleak.heap import foreign, instances

_TRANSPORT = ("asyncio.base_subprocess", "BaseSubprocessTransport")
_OF_UVLOOP = ("uvloop.loop", "UVProcessTransport")
_PIPE = ("asyncio.transports", "BaseTransport")
_WATCHERS = "asyncio.unix_events"
_WAITS = frozenset({"_do_wait", "_do_waitpid"})
"""Functions that wait for children: the reader of a pidfd (since 3.12), and before that the function of a thread."""


def is_part(callback: object, values: Iterable[Any]) -> bool:
    """Whether a reader or writer serves a child that has not ended.

    Args:
        callback: what it calls. A callback of the program may refer to a child, but is not a part of it.
        values: the parts of the callback.
    """
    if waits(callback):
        return True
    owner = callback.__self__ if type(callback) is types.MethodType else None
    cls = foreign.loaded_class(*_PIPE)
    return cls is not None and issubclass(type(owner), cls) and any(map(_is_running, values))


def waits(callback: object) -> bool:
    """Whether a callback, or the function of a thread, only waits for the end of a child."""
    function = callback.__func__ if type(callback) is types.MethodType else None
    if type(function) is not types.FunctionType or function.__name__ not in _WAITS:
        return False
    return foreign.module_name(function.__globals__) == _WATCHERS


def waiting(handles: Iterable[Any]) -> dict[int, int]:
    """The process ids of children, by the number of the descriptor through which a loop waits for the child's end.

    Args:
        handles: the handles of all loops.
    """
    found: dict[int, int] = {}
    for handle in handles:
        slots = dict(foreign.slots(handle))
        arguments = slots.get("_args")
        if waits(slots.get("_callback")) and type(arguments) is tuple:
            pid, number = (*arguments, None, None)[:2]
            if type(pid) is int and type(number) is int:
                found[number] = pid
    return found


def classes() -> tuple[Any, Any]:
    """The classes of the transports of children; `None` for what the program has not loaded."""
    return foreign.loaded_class(*_TRANSPORT), foreign.loaded_class(*_OF_UVLOOP)


def facade() -> Any:
    """The class of what `create_subprocess_exec` returns; `None` if the program has not loaded it."""
    return foreign.loaded_class("asyncio.subprocess", "Process")


def is_transport(o: object) -> bool:
    """Whether an object is the transport of a child."""
    return any(cls is not None and issubclass(type(o), cls) for cls in classes())


def transported(transport: Any) -> tuple[int | None, tuple[Any, ...]]:
    """The number of a transport's child, and the transport with the protocol that it calls.

    One of uvloop has no attributes: it shows the collector what it refers to.
    """
    own = foreign.instance_dict(transport) or {}
    uvloop = foreign.loaded_class(*_OF_UVLOOP)
    if uvloop is None or not issubclass(type(transport), uvloop):
        return _number(dict.get(own, "_pid")), (transport, dict.get(own, "_protocol"))
    pid = foreign.class_dict(uvloop)["get_pid"](transport)
    parts = [o for o in instances.referents(transport) if foreign.class_module(type(o)) not in _NO_PROTOCOL]
    return _number(pid), (transport, *parts)


def descriptors(transport: Any) -> set[int]:
    """The descriptors of the pipes of a transport of uvloop; those of asyncio are the files of its process."""
    uvloop = foreign.loaded_class(*_OF_UVLOOP)
    if uvloop is None or not issubclass(type(transport), uvloop):
        return set()
    pipes = [foreign.class_dict(uvloop)["get_pipe_transport"](transport, number) for number in range(3)]
    ends = [pipe.get_extra_info("socket") for pipe in pipes if pipe is not None]
    return {end.fileno() for end in ends if foreign.class_module(type(end)) == "uvloop.loop"}


def transport_of(o: Any) -> Any:
    """The transport of what `create_subprocess_exec` returned."""
    return dict.get(foreign.instance_dict(o) or {}, "_transport")


_NO_PROTOCOL = frozenset({"builtins", "uvloop", "uvloop.loop", "_asyncio"})


def _number(o: object) -> int | None:
    return o if type(o) is int else None


def _is_running(o: object) -> bool:
    """Whether an object is the transport of a child that has not ended."""
    cls = foreign.loaded_class(*_TRANSPORT)
    if cls is None or not issubclass(type(o), cls):
        return False
    own = foreign.instance_dict(o) or {}
    return dict.get(own, "_proc") is not None and dict.get(own, "_returncode") is None
