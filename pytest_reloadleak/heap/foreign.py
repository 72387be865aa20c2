"""Read foreign objects without running a line of their code.

Classes may define `__class__`, `__getattr__`, `__eq__`, `__hash__`, `__repr__` or a metaclass that raises, lies or has
side effects. So only this module looks at foreign objects; the rest of the package must not use the ordinary ways.
Everything here goes through `type()` and the descriptors of CPython's own types, which no subclass can override.
"""

from __future__ import annotations

import itertools
import sys
import types
import weakref
from collections.abc import Callable, Iterator
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from typing import Any

from pytest_reloadleak.heap import unreadable

_MRO = type.__dict__["__mro__"].__get__
_BASES = type.__dict__["__bases__"].__get__
_TYPE_DICT = type.__dict__["__dict__"].__get__
_TYPE_QUALNAME = type.__dict__["__qualname__"].__get__
_TYPE_MODULE = type.__dict__["__module__"].__get__
_TYPE_FLAGS = type.__dict__["__flags__"].__get__
_TYPE_SUBCLASSES = type.__subclasses__
_MODULE_DICT = vars(types.ModuleType)["__dict__"].__get__

_ATOMS = frozenset(
    map(id, (str, bytes, int, float, complex, bool, type(None), type(...), type(NotImplemented), range))
)
"""Ids of the types that are compared by value: two equal objects are never two versions of one. Ids, because
`type(o) in (str, ...)` would call `__eq__` or `__hash__` of a hostile metaclass."""

_GETTERS = frozenset(map(id, (types.GetSetDescriptorType, types.MemberDescriptorType)))
_MADE_AT_RUN_TIME, _IMMUTABLE = 1 << 9, 1 << 8
"""`Py_TPFLAGS_HEAPTYPE` and `Py_TPFLAGS_IMMUTABLETYPE`."""
_PLAIN_KEYS = frozenset(map(id, (str, int, bytes, bool, float, type(None))))


def type_ids(*kinds: type) -> frozenset[int]:
    """Ids of types, for `is_exactly`."""
    return frozenset(map(id, kinds))


def is_exactly(o: object, kinds: frozenset[int]) -> bool:
    """Whether the type of `o` is one of `kinds` (from `type_ids`), by identity, so that no metaclass code runs."""
    return id(type(o)) in kinds


def is_class(o: object) -> bool:
    """Whether `o` is a class. `issubclass` against a builtin runs none of the object's code."""
    return issubclass(type(o), type)


def is_c_type(cls: type) -> bool:
    """Whether a class is a C type: static, or sealed like the types of the standard library's extensions.

    Types that other extensions make at run time look the same as those of a class statement.
    """
    flags: int = _TYPE_FLAGS(cls)
    return not flags & _MADE_AT_RUN_TIME or bool(flags & _IMMUTABLE)


def is_on_demand(cls: type) -> bool:
    """Whether a class is a ctypes array or pointer type without code: all users of `c_char * 14` share one type.

    Its `__module__` is that of its first user. It survives if the next generation asks for it before the first is gone.
    """
    return (
        type(cls) is not type
        and class_name(type(cls)) in _ON_DEMAND
        and not any(type(value) is types.FunctionType for value in class_dict(cls).values())
    )


_ON_DEMAND = frozenset({"_ctypes.PyCArrayType", "_ctypes.PyCPointerType"})


def is_module(o: object) -> bool:
    """Whether `o` is a module object, those of subclasses of the module type included."""
    return issubclass(type(o), types.ModuleType)


def is_exception(o: object) -> bool:
    """Whether `o` is an exception instance."""
    return issubclass(type(o), BaseException)


def is_text(o: object) -> bool:
    """Whether `o` is a string, or of a class derived from `str`."""
    return issubclass(type(o), str)


def text(o: object) -> str:
    """The plain text of a string, or of an instance of a class derived from `str`; '' for anything else.

    A report holds none of the program's objects, and such an instance is one. None of its class's code runs.
    """
    if type(o) is str:
        return o
    return str.__str__(o) if is_text(o) else ""


def mro(cls: type) -> tuple[type, ...]:
    """The method resolution order as CPython stores it."""
    return _MRO(cls) or ()


