"""Count the objects and keys of the target's hosts: a single new entry changes this number.

The process's own numbers do not show one more text in a table: its memory comes from blocks in stock. But the target's
code reaches by a name what it fills, so that lies in one of the few modules that the target refers to. A walk from
these that ends after some thousand objects is cheap enough for each check. It may be wrong (a host notes each reload by
itself), since it only decides whether to look closer. But a closer look runs more rounds than the user chose. So a list
may gain short texts, numbers and objects that existed before: hosts have logs, and tests count rounds in lists.
"""

from __future__ import annotations

import builtins
import sys
import types
from collections.abc import Iterable
from typing import Any

from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import foreign, lengths

_MOST = 2000
"""The largest number of objects to visit."""
_SLICE = 64
_PAGE_BYTES = 4096
_LONG_BYTES = 256
"""A longer text does not count as a line of a log."""
_UNTRACKED = (tuple, dict, *lengths.BUFFERS)
_LIBRARY = sys.stdlib_module_names
_BUILTINS = vars(builtins)
_OWN = __name__.partition(".")[0]


def references(namespaces: Iterable[dict[str, Any]]) -> int:
    """The number of objects and of keys of dicts and sets in the modules around the target, nested ones included.

    Args:
        namespaces: the target's present namespaces.
    """
    own = list(namespaces)
    level: list[Any] = [namespace for namespace in neighbours(own) if namespace]
    seen = {id(_BUILTINS), *map(id, own), *map(id, level)}
    count, left = 0, _MOST
    while level and left > 0:
        below: list[Any] = []
        for at in range(0, min(len(level), left), _SLICE):
            some = level[at : min(at + _SLICE, left)]
            count += sum(_keys(o) for o in some)
            for o in gc.get_referents_of_all(*some):
                kind = type(o)
                if (kind is str or kind is bytes) and len(o) > _LONG_BYTES and id(o) not in seen:
                    seen.add(id(o))
                    count += 1
                if id(o) in seen or not (gc.is_tracked(o) or kind in _UNTRACKED):
                    continue
                seen.add(id(o))
                count += not foreign.is_atom(o)
                if kind is types.FunctionType:
                    seen.add(id(o.__globals__))  # they lead to everything else
                if kind is not types.ModuleType and kind is not types.FrameType:
                    below.append(o)
        left -= len(level)
        level = below
    return count


def _keys(o: Any) -> int:
    """The number of keys of a dict or set, also of a subclass, or of pages that the bytes of a buffer fill."""
    kind = type(o)
    if issubclass(kind, dict):
        return dict.__len__(o)
    if issubclass(kind, set):
        return set.__len__(o)
    return lengths.size_bytes(o) // _PAGE_BYTES


def neighbours(own: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The namespaces of the modules that the target's names lead to, except the standard library's."""
    names: dict[str, None] = {}
    for namespace in own:
        package = foreign.text(namespace.get("__package__"))
        names |= dict.fromkeys((package, package.partition(".")[0]))
        for value in list(dict.values(namespace)):
            names.update(dict.fromkeys(_names(value)))
    found = [
        foreign.module_dict(sys.modules.get(name))
        for name in names
        if name and name.partition(".")[0] not in _LIBRARY and name.partition(".")[0] != _OWN
    ]
    mine = set(map(id, own))
    return [n for n in found if n is not None and id(n) not in mine]


def _names(value: Any) -> Iterable[str]:
    """Names of the modules to which a value of the target may lead."""
    if type(value) is types.ModuleType:
        yield foreign.module_name(foreign.module_dict(value) or {})
    elif type(value) is types.FunctionType:
        yield foreign.module_name(value.__globals__)
        yield from value.__code__.co_names
    elif foreign.is_class(value):
        yield foreign.class_module(value)
        for part in list(foreign.class_dict(value).values()):
            code = foreign.own_code(part)
            yield from code.co_names if code is not None else ()
    else:
        yield foreign.class_module(type(value))
