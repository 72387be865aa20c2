"""The functions that register something where it cannot be listed, as data.

What can be listed is left to the probes that list: a signal's handler, `sqlite3.adapters`, the completer of `readline`,
the current contexts of `decimal` and `locale`, which are values of a variable or slots that can be read. `atexit` can
be listed, yet not who registered what; so it is watched as well.
"""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

Found = Callable[[Sequence[Any], Mapping[str, Any]], tuple[Any, ...]]
"""Finds objects among the arguments of a call that succeeded."""


def _nothing(_args: Sequence[Any], _kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
    return ()


def _first(args: Sequence[Any], _kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(args[:1])


def _first_or(keyword: str) -> Found:
    """The first argument, which may be passed by name too."""
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
    """The file that `faulthandler` is to write to; without one it takes `sys.stderr`, and keeps that."""
    given = (*args[1:2], kwargs.get("file"))[0]
    return (sys.stderr if given is None else given,)


def _tool_and_event(args: Sequence[Any], _kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(args[:2])


class Watch(NamedTuple):
    """One function to watch."""

    spelling: str
    """As a program calls it."""
    module: str
    """The module whose builtin it is."""
    registry: str
    entries: Found = _nothing
    """What is registered: one entry, whatever it consists of."""
    also: Found = _nothing
    """What the entry keeps besides."""
    slot: Found = _nothing
    """The name of the slot that the entry takes from whatever had it; no slot if there is none."""
    undoes: str = ""
    """`equal`: takes away all entries that equal its first argument; `same`: the first that is it; `slot`: what is in
    the slot; `slots`: what is in those whose names begin like that; otherwise it registers."""

    bars: bool = False
    """Whether the collector sees the registry's own references, which are then this registration and nothing else."""

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
        # Before, it kept the callbacks.
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
    """The name of a slot in plain values, which no subclass of `str` or `int` is."""
    return tuple(
        str.__str__(v) if issubclass(type(v), str) else int.__int__(v)
        for v in values
        if issubclass(type(v), (str, int))
    )


def likeness(o: Any) -> tuple[object, ...]:
    """Equal for callables of CPython's own types that are equal, and for what is one object.

    Each access to a method makes another object; two are equal if they are the same function of the same object.
    """
    if type(o) is types.MethodType:
        return ("method", id(o.__func__), id(o.__self__))
    if type(o) is types.BuiltinFunctionType and o.__self__ is not None:
        return ("builtin", id(o.__self__), o.__name__)
    return ("object", id(o))


_ONCE = (
    "can never be taken back: register it once, from a module that is not reloaded, and let that one call "
    "whatever the present generation is"
)


def advice(spelling: str, name: str) -> str:
    """What to do about an entry.

    Args:
        spelling: the function that registered it.
        name: the entry, described.
    """
    if spelling == "atexit.register":
        return f"call atexit.unregister() for {name} when its code is unloaded"
    if spelling == "codecs.register":
        return f"call codecs.unregister() for {name} when its code is unloaded"
    if spelling == "codecs.register_error":
        return f"register {name} under one name in each generation, so that the newest takes the place of the others"
    if spelling == "faulthandler.register":
        return f"call faulthandler.unregister() for the signal of {name} when its code is unloaded"
    if spelling == "os.register_at_fork":
        return f"the fork hook {name} {_ONCE}"
    if spelling == "sys.addaudithook":
        return f"the audit hook {name} {_ONCE}"
    return f"register None in the place of {name} when its code is unloaded, and free the tool's id"