def bases(cls: type) -> tuple[type, ...]:
    """The bases of a class as CPython stores them."""
    return _BASES(cls) or ()


def class_dict(cls: type) -> Any:
    """The namespace of a class, as a read-only proxy of a real dict."""
    return _TYPE_DICT(cls)


def defines(cls: type, name: str) -> bool:
    """Whether a class or one of its bases has an attribute."""
    return any(name in class_dict(base) for base in mro(cls))


def subclasses(cls: type) -> list[type]:
    """Live direct subclasses; of metaclasses too, where an attribute lookup would find their own `__subclasses__`."""
    return _TYPE_SUBCLASSES(cls)


def class_module(cls: type) -> str:
    """`__module__` of a class if it is a string, else ''."""
    try:
        return text(_TYPE_MODULE(cls))
    except AttributeError:
        return ""


def class_qualname(cls: type) -> str:
    """Qualified name of a class."""
    return text(_TYPE_QUALNAME(cls))


def class_name(cls: type) -> str:
    """`module.Qualified.Name` of a class; builtins without their module."""
    module, name = class_module(cls), class_qualname(cls)
    return name if module in {"", "builtins"} else f"{module}.{name}"


def type_name(o: object) -> str:
    """Name of the type of `o`."""
    return class_name(type(o))


def module_dict(o: object) -> dict[str, Any] | None:
    """The namespace dict of a module object; `None` for anything else."""
    if not is_module(o):
        return None
    namespace = _MODULE_DICT(o)
    return namespace if type(namespace) is dict else None


def namespace(module: str) -> dict[str, Any]:
    """The namespace of a loaded module; empty if `sys.modules` has no module of this name."""
    return module_dict(sys.modules.get(module)) or {}


def loaded_class(module: str, name: str) -> Any:
    """A class in the namespace of a loaded module; `None` if there is none of this name."""
    found = dict.get(namespace(module), name)
    return found if is_class(found) else None


def module_table() -> dict[Any, Any]:
    """`sys.modules` itself."""
    return sys.modules


def loaded_modules() -> list[tuple[str, Any]]:
    """Name and entry of each loaded module, except keys that are no plain strings: hashing those may fail."""
    table: list[tuple[Any, Any]] = list(sys.modules.items())
    return [(name, module) for name, module in table if type(name) is str]


def module_name(namespace: dict[str, Any]) -> str:
    """`__name__` of a namespace if it is a string, else ''."""
    return text(dict.get(namespace, "__name__"))


def is_extension(spec: Any) -> bool:
    """Whether a spec is that of an extension module, whose code stays mapped and whose module object stays in place."""
    if type(spec) is not ModuleSpec:
        return False
    if issubclass(type(spec.loader), ExtensionFileLoader):
        return True
    return type(spec.origin) is str and spec.origin.endswith(tuple(EXTENSION_SUFFIXES))


def instance_dict(o: object) -> dict[Any, Any] | None:
    """The attribute dict of an instance, or `None`. Uses only CPython's own getter, never a property."""
    for cls in mro(type(o)):
        getter = class_dict(cls).get("__dict__")
        if getter is not None:
            if not is_exactly(getter, _GETTERS):
                return None
            try:
                found = getter.__get__(o)
            except AttributeError:  # no dict yet, or none at all: a member that is empty, a proxy of an `int`
                return None
            except Exception as error:  # noqa: BLE001 - the getter of an extension type may raise anything
                unreadable.note(
                    f"the attributes of a {type_name(o)} could not be read: {exception_text(error)}"
                )
                return None
            return found if type(found) is dict else None
    return None


def slots(o: object) -> Iterator[tuple[str, object]]:
    """Name and value of each filled slot of `o`, struct members of C types included."""
    for cls in mro(type(o)):
        for name, descriptor in class_dict(cls).items():
            if type(descriptor) is types.MemberDescriptorType:
                try:
                    yield text(name), descriptor.__get__(o)
                except (AttributeError, TypeError, SystemError):
                    continue
                except Exception as error:  # noqa: BLE001 - as above
                    what = f"{type_name(o)}.{text(name)}"
                    unreadable.note(f"{what} could not be read: {exception_text(error)}")


def weak_reference(o: Any) -> weakref.ref[Any] | None:
    """A weak reference to an object; `None` if its type has none, such as a list or a class with slots only."""
    try:
        return weakref.ref(o)
    except TypeError:
        return None


