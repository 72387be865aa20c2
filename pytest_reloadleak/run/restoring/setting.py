"""Define one setting of the process: how it is read, compared and written."""

from __future__ import annotations

import types
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from pytest_reloadleak.heap import foreign

ABSENT: Any = object()
"""The value of an attribute that does not exist."""
UNREADABLE: Any = object()
"""The value of a setting that cannot be read."""
_PLAIN = (str, int, float, bool, bytes)
_SEVERAL = (tuple, frozenset, set)


class Setting(NamedTuple):
    """One setting: its name in a note, and how to read and write it."""

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], object]
    is_told: bool = True
    """Whether a note names it. A state that nearly all code changes, such as a random seed, is put back silently."""
    place: str = ""
    """The dotted name of the attribute, if the setting is one."""


def slot(text: str, owner: Any, name: str) -> Setting:
    """A setting that is an attribute of a module or object."""
    space = vars(owner)
    place = f"{foreign.module_name(space)}.{name}"
    return Setting(text, partial(_value, space, name), partial(_set, owner, name), place=place)


def whole_list(text: str, owner: Any, name: str) -> Setting:
    """A setting that is a list: the list itself, and its items."""
    space = vars(owner)
    return Setting(text, partial(_content, space, name), partial(_refill, owner, name))


def read(setting: Setting) -> Any:
    """The value of a setting; `UNREADABLE` if reading it fails, since the target may have put anything there."""
    try:
        return setting.read()
    except Exception:  # noqa: BLE001 - see above
        return UNREADABLE


def is_same(one: Any, other: Any) -> bool:
    """Whether two values of a setting are the same. Objects of the program are compared by identity."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if type(one) is tuple:
        return len(one) == len(other) and all(map(is_same, one, other))
    return type(one) in {*_PLAIN, *_SEVERAL} and bool(one == other)


def belongs(value: Any, is_targets: Callable[[str], bool]) -> bool:
    """Whether a value is or contains a function, class, method or instance of the target."""
    kind = type(value)
    if value is None or kind in _PLAIN:
        return False
    if kind in _SEVERAL:
        return any(belongs(part, is_targets) for part in value)
    if kind is types.MethodType:
        return belongs(value.__func__, is_targets) or belongs(value.__self__, is_targets)
    if kind is types.FunctionType:
        return is_targets(foreign.module_name(value.__globals__))
    return is_targets(foreign.class_module(value if foreign.is_class(value) else kind))


def _value(space: dict[str, Any], name: str) -> Any:
    return space.get(name, ABSENT)


def _set(owner: Any, name: str, value: Any) -> None:
    if value is ABSENT:
        delattr(owner, name)
    else:
        setattr(owner, name, value)


def _content(space: dict[str, Any], name: str) -> tuple[Any, ...]:
    found = space.get(name, ABSENT)
    # The items are in a tuple of their own: a program's list is compared by identity, and its items one by one.
    return (found, tuple(found) if type(found) is list else ())


def _refill(owner: Any, name: str, value: tuple[Any, ...]) -> None:
    found, items = value
    _set(owner, name, found)
    if type(found) is list:
        found[:] = items
