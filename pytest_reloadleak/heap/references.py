"""Name one reference: how one object holds another.

Only the few references on a reported trace get names, so each name may cost a scan of its holder. Namespaces that are
mere plumbing (the dict of a module or instance, the tuple of a closure, a cell) are folded into the step that a
programmer would write: `.listeners`, `.__closure__['prev']`.
"""

from __future__ import annotations

import builtins
import collections
import datetime
import functools
import sys
import types
import weakref
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pytest_reloadleak.heap import c_references, foreign, unreadable
from pytest_reloadleak.heap import collector as gc

_FUNCTION_PARTS = ("__globals__", "__code__", "__builtins__")
_WRAPPERS = {id(staticmethod): "__func__", id(classmethod): "__func__"}
_ITERABLES: tuple[Any, ...] = (list, tuple, collections.deque, set, frozenset)
_WITH_TZINFO = (datetime.datetime, datetime.time)
_ANNOTATE: Any = types.FunctionType.__dict__.get("__annotate__")
"""Getter of what computes a function's annotations (PEP 649, since 3.14); calling it runs nothing."""
_FROZENDICT: Any = vars(builtins).get("frozendict", dict)
"""A mapping that does not derive from `dict`, since 3.15."""


def step(parent: object, child: object) -> str:
    """Name of the reference from `parent` to `child`.

    Args:
        parent: any object.
        child: an object that `gc.get_referents(parent)` lists.

    Returns:
        `.name` for attributes, `[key]` for items of mappings, `[*]` for items of sequences and sets, whose indexes
        change from round to round, and `<...>` for what has no Python spelling: `<in type>` if nothing more is known.
    """
    try:
        name = next(_candidates(parent, child), None)
        return c_references.part(parent, child) if name is None else name
    except Exception as error:  # noqa: BLE001 - one reference without a name is better than no report
        why = foreign.exception_text(error)
        unreadable.note(
            f"a reference of a {foreign.type_name(parent)} has no name, as reading it raised {why}"
        )
        return f"<in {foreign.type_name(parent)}>"


def _candidates(parent: Any, child: object) -> Iterator[str]:  # noqa: PLR0912 - a branch per type
    kind = type(parent)
    if foreign.is_module(parent):
        yield from _in_dict(foreign.module_dict(parent) or {}, child, attribute=True)
    elif foreign.is_class(parent):
        yield from _in_class(parent, child)
    elif kind is types.FunctionType:
        yield from _in_function(parent, child)
    elif kind is types.MethodType:
        yield from _among(parent, child, ("__self__", "__func__"))
    elif kind is types.CellType:
        yield ".cell_contents"
    elif kind is functools.partial:
        yield from _among(parent, child, ("func", "args", "keywords"))
    elif kind is property:
        yield from _among(parent, child, ("fget", "fset", "fdel"))
    elif id(kind) in _WRAPPERS:
        yield f".{_WRAPPERS[id(kind)]}"
    elif kind is types.TracebackType:
        yield from _among(parent, child, ("tb_frame", "tb_next"))
    elif kind is types.FrameType:
        yield from _in_frame(parent, child)
    elif kind is types.GeneratorType:
        yield from _in_suspended(parent.gi_frame, child)
    elif kind is types.CoroutineType:
        yield from _in_suspended(parent.cr_frame, child)
    elif kind is types.AsyncGeneratorType:
        yield from _in_suspended(parent.ag_frame, child)
    elif kind is types.BuiltinFunctionType or kind is types.MethodWrapperType:
        yield ".__self__"
    elif issubclass(kind, weakref.ref):
        yield ".__callback__"
    elif _is_lru_cache(kind):
        yield from _in_lru_cache(parent, child)
    elif kind is types.MappingProxyType:
        yield from _in_proxy(parent, child)
    elif issubclass(kind, _WITH_TZINFO):
        yield ".tzinfo"
    elif kind is types.CodeType:
        yield ".co_consts[*]"
    yield from c_references.fields(parent, child)
    yield from _in_container(parent, child)
    yield from _in_instance(parent, child)
    if kind is types.FunctionType:
        yield ".__annotations__"  # the only one left; reading it may run the function's annotate code (PEP 649)


def _among(parent: object, child: object, names: Iterable[str]) -> Iterator[str]:
    for name in names:
        if object.__getattribute__(parent, name) is child:
            yield f".{name}"


def _in_dict(d: Any, child: object, *, attribute: bool = False, kind: Any = dict) -> Iterator[str]:
    for key, value in kind.items(d):
        if value is child:
            is_name = attribute and foreign.is_text(key)
            yield f".{foreign.text(key)}" if is_name else f"[{foreign.key_text(key)}]"
            return
    for key in kind.keys(d):
        if key is child:
            yield "<key>"
            return


