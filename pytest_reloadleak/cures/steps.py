"""Spell the way from a module to a container, and the way from its item to the target's object, as Python."""

from __future__ import annotations

import collections
import types
from collections.abc import Sequence
from typing import Any, NamedTuple

from pytest_reloadleak.cures.names import Names, Subject, is_name
from pytest_reloadleak.heap import foreign

Step = tuple[Any, str, Any]
"""Parent, name of the reference, child, as `references.folded` returns them."""

_ITERABLES = (list, collections.deque, set, frozenset)


class Access(NamedTuple):
    """One reference as code reads it."""

    kind: str
    """`attribute`, `key`, `value`, `dict-key`, `item`, `position`, `closure`, `defaults`, `kwdefault`, `bases`,
    `cache`, or the frame whose local it is; empty where Python cannot read it."""
    name: str = ""
    """The attribute, or the source text of the key or position."""


def access(parent: Any, name: str, child: Any) -> Access:
    """How code gets from an object to one that it refers to."""
    for start, kind in _BY_NAME.items():
        if name.startswith(start):
            return Access(kind, name.removeprefix(start).removesuffix("]") if kind == "kwdefault" else "")
    if name.startswith(".") and is_name(name[1:]):
        return Access("attribute", name[1:])
    if name.startswith(".<local ") and id(type(parent)) in _FRAMES:
        return Access(_FRAMES[id(type(parent))])
    if not name.startswith("["):
        return Access("")
    if issubclass(type(parent), dict):
        key = next(k for k, value in dict.items(parent) if value is child)
        text = foreign.key_text(key)
        return Access("value") if text == "*" or text.endswith("...") else Access("key", text)
    if issubclass(type(parent), tuple):
        at = next(n for n, o in enumerate(tuple.__iter__(parent)) if o is child)
        return Access("position", _field(type(parent), at) or str(at))
    if any(issubclass(type(parent), kind) for kind in _ITERABLES):
        return Access("item")
    return Access("value" if name.startswith("['") else "")


def _field(cls: type, at: int) -> str | None:
    """The name of a position in a named tuple."""
    fields = foreign.class_dict(cls).get("_fields")
    is_named = type(fields) is tuple and at < len(fields) and is_name(fields[at])
    return foreign.text(fields[at]) if is_named else None


_FRAMES = {
    id(types.GeneratorType): "gi_frame",
    id(types.CoroutineType): "cr_frame",
    id(types.AsyncGeneratorType): "ag_frame",
}
_BY_NAME = {
    "<key>": "dict-key",
    "<cache entry>": "cache",
    ".__closure__": "closure",
    ".__defaults__": "defaults",
    ".__kwdefaults__[": "kwdefault",
    ".__bases__": "bases",
    ".__mro__": "bases",
}


def spelled(base: str, steps: Sequence[Step]) -> str | None:
    """An expression for what some steps lead to; `None` where one of them cannot be written."""
    text = base
    for step in steps:
        found = access(*step)
        is_key = found.kind == "key" and is_name(found.name[1:-1])
        if found.kind == "attribute" and _is_bound_anew(step[0], step[2]):
            text = f"vars({text})[{foreign.quoted(found.name)}]"
        elif is_key and text.endswith(_TRAITS):
            text = f"{text.removesuffix(_TRAITS)}.{found.name[1:-1]}"
        elif found.kind == "attribute" and not text:
            text = found.name
        else:
            suffix = _suffix(step, found)
            if suffix is None:
                return None
            text += suffix
    return text


def _suffix(step: Step, found: Access) -> str | None:
    """What leads from an object to one that it refers to, as it is written behind the former."""
    parent, name, child = step
    if found.kind == "attribute" or (found.kind == "position" and is_name(found.name)):
        return f".{found.name}"
    if found.kind in {"key", "position"}:
        return f"[{found.name}]"
    if found.kind == "kwdefault":
        return f".__kwdefaults__[{found.name}]"
    if found.kind in _FRAMES.values():
        return f".{found.kind}.f_locals[{foreign.quoted(name.removeprefix('.<local ').removesuffix('>'))}]"
    if name == _COROUTINE and foreign.class_module(type(parent)) == "_asyncio":
        return ".get_coro()"
    at = _position(parent, child, found.kind)
    return _AT[found.kind].format(at) if at is not None else None


