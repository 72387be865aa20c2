"""Find the target's object among the objects that an effect is made of."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterable
from typing import Any

from pytest_reloadleak.heap import describe, foreign
from pytest_reloadleak.model import Held


def owner(values: Iterable[Any], owns: Callable[[str], bool], rename: Callable[[str], str]) -> Held | None:
    """Describe the first object of the target among `values`; `None` if there is none.

    Args:
        values: functions, methods, partials, classes, instances, suspended code and code objects.
        owns: whether a module name belongs to the target.
        rename: returns the stable form of a text that contains module names.
    """
    for value in values:
        if is_owned(value, owns):
            return (
                describe.describe(value, rename)
                if type(value) is not types.FrameType
                else _running(value, rename)
            )
    return None


def _running(frame: types.FrameType, rename: Callable[[str], str]) -> Held:
    """The function that a frame runs. If several functions share the code, the frame does not say which one."""
    code = frame.f_code
    name = f"{foreign.module_name(frame.f_globals)}.{foreign.code_name(code)}"
    file, line = foreign.code_location(code)
    return Held(type="function", name=rename(name), file=file, line=line)


def is_owned(o: Any, owns: Callable[[str], bool]) -> bool:
    """Whether an object belongs to the target: by its code, its class, or what it is bound to."""
    inner = _inner(o)
    if inner is not None:
        return any(is_owned(part, owns) for part in inner)
    if type(o) is types.FunctionType:
        return owns(foreign.module_name(o.__globals__))
    if foreign.is_class(o):
        return owns(foreign.class_module(o))
    if foreign.is_module(o):
        return owns(foreign.module_name(foreign.module_dict(o) or {}))
    if type(o) is types.FrameType:
        return owns(foreign.module_name(o.f_globals))
    namespace = describe.suspended_globals(o)
    if namespace is not None:
        return owns(foreign.module_name(namespace))
    return owns(foreign.class_module(type(o)))


def _inner(o: Any) -> tuple[Any, ...] | None:
    """The parts of a bound method, partial or builtin function; `None` for any other object."""
    if type(o) is types.MethodType:
        return (o.__func__, type(o.__self__))
    if type(o) is functools.partial:
        return (o.func,)
    if type(o) is types.BuiltinFunctionType:
        return (type(o.__self__),) if o.__self__ is not None and not foreign.is_module(o.__self__) else ()
    return None