def _in_container(parent: Any, child: object) -> Iterator[str]:
    kind = type(parent)
    for mapping in filter(lambda base: issubclass(kind, base), (dict, _FROZENDICT)):
        yield from _in_dict(parent, child, kind=mapping)
    for base in _ITERABLES:
        if kind is base or (issubclass(kind, base) and any(item is child for item in base.__iter__(parent))):
            yield "[*]"
            return


def _in_class(cls: Any, child: object) -> Iterator[str]:
    for name, value in foreign.class_dict(cls).items():
        if value is child:
            yield f".{foreign.text(name)}"
            return
    yield from _in_inheritance(cls, child)


def _in_inheritance(cls: type, child: object) -> Iterator[str]:
    """Yield one name for inheritance, which consists of several references (`__bases__`, `__base__`, `__mro__`)."""
    for name, classes in ((".__bases__", foreign.bases(cls)), (".__mro__", foreign.mro(cls))):
        if classes is child:
            yield name
        elif any(base is child for base in classes):
            yield f"{name}[*]"


def is_inherited(path: Sequence[Any]) -> bool:
    """Whether the last reference of a path (objects that each refer to the next) only repeats another one.

    The method resolution order of a class also lists the bases of its bases. The class that has such a base among its
    `__bases__` holds it; a class derived from that class cannot release it.
    """
    if len(path) < 3 or not foreign.is_class(path[-3]) or foreign.mro(path[-3]) is not path[-2]:
        return False
    having = [cls for cls in path[-2] if any(base is path[-1] for base in foreign.bases(cls))]
    return bool(having) and all(cls is not path[-3] for cls in having)


def _in_function(function: types.FunctionType, child: object) -> Iterator[str]:
    for name in _FUNCTION_PARTS:
        if _plain_attribute(function, name) is child:
            yield f".{name}"
    if function.__closure__ is child:
        yield ".__closure__"
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        if cell is child:
            yield f".__closure__[{foreign.key_text(name)}]"
    if function.__defaults__ is child:
        yield ".__defaults__"
    if function.__kwdefaults__ is child:
        yield ".__kwdefaults__"
    if _ANNOTATE is not None and _ANNOTATE.__get__(function) is child:
        yield ".__annotate__"


def _plain_attribute(function: types.FunctionType, name: str) -> object:
    """Attribute of a plain function, whose type cannot be subclassed."""
    return object.__getattribute__(function, name)


def _in_frame(frame: types.FrameType, child: object) -> Iterator[str]:
    if frame.f_globals is child:
        yield ".f_globals"
    elif frame.f_back is child:
        yield ".f_back"
    elif frame.f_code is child:
        yield ".f_code"
    elif type(child) is types.FunctionType and child.__code__ is frame.f_code:
        yield ".<function>"
    else:
        name = next((n for n, value in frame_locals(frame) if value is child), None)
        yield f".<local {name}>" if name else ".<temporary>"


def _in_suspended(frame: types.FrameType | None, child: object) -> Iterator[str]:
    if frame is None or frame is child:
        yield ".<frame>"
    elif frame.f_code is child:
        yield ".<code>"
    else:
        yield from _in_frame(frame, child)


def frame_locals(frame: types.FrameType) -> list[tuple[str, object]]:
    """Names and values of a frame's locals, leaving no trace in the frame.

    Before PEP 667 (3.13) reading `f_locals` stores a snapshot dict on the frame, which keeps every local of that moment
    alive while the frame runs (reload facts, E37b). A snapshot that only the frame has is emptied again; one that the
    program requested itself with `locals()` is left alone.
    """
    namespace = frame.f_locals
    if namespace is frame.f_globals:
        return []
    # A class body may run in what `__prepare__` returned; only a dict or the proxy of PEP 667 lists items by itself.
    if issubclass(type(namespace), dict):
        pairs = list(dict.items(namespace))
    else:
        pairs = list(namespace.items()) if foreign.class_module(type(namespace)) == "builtins" else []
    items = [(name, value) for name, value in pairs if type(name) is str]
    optimized = frame.f_code.co_flags & 0x1  # CO_OPTIMIZED: a function's frame, so `f_locals` is a snapshot
    # The frame, `namespace` and getrefcount refer to an unshared snapshot. A traced frame writes its snapshot back.
    is_unshared = optimized and gc.getrefcount(namespace) <= 3
    if sys.version_info < (3, 13) and is_unshared and not gc.is_tracing():
        namespace.clear()
    return items


