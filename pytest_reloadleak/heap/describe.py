"""Describe an object in words that stay the same from run to run: no address, no `repr`, no object kept."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Sequence
from typing import Any

from pytest_reloadleak.heap import foreign
from pytest_reloadleak.model import Held

_SUSPENDED: dict[int, tuple[str, str, str]] = {
    id(types.GeneratorType): ("generator", "gi_code", "gi_frame"),
    id(types.CoroutineType): ("coroutine", "cr_code", "cr_frame"),
    id(types.AsyncGeneratorType): ("async generator", "ag_code", "ag_frame"),
}
_WRAPPED = foreign.type_ids(staticmethod, classmethod)

_ALWAYS = foreign.type_ids(
    types.CellType,
    types.TracebackType,
    types.FrameType,
    types.BuiltinFunctionType,
    types.MethodWrapperType,
    staticmethod,
    classmethod,
    property,
)


def is_carrier(o: Any, owns: Callable[[str], bool]) -> bool:
    """Whether `o` only carries what it refers to.

    A bound method of the target in a list counts as the target's object, so the list is the holder. A bound method of
    a foreign function is an object in its own right, which holds its arguments.

    Args:
        o: an object on a trace.
        owns: whether a module name belongs to the target's unit.
    """
    if foreign.is_exactly(o, _ALWAYS) or foreign.is_exception(o) or is_handle(o):
        return True
    if type(o) is types.MethodType:
        function = o.__func__
        return type(function) is not types.FunctionType or owns(foreign.module_name(function.__globals__))
    if type(o) is functools.partial:
        return type(o.func) is types.FunctionType and owns(foreign.module_name(o.func.__globals__))
    namespace = suspended_globals(o)
    return namespace is not None and owns(foreign.module_name(namespace))


_HANDLES = frozenset({"_pytest._code.code.ExceptionInfo"})
"""Types of the test runner whose objects belong to the test: an object that refers to one is the holder."""


def is_handle(o: Any) -> bool:
    """Whether `o` is an object of the test runner that belongs to the test."""
    return foreign.type_name(o) in _HANDLES


def suspended_globals(o: Any) -> dict[str, Any] | None:
    """Globals of a suspended generator or coroutine; `None` for one that has ended, and for anything else."""
    if id(type(o)) not in _SUSPENDED:
        return None
    frame = object.__getattribute__(o, _SUSPENDED[id(type(o))][2])
    return frame.f_globals if frame is not None else None


def is_stack(o: object) -> bool:
    """Whether `o` is an exception, the test runner's wrapper of one, or a part of a traceback."""
    return foreign.is_exactly(o, _STACKS) or foreign.is_exception(o) or is_handle(o)


def stack_at(path: Sequence[object]) -> int | None:
    """Where a path enters a traceback: at the exception, or at a part of it; `None` if it does not.

    An exception does not count where the path leaves it through an attribute that the program set on it. Nor does the
    frame of a suspended generator, which is on its paths before 3.11.
    """
    for n, o in enumerate(path):
        below = path[n + 1] if n + 1 < len(path) else None
        if type(o) is types.FrameType and n and id(type(path[n - 1])) in _SUSPENDED:
            continue
        if is_stack(o) and (below is None or foreign.instance_dict(o) is not below):
            return n
    return None


_STACKS = foreign.type_ids(types.TracebackType, types.FrameType)


def describe(o: Any, rename: Callable[[str], str]) -> Held:
    """Describe an object of the target, or a carrier of one.

    Args:
        o: the object.
        rename: returns the stable form of a module name, for names that the application makes up in each round.
    """
    if type(o) is types.FunctionType:
        return _of_code("function", rename(foreign.function_name(o)), o.__code__)
    if type(o) is types.MethodType:
        return _method(o, rename)
    if foreign.is_class(o):
        return _plain("class", rename(foreign.class_name(o)), _file(o))
    if foreign.is_module(o):
        namespace = foreign.module_dict(o) or {}
        file = foreign.text(dict.get(namespace, "__file__"))
        name = rename(foreign.module_name(namespace))
        return Held(type="module", name=name, file=file or None, line=None)
    if type(o) is dict and "__name__" in o:
        return Held(type="namespace", name=rename(foreign.module_name(o)), file=None, line=None)
    if id(type(o)) in _SUSPENDED:
        word, attribute, _ = _SUSPENDED[id(type(o))]
        module = foreign.module_name(suspended_globals(o) or {})
        name = foreign.text(object.__getattribute__(o, "__qualname__"))
        return _of_code(
            word, rename(f"{module}.{name}" if module else name), object.__getattribute__(o, attribute)
        )
    if foreign.is_exactly(o, _WRAPPED):
        return describe(o.__func__, rename)
    wrapped = _wrapped_function(o)
    if wrapped is not None:
        inner = describe(wrapped, rename)
        return Held(type=foreign.type_name(o), name=inner.name, file=inner.file, line=inner.line)
    name = rename(foreign.type_name(o))
    return _plain(name, name, _file(type(o)))


def _wrapped_function(o: Any) -> types.FunctionType | None:
    """The plain function that a partial or a property wraps, or `None`."""
    inner = o.func if type(o) is functools.partial else o.fget if type(o) is property else None
    return inner if type(inner) is types.FunctionType else None


def _method(method: types.MethodType, rename: Callable[[str], str]) -> Held:
    function = method.__func__
    if type(function) is not types.FunctionType:
        return describe(function, rename)
    return _of_code("method", rename(foreign.function_name(function)), function.__code__)


def _file(cls: type) -> str | None:
    """The file of the first function that a class defines; it does not show the class's own line.

    Functions with neither the class's name nor its module do not count: the enum metaclass adds some to each class.
    Those of a dataclass are compiled from text, with the globals of the module, or wrapped by a function of a library.
    """
    home, name = foreign.class_module(cls), f"{foreign.class_qualname(cls)}."
    functions = [v for v in foreign.class_dict(cls).values() if type(v) is types.FunctionType]
    written = [
        f
        for f in functions
        if foreign.text(f.__module__) == home or foreign.text(f.__qualname__).startswith(name)
    ]
    own = [f for f in written if foreign.module_name(f.__globals__) == home]
    files = [foreign.code_location(f.__code__)[0] for f in own]
    generated = [foreign.text(dict.get(f.__globals__, "__file__")) for f in own]
    others = [foreign.code_location(f.__code__)[0] for f in written]
    return next((file for file in (*files, *generated, *others) if file and not file.startswith("<")), None)


def _of_code(kind: str, name: str, code: types.CodeType) -> Held:
    file, line = foreign.code_location(code)
    return Held(type=kind, name=name, file=file, line=line)


def _plain(kind: str, name: str, file: str | None) -> Held:
    return Held(type=kind, name=name, file=file, line=None)


def spelled(held: Held) -> str:
    """The held object as a trace spells it: `function app.views.index`."""
    return held.name if held.type == held.name else f"{held.type} {held.name}"
