"""Define, as data, the functions that register something that cannot be listed.

The listing probes cover the rest, which is the value of a variable or a readable slot: a signal's handler,
`sqlite3.adapters`, the completer of `readline`, the current contexts of `decimal` and `locale`. A list of the callbacks
of `atexit` does not show who registered them, so `atexit` is watched too.
"""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

Extracted = Callable[[Sequence[Any], Mapping[str, Any]], tuple[Any, ...]]
"""Finds objects among the arguments of a call that succeeded."""


def _nothing(_args: Sequence[Any], _kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
    return ()


def _first(args: Sequence[Any], _kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(args[:1])


def _first_or(keyword: str) -> Extracted:
    """Find the first argument, which may also be passed by name."""
    return lambda args, kwargs: tuple(args[:1]) or ((kwargs[keyword],) if keyword in kwargs else ())


def _second(args: Sequence[Any], _kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(args[1:2])


def _last(args: Sequence[Any], _kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
    return () if args[-1] is None else tuple(args[-1:])


def _rest(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
    return (*args[1:], *kwargs.values())


def _keywords(_args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
    """The three hooks of `os.register_at_fork`, in the order of its documentation."""
    found = (kwargs.get(name) for name in ("before", "after_in_parent", "after_in_child"))
    return tuple(hook for hook in found if hook is not None)


def _audit(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
    return (*args[:1], *kwargs.values())


def _file(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
    """The file that `faulthandler` writes to. Without a file it takes `sys.stderr`, and keeps that."""
    given = (*args[1:2], kwargs.get("file"))[0]
    return (sys.stderr if given is None else given,)


def _tool_and_event(args: Sequence[Any], _kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(args[:2])


class Watch(NamedTuple):
    """One watched function."""

    spelling: str
    """The name by which a program calls it."""
    module: str
    """The module that defines the builtin."""
    registry: str
    entries: Extracted = _nothing
    """The registered objects, which form one entry."""
    also: Extracted = _nothing
    """Other objects that the entry keeps."""
    slot: Extracted = _nothing
    """The name of the slot whose previous entry this one replaces; empty if there is no slot."""
    undoes: str = ""
    """Which entries it removes. `equal`: all that equal its first argument; `same`: the first that is that object;
    `slot`: the one in the slot; `slots`: those in slots whose names begin like it. Empty: it registers an entry."""
    bars: bool = False
    """Whether the collector sees the registry's references, which then count as this registration only."""

    @property
    def name(self) -> str:
        """The function's own name."""
        return self.spelling.rpartition(".")[2]


WATCHES = (
    Watch("atexit.register", "atexit", "atexit", _first, _rest),
    Watch("atexit.unregister", "atexit", "atexit", undoes="equal"),
    Watch("codecs.register", "_codecs", "codecs", _first),
    Watch("codecs.unregister", "_codecs", "codecs", undoes="same"),
    Watch("codecs.register_error", "_codecs", "codecs", _second, slot=_first),
    Watch("codecs._unregister_error", "_codecs", "codecs", slot=_first, undoes="slot"),  # since 3.14
    Watch("os.register_at_fork", os.name if os.name == "nt" else "posix", "fork", _keywords),
    Watch("sys.addaudithook", "sys", "audit", _audit),
    Watch(
        "faulthandler.register", "faulthandler", "faulthandler", _file, slot=_first_or("signum"), bars=True
    ),
    Watch("faulthandler.unregister", "faulthandler", "faulthandler", slot=_first_or("signum"), undoes="slot"),
    Watch(
        "sys.monitoring.register_callback", "sys.monitoring", "sys.monitoring", _last, slot=_tool_and_event
    ),
    Watch("sys.monitoring.clear_tool_id", "sys.monitoring", "sys.monitoring", slot=_first, undoes="slots"),
    *(
        # Before 3.14, it kept the callbacks.
        [
            Watch(
                "sys.monitoring.free_tool_id", "sys.monitoring", "sys.monitoring", slot=_first, undoes="slots"
            )
        ]
        if sys.version_info >= (3, 14)
        else []
    ),
)

BY_SPELLING = {watch.spelling: watch for watch in WATCHES}


def slot_key(values: tuple[Any, ...]) -> tuple[str | int, ...]:
    """The name of a slot as plain `str` and `int` values; instances of subclasses are converted."""
    return tuple(
        str.__str__(v) if issubclass(type(v), str) else int.__int__(v)
        for v in values
        if issubclass(type(v), (str, int))
    )


def equality_key(o: Any) -> tuple[object, ...]:
    """A key that is equal for identical objects, and for equal callables of CPython's own types."""
    if type(o) is types.MethodType:  # each access to a method makes a new object
        return ("method", id(o.__func__), id(o.__self__))
    if type(o) is types.BuiltinFunctionType and o.__self__ is not None:
        return ("builtin", id(o.__self__), o.__name__)
    return ("object", id(o))


_ONCE = "cannot be unregistered: register it once, outside reloaded modules, and let it call the current generation"


def advice(spelling: str, name: str) -> str:
    """What to do about an entry.

    Args:
        spelling: the function that registered it.
        name: a description of the entry.
    """
    if spelling == "atexit.register":
        return f"on unload, call atexit.unregister() for {name}"
    if spelling == "codecs.register":
        return f"on unload, call codecs.unregister() for {name}"
    if spelling == "codecs.register_error":
        return f"register {name} under the same name in each generation, so that the newest replaces the rest"
    if spelling == "faulthandler.register":
        return f"on unload, call faulthandler.unregister() for the signal of {name}"
    if spelling == "os.register_at_fork":
        return f"the fork hook {name} {_ONCE}"
    if spelling == "sys.addaudithook":
        return f"the audit hook {name} {_ONCE}"
    return f"on unload, register None in place of {name}, and free the tool id"