def _in_instance(parent: object, child: object) -> Iterator[str]:
    attributes = foreign.instance_dict(parent)
    if attributes is not None:
        if attributes is child:
            yield ".__dict__"
        yield from _in_dict(attributes, child, attribute=True)
    for name, value in foreign.slots(parent):
        if value is child:
            yield f".{name}"
            return
    if type(parent) is child:
        yield ".__class__"
    if foreign.is_exception(parent):
        for name in ("__traceback__", "__cause__", "__context__", "args"):
            if BaseException.__dict__[name].__get__(parent) is child:
                yield f".{name}"
                return


def _in_proxy(proxy: Any, child: object) -> Iterator[str]:
    for inner in gc.get_referents(proxy):
        if inner is child:
            yield ""
        elif issubclass(type(inner), dict):
            yield from _in_dict(inner, child)


def _is_lru_cache(kind: type) -> bool:
    return kind is functools._lru_cache_wrapper


def _in_lru_cache(wrapper: Any, child: object) -> Iterator[str]:
    attributes = foreign.instance_dict(wrapper)
    if attributes is None or all(value is not child for value in attributes.values()):
        yield "<cache entry>"


def bounded_cache(o: object, child: object) -> tuple[str, int] | None:
    """Module of an `lru_cache`'s function and how many results it keeps at most, if `child` is one of the results.

    `None` for the wrapped function, which is held however many results there are.
    """
    if not _is_lru_cache(type(o)) or next(_in_lru_cache(o, child), None) is None:
        return None
    function, size = (foreign.instance_dict(o) or {}).get("__wrapped__"), maxsize(o)
    if size is None or type(function) is not types.FunctionType:
        return None
    return foreign.module_name(function.__globals__), size


def maxsize(o: Any) -> int | None:
    """How many results an `lru_cache` keeps at most; `None` for an unbounded one, and for anything else."""
    size: object = o.cache_info().maxsize if _is_lru_cache(type(o)) else None
    return size if type(size) is int else None


def folded(path: Sequence[object]) -> list[tuple[object, str, object]]:
    """A path of objects as `(parent, step, child)`, with the plumbing folded away.

    The dict of a module, class or instance, an argument tuple or closure, a cell and the links of an `lru_cache` are
    on the path but get no name: the step jumps from their owner to what they hold.
    """
    out: list[tuple[object, str, object]] = []
    at = 0
    while at < len(path) - 1:
        parent, child = path[at], path[at + 1]
        name = step(parent, child)
        while at + 2 < len(path):
            inner = _through(parent, child, path[at + 2], name)
            if inner is None:
                break
            name, child = inner, path[at + 2]
            at += 1
        out.append((parent, name, child))
        at += 1
    return out


def _through(parent: Any, middle: Any, child: object, name: str) -> str | None:
    """The step from `parent` to `child` if `middle` is mere plumbing between them, else `None`."""
    if type(middle) is dict:
        if is_namespace(parent, middle):
            return next(_in_dict(middle, child, attribute=True), None)
        if name in {".__globals__", ".f_globals"}:
            return None
    if type(parent) is types.MappingProxyType and issubclass(type(middle), dict):
        return next(_in_dict(middle, child), None)
    # On 3.10 a generator shows the collector its frame, not its locals.
    if type(middle) is types.FrameType and name == ".<frame>":
        return next(_in_frame(middle, child), None)
    if type(middle) is types.CellType:
        return name
    if (
        type(middle) is tuple
        and type(parent) is types.FunctionType
        and name in {".__closure__", ".__defaults__"}
    ):
        if name == ".__defaults__":
            return name
        return next((n for n in _in_function(parent, child)), name)
    if type(middle) is dict and name == ".__kwdefaults__":
        return f"{name}{next(_in_dict(middle, child), '')}"
    if name == "<cache entry>" and (type(middle) is dict or "lru_list_elem" in foreign.type_name(middle)):
        return name
    if type(middle) is tuple and name in {".__bases__", ".__mro__"}:
        return next(_in_inheritance(parent, child), None) if foreign.is_class(parent) else None
    return c_references.through(parent, middle, child, name)


def is_namespace(owner: Any, middle: object) -> bool:
    """Whether `middle` is the dict or the tuple of bases of a module, class or instance: mere plumbing."""
    if foreign.is_class(owner) and type(middle) is tuple:
        return True
    return _namespace(owner) is middle


def _namespace(o: Any) -> object:
    """The dict of a module, class or instance, which the collector shows as a separate object."""
    if foreign.is_class(o):
        proxy = foreign.class_dict(o)
        return next(iter(gc.get_referents(proxy)), None)
    namespace = foreign.module_dict(o)
    return namespace if namespace is not None else foreign.instance_dict(o)
