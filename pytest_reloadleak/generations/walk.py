"""Find the functions and classes of a namespace without entering what belongs to others."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pytest_reloadleak.generations.markers import is_marked
from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import foreign

LIMIT = 200_000
"""Objects visited per namespace. Reference counts find what lies beyond (`unlisted_functions`)."""
_WIDEST = 1_000
"""The largest number of items of a container that is entered: a larger one is a table of data."""
_WRAPPED = 300
"""The largest number of objects per namespace that are entered because they may be wrappers within another wrapper, as
two decorators make them. A graph of data has more objects."""

_ATOMS = foreign.type_ids(str, bytes, int, float, complex, bool, type(None))
_SIZED = foreign.type_ids(list, tuple, dict, set, frozenset)
_TRANSPARENT = _SIZED | foreign.type_ids(
    staticmethod, classmethod, property, types.MethodType, functools.partial
)

_CARRIERS = foreign.type_ids(
    types.FunctionType,
    staticmethod,
    classmethod,
    property,
    functools.partial,
    functools.partialmethod,
    functools.cached_property,
    type(functools.lru_cache(len)),
)
"""Types of objects that stand for one function, in a class or in a wrapper."""


@dataclass(slots=True, eq=False, repr=False)
class Definitions:
    """What a walk found. Lives only while the ledger is written."""

    functions: list[types.FunctionType] = field(default_factory=list)
    """Functions whose globals are the namespace, including the inner ones of closures and wrappers."""
    codes: list[types.CodeType] = field(default_factory=list)
    """Their code objects, and those of the functions that they define."""
    classes: list[type] = field(default_factory=list)
    """C types are left out: no execution creates them, so they have no generations, whatever module they name."""
    wrapped: set[int] = field(default_factory=set)
    """Ids of those that were found in an object other than a container, and of what is defined within these."""


def walk(namespace: dict[str, Any], owns: Callable[[str], bool], *, is_deep: bool) -> Definitions:
    """Find the functions, code and classes of a namespace.

    Args:
        namespace: a module's dict.
        owns: whether a module name belongs to the unit; classes of others are not entered.
        is_deep: whether to enter functions, and to look for functions inside classes and other functions.
    """
    found = Definitions()
    stack: list[Any] = [
        v for name, v in dict.items(namespace) if type(name) is not str or name != "__builtins__"
    ]
    seen: set[int] = {id(namespace)}
    within: set[int] = set()
    while stack and len(seen) < LIMIT:
        o = stack.pop()
        if id(o) in seen:
            continue
        seen.add(id(o))
        # Most objects are texts, numbers and plain containers of data, so these come first.
        kind = id(type(o))
        if kind in _ATOMS:
            continue
        if kind in _SIZED:
            stack += _items(o, found)
            continue
        inner: list[Any] = []
        is_wrapped = id(o) in found.wrapped
        if type(o) is types.FunctionType:
            inner = _of_function(o, namespace, found)
            inner = inner if is_deep else []
        elif type(o) is types.CodeType:
            found.codes.append(o)
            inner = [const for const in o.co_consts if type(const) is types.CodeType]
        elif foreign.is_class(o):
            is_own = owns(foreign.class_module(o)) or is_written_in(o, namespace)
            if is_own and not foreign.is_c_type(o) and not foreign.is_on_demand(o):
                found.classes.append(o)
                inner = [v for v in foreign.class_dict(o).values() if is_deep or foreign.is_class(v)]
        elif not foreign.is_module(o) and gc.is_tracked(o):
            inner = _inside(o)
            is_wrapped = is_wrapped or not foreign.is_exactly(o, _TRANSPARENT)
            if is_deep and id(o) not in within and len(within) < _WRAPPED and _may_wrap(o):
                wrappers = [v for v in _parts(o) if _may_wrap(v) and id(v) not in seen]
                within.update(map(id, wrappers))
                stack += wrappers
        if is_wrapped:
            found.wrapped.update(map(id, inner))
        stack += inner
    return found


def _of_function(function: types.FunctionType, namespace: dict[str, Any], found: Definitions) -> list[Any]:
    inner: list[Any] = [*(function.__closure__ or ()), *function.__dict__.values()]
    if function.__globals__ is namespace:
        found.functions.append(function)
        found.codes.append(function.__code__)
        if id(function) in found.wrapped:
            found.wrapped.add(id(function.__code__))
        inner += [const for const in function.__code__.co_consts if type(const) is types.CodeType]
    return inner


def _items(o: Any, found: Definitions) -> list[Any]:
    """The items of a plain container, unless it is a large table or has only atoms."""
    if not gc.is_tracked(o) or len(o) > _WIDEST:
        return []
    items = gc.get_referents_of_all(o)
    if id(o) in found.wrapped:
        found.wrapped.update(map(id, items))
    return items


def _inside(o: Any) -> list[Any]:
    if type(o) is types.CellType:
        return gc.get_referents(o)
    if foreign.is_exactly(o, _TRANSPARENT):
        return gc.get_referents(o)
    return _wrapped(o)


def _wrapped(o: Any) -> list[Any]:
    """Functions and classes that a command, route, proxy or cache refers to directly, and carriers of a function."""
    return [value for value in _parts(o) if foreign.is_exactly(value, _CARRIERS) or _is_other_class(value, o)]


def _parts(o: Any) -> list[Any]:
    """What an object refers to, with the values of its dict."""
    near = gc.get_referents(o)
    return near + [
        value for inner in near if type(inner) is dict and len(inner) <= _WIDEST for value in inner.values()
    ]


def _may_wrap(o: Any) -> bool:
    """Whether an object is an instance of a class that is written in Python, and no class."""
    return not (foreign.is_c_type(type(o)) or foreign.is_class(o))


def _is_other_class(value: Any, o: Any) -> bool:
    """Whether an object's attribute is a class: a reloader of single classes puts a proxy in the place of each."""
    return foreign.is_class(value) and value is not type(o)


