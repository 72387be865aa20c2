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
    if type(parent) is tuple:
        return Access("position", str(next(n for n, o in enumerate(parent) if o is child)))
    if any(issubclass(type(parent), kind) for kind in _ITERABLES):
        return Access("item")
    return Access("value" if name.startswith("['") else "")


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
    for parent, name, child in steps:
        found = access(parent, name, child)
        if found.kind == "attribute":
            text += f".{found.name}" if text else found.name
        elif found.kind == "key" and text.endswith(_TRAITS) and is_name(found.name[1:-1]):
            text = f"{text.removesuffix(_TRAITS)}.{found.name[1:-1]}"
        elif found.kind in {"key", "position"}:
            text += f"[{found.name}]"
        elif found.kind == "kwdefault":
            text += f".__kwdefaults__[{found.name}]"
        elif found.kind == "closure" and (at := _cell(parent, child)) is not None:
            text += f".__closure__[{at}].cell_contents"
        elif found.kind == "defaults" and type(parent) is types.FunctionType:
            at = next((n for n, o in enumerate(parent.__defaults__ or ()) if o is child), None)
            if at is None:
                return None
            text += f".__defaults__[{at}]"
        else:
            return None
    return text


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


def condition(names: Names, item: str, steps: Sequence[Step], subject: Subject) -> str | None:
    """An expression that is true for an item which leads to the target's object; `None` if there is none.

    Args:
        names: for the names of loops.
        item: how the item is spelled.
        steps: from the item to the target's object.
        subject: the target's object.
    """
    if not steps:
        return subject.test.of(item)
    found = access(*steps[0])
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