_AT = {
    "item": "[{}]",
    "closure": ".__closure__[{}].cell_contents",
    "defaults": ".__defaults__[{}]",
    "bases": ".__bases__[{}]",
}
"""How an object is written that has a position in a list, a closure, the defaults of a function or a class's bases."""


def _position(parent: Any, child: object, kind: str) -> int | None:
    if kind == "closure":
        return _cell(parent, child)
    items: Any = ()
    if kind == "item" and issubclass(type(parent), list):
        items = list.__iter__(parent)
    elif kind == "defaults" and type(parent) is types.FunctionType:
        items = parent.__defaults__ or ()
    elif kind == "bases" and foreign.is_class(parent):
        items = foreign.bases(parent)
    return next((n for n, o in enumerate(items) if o is child), None)


def _is_bound_anew(parent: Any, child: Any) -> bool:
    """Whether a class gives something else than what its namespace has: what a descriptor returns."""
    is_plain = foreign.is_exactly(child, _OF_THEMSELVES) or foreign.is_class(child)
    return foreign.is_class(parent) and not is_plain and foreign.defines(type(child), "__get__")


_OF_THEMSELVES = foreign.type_ids(types.FunctionType, property)
"""Types of descriptors that a class gives as they are."""
_COROUTINE = "<coroutine>"
"""The reference of a task to what it runs."""
_TRAITS = "._trait_values"
"""Where an object of traitlets keeps its attributes."""


def _cell(function: Any, child: object) -> int | None:
    for at, cell in enumerate(function.__closure__ or ()):
        try:
            if cell.cell_contents is child:
                return at
        except ValueError:  # noqa: PERF203 - the cell is empty
            continue
    return None


def condition(
    names: Names, item: str, steps: Sequence[Step], subject: Subject, *, is_plain: bool = False
) -> str | None:
    """An expression that is true for an item which leads to the target's object; `None` if there is none.

    Args:
        names: for the names of loops.
        item: how the item is spelled.
        steps: from the item to the target's object.
        subject: the target's object.
        is_plain: whether each item has what the first step reads.
    """
    if not steps:
        return subject.test.of(item)
    found = access(*steps[0])
    if is_plain and found.kind == "key":
        return condition(names, f"{item}.get({found.name})", steps[1:], subject)
    if is_plain and found.kind in {"attribute", "position"}:
        return condition(names, f"{item}{_suffix(steps[0], found)}", steps[1:], subject)
    if found.kind == "attribute":
        return condition(names, f"getattr({item}, {foreign.quoted(found.name)}, None)", steps[1:], subject)
    # What Python cannot read, an object of a C type, the collector can.
    many = _MANY.get(found.kind) or f"{names.need('gc')}.get_referents(@)"
    part = names.variable(f"part{item.count('part') or ''}")
    inner = f"{part}.cell_contents" if found.kind == "closure" else part
    test = condition(names, inner, steps[1:], subject)
    return f"any({test} for {part} in {many.replace('@', item)})" if test is not None else None


_LOCALS = "(@.{0}.f_locals.values() if getattr(@, '{0}', None) else ())"
_MANY = {
    **{frame: _LOCALS.format(frame) for frame in _FRAMES.values()},
    "closure": "getattr(@, '__closure__', None) or ()",
    "defaults": "getattr(@, '__defaults__', None) or ()",
    "kwdefault": "(getattr(@, '__kwdefaults__', None) or {}).values()",
    "bases": "getattr(@, '__bases__', ())",
    "key": "(@.values() if hasattr(@, 'values') else ())",
    "value": "(@.values() if hasattr(@, 'values') else ())",
    "item": "(@ if hasattr(@, '__iter__') else ())",
    "position": "(@ if hasattr(@, '__iter__') else ())",
    "dict-key": "(@ if hasattr(@, '__iter__') else ())",
}
"""What to look through for one reference of an item `@`, whatever else the container has."""
