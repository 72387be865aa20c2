"""Say what an object is, in words that stay the same from run to run: no address, no `repr`, no object kept."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

from pytest_reloadleak.heap import foreign
from pytest_reloadleak.model import Held

_SUSPENDED: dict[int, tuple[str, str]] = {
    id(types.GeneratorType): ("generator", "gi_code"),
    id(types.CoroutineType): ("coroutine", "cr_code"),
    id(types.AsyncGeneratorType): ("async generator", "ag_code"),
}
_WRAPPED = foreign.type_ids(staticmethod, classmethod)

CARRIERS = foreign.type_ids(
    types.MethodType,
    types.CellType,
    types.GeneratorType,
    types.CoroutineType,
    types.AsyncGeneratorType,
    types.TracebackType,
    types.FrameType,
    types.BuiltinFunctionType,
    types.MethodWrapperType,
    functools.partial,
    staticmethod,
    classmethod,
    property,
)
"""Builtin types whose objects merely carry the target's: a bound method in a list is the target's thing in the list,
so the list is the holder."""


def is_carrier(o: object) -> bool:
    """Whether `o` only wraps what it refers to."""
    return foreign.is_exactly(o, CARRIERS) or foreign.is_exception(o)


def is_stack(o: object) -> bool:
    """Whether `o` is an exception, or a part of a traceback."""
    return foreign.is_exactly(o, _STACKS) or foreign.is_exception(o)


_STACKS = foreign.type_ids(types.TracebackType, types.FrameType)


def describe(o: Any, rename: Callable[[str], str]) -> Held:
    """Describe an object of the target, or a carrier of one.

    Args:
        o: the object.
        rename: gives the stable form of a module name; names that the application invents anew per round have one.
    """
    if type(o) is types.FunctionType:
        return _of_code("function", rename(foreign.function_name(o)), o.__code__)
    if type(o) is types.MethodType:
        return _method(o, rename)
    if foreign.is_class(o):
        return _plain("class", rename(foreign.class_name(o)), _first_code(o))
    if foreign.is_module(o):
        namespace = foreign.module_dict(o) or {}
        file = dict.get(namespace, "__file__")
        name = rename(foreign.module_name(namespace))
        return Held(type="module", name=name, file=file if type(file) is str else None, line=None)
    if type(o) is dict and "__name__" in o:
        return Held(type="namespace", name=rename(foreign.module_name(o)), file=None, line=None)
    if id(type(o)) in _SUSPENDED:
        word, attribute = _SUSPENDED[id(type(o))]
        code = object.__getattribute__(o, attribute)
        name = object.__getattribute__(o, "__qualname__")
        return _of_code(word, name, code)
    if foreign.is_exactly(o, _WRAPPED):
        return describe(o.__func__, rename)
    if type(o) is functools.partial:
        inner = describe(o.func, rename)
        return Held(type="functools.partial", name=inner.name, file=inner.file, line=inner.line)
    name = rename(foreign.type_name(o))
    return _plain(name, name, _first_code(type(o)))


def _method(method: types.MethodType, rename: Callable[[str], str]) -> Held:
    function = method.__func__
    if type(function) is not types.FunctionType:
        return describe(function, rename)
    return _of_code("method", rename(foreign.function_name(function)), function.__code__)


def _first_code(cls: type) -> types.CodeType | None:
    """Code of the first function that a class defines: it tells the file, though not the class's own line."""
    return next((v.__code__ for v in foreign.class_dict(cls).values() if type(v) is types.FunctionType), None)


def _of_code(kind: str, name: str, code: types.CodeType) -> Held:
    file, line = foreign.code_location(code)
    return Held(type=kind, name=name, file=file, line=line)


def _plain(kind: str, name: str, code: types.CodeType | None) -> Held:
    return Held(type=kind, name=name, file=foreign.code_location(code)[0] if code else None, line=None)


def spelled(held: Held) -> str:
    """How a trace spells the held object: `function app.views.index`."""
    return held.name if held.type == held.name else f"{held.type} {held.name}"