def own_code(function: object) -> types.CodeType | None:
    """The code of a plain Python function, else `None`."""
    return function.__code__ if type(function) is types.FunctionType else None


def is_atom(o: object) -> bool:
    """Whether `o` is compared by value: an exact builtin scalar, or a tuple or frozenset of these."""
    if type(o) is tuple or type(o) is frozenset:
        return all(id(type(item)) in _ATOMS for item in _leaves(o))
    return id(type(o)) in _ATOMS


_DEEPEST = 1000
"""Levels of tuples within one another that are followed. A program may chain them: `head = (head, item)`."""


def _leaves(o: tuple[Any, ...] | frozenset[Any]) -> Iterator[Any]:
    """What nested tuples and frozensets contain, level by level: recursion would end at a long chain.

    Below `_DEEPEST` levels this yields the tuples themselves, which are neither atoms nor constants.
    """
    level: list[Any] = [o]
    seen: set[int] = set()
    for _ in range(_DEEPEST):
        nested = []
        for item in itertools.chain.from_iterable(level):
            if type(item) is not tuple and type(item) is not frozenset:
                yield item
            elif id(item) not in seen:
                seen.add(id(item))
                nested.append(item)
        if not nested:
            return
        level = nested
    yield from level


def is_constant(o: Any, owns: Callable[[str], bool]) -> bool:
    """Whether `o` carries no more than an atom: it is one, or a tuple or frozenset of atoms and of others' objects.

    A type expression counts too: unrelated code shares it through a cache, so `Callable[..., Any]` is one object
    everywhere. The check finds the target's objects inside it separately.

    Args:
        o: any object.
        owns: whether a module name belongs to the target, whose functions, classes and modules have generations.
    """
    if type(o) is tuple or type(o) is frozenset:
        return all(_is_constant(item, owns) for item in _leaves(o))
    return _is_constant(o, owns)


def _is_constant(o: Any, owns: Callable[[str], bool]) -> bool:
    """The same for a single object, and false for a tuple."""
    if is_class(o):
        return not owns(class_module(o))
    if type(o) is types.FunctionType:
        return not owns(module_name(o.__globals__))
    if type(o) is types.BuiltinFunctionType:
        return o.__self__ is None or (is_module(o.__self__) and _is_constant(o.__self__, owns))
    if is_module(o):
        return not owns(module_name(module_dict(o) or {}))
    return id(type(o)) in _ATOMS or is_exactly(o, _EXPRESSIONS) or class_module(type(o)) == "typing"


_EXPRESSIONS = type_ids(types.GenericAlias, types.UnionType)


def key_text(key: object) -> str:
    """A dict key as text, if it is a plain scalar; otherwise `*`."""
    if id(type(key)) in _PLAIN_KEYS:
        text = repr(key)
        return text if len(text) <= 80 else text[:77] + "..."
    return "*"


def quoted(source: str) -> str:
    """A text as the source of a program spells it."""
    return repr(text(source))


def code_location(code: types.CodeType) -> tuple[str, int]:
    """File and first line of a code object."""
    return text(code.co_filename), code.co_firstlineno


def code_name(code: types.CodeType) -> str:
    """The qualified name of a code object; before 3.11 its bare name."""
    return text(getattr(code, "co_qualname", code.co_name))


def code_text(code: types.CodeType) -> str:
    """The bare name of a code object."""
    return text(code.co_name)


def function_name(function: types.FunctionType) -> str:
    """`module.qualname` of a function; its `__module__` may be any object, and both may be `str` subclass instances."""
    module, name = text(function.__module__), text(function.__qualname__)
    return f"{module}.{name}" if module else name


def exception_text(error: BaseException) -> str:
    """Type and text of an exception, whose `__str__` may itself raise."""
    name = text(_TYPE_QUALNAME(type(error)))
    try:
        said = text(str(error))
    except BaseException:  # noqa: BLE001 - a hostile exception's text must not end the check
        said = "<its text could not be read>"
    # Most report formats cannot encode a lone surrogate, as in the name of a file that is not UTF-8.
    return (f"{name}: {said}" if said else name).encode("utf-8", "backslashreplace").decode()