def site_of(code: types.CodeType) -> tuple[str, int, str]:
    """Where a code object was written: the same for every execution of the same source."""
    return *foreign.code_location(code), foreign.code_text(code)


def is_written_in(cls: type, namespace: dict[str, Any]) -> bool:
    """Whether a class was written in a namespace but carries another name than the target's.

    A package may give its own name to what it exports: `Client.__module__ = "httpx"`. A module may be executed under
    another name: `__main__`. A class with its own methods, to which the namespace only added one, is not written there.
    Only methods whose names say that they were written in the class count: the enum metaclass adds some of its own.
    """
    home, module = foreign.module_name(namespace), foreign.class_module(cls)
    if module != home and not home.startswith(f"{module or home}."):
        return False
    name = f"{foreign.class_qualname(cls)}."
    written = [f for f in functions_of(cls) if foreign.text(f.__qualname__).startswith(name)]
    if module == home:
        return bool(written) and all(f.__globals__ is namespace for f in written)
    return bool(written) and all(foreign.module_name(f.__globals__) == home for f in written)


def functions_of(cls: type) -> list[types.FunctionType]:
    """Plain functions in a class's namespace, unwrapped from static and class methods and properties."""
    out = []
    for entry in foreign.class_dict(cls).values():
        value = entry.__func__ if foreign.is_exactly(entry, _STATIC) else entry
        parts = (value.fget, value.fset, value.fdel) if type(value) is property else (value,)
        out += [part for part in parts if type(part) is types.FunctionType]
    return out


_STATIC = foreign.type_ids(staticmethod, classmethod)


def namespaces_of(name: str, entry: object) -> list[dict[str, Any]]:
    """The namespaces in which a module's code ran: usually that of its `sys.modules` entry.

    A module may replace its entry with a class, an instance, or another module that took over its names. Then the
    namespace is the globals of the functions that the entry has.
    """
    own = foreign.module_dict(entry)
    found: dict[int, dict[str, Any]] = {} if own is None else {id(own): own}
    classes = foreign.mro(entry if foreign.is_class(entry) else type(entry))  # type: ignore[arg-type]  # is_class
    contents = [foreign.class_dict(cls).values() for cls in classes] if own is None else []
    contents.append((own if own is not None else foreign.instance_dict(entry) or {}).values())
    for values in contents:
        for value in list(values):
            if type(value) is not types.FunctionType or foreign.module_name(value.__globals__) != name:
                continue
            # A module with a namespace of its own may hold a function of an older generation, even of an earlier check.
            if own is None or not is_marked(value.__globals__):
                found[id(value.__globals__)] = value.__globals__
    return list(found.values())
