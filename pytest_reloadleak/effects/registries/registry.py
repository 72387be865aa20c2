"""What a registry is, in data: where its entries stand, and what tells one entry from another."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from pytest_reloadleak.effects.probe import Identity
from pytest_reloadleak.heap import foreign

NEWEST = 50
"""How many entries of a long table of texts are looked at: new ones come last."""


class Entry(NamedTuple):
    """One entry of a registry. Lives only while the registry is read."""

    identity: Identity
    """What stays the same for as long as the entry does, the registry's name first. A text is the same entry however
    often it is set; an object is another one by its address."""
    path: str
    """The registry's name and where in it, numbers included."""
    values: tuple[Any, ...] = ()
    """What is registered, the entry itself first; nothing if it is a text."""
    containers: tuple[object, ...] = ()
    """Lists and dicts that merely list the entry."""
    type: str = ""
    """Type of what is registered, where the first of the values does not tell it."""
    module: str = ""
    """Name of the module that the entry is, if it is one: the target's own modules are no effects."""
    ends_with: object = None
    """The object with which the entry goes by itself: where that is the target's, whoever keeps it keeps the entry."""
    part_of: Entry | None = None
    """The entry that this one is a part of, as a filter is of a handler: where that is reported, it tells all. It comes
    before its parts."""


class Registry(NamedTuple):
    """One process-wide registry that can be listed.

    A registry may be read by several of these, if they agree in the name.
    """

    name: str
    """As a finding's `registry`."""
    module: str
    """It is looked at only once this module is loaded."""
    entries: Callable[[], Iterable[Entry]]
    undo: str
    """How an entry of it is undone: the end of a sentence."""
    bars: bool = False
    """Whether its entries stand where nothing lists them that could be passed over, such as in an attribute of a
    module: then whoever else refers to one is passed over too."""
    identities: Callable[[], Iterable[Identity]] | None = None
    """Identities of all entries, where there are so many that to describe them takes long."""


def namespace(module: str) -> dict[str, Any]:
    """The namespace of a module, empty if it is not loaded."""
    return foreign.module_dict(sys.modules.get(module)) or {}


def parts(o: Any) -> tuple[Any, ...]:
    """What an entry consists of: the items of a tuple, or itself; nothing if it is a text or number."""
    if type(o) is tuple:
        return tuple(item for item in tuple.__iter__(o) if not foreign.is_atom(item))
    return () if foreign.is_atom(o) else (o,)


def of_list(name: str, path: str, items: object) -> Iterator[Entry]:
    """Entries of a list, equal texts told apart by their occurrence: of a thing that is no list there are none."""
    if not issubclass(type(items), list):
        return
    counts: dict[int | str, int] = {}
    for item in list.__getitem__(items, slice(None)):  # type: ignore[call-overload]  # asked above
        key = item if type(item) is str else id(item)
        counts[key] = counts.get(key, 0) + 1
        yield Entry((name, key, counts[key]), path, parts(item), (items,), "str" if type(item) is str else "")


def of_table(name: str, path: str, table: object, *, newest: int | None = None) -> Iterator[Entry]:
    """Entries of a dict, each with its key: of a thing that is no dict there are none.

    Args:
        name: the registry's.
        path: the table's.
        table: the dict.
        newest: how many of its last entries are looked at; `None` for all.
    """
    for key, value in _items(table, newest):
        values = (*parts(value), *parts(key))
        where = f"{path}[{foreign.key_text(key)}]"
        kind = "" if values else foreign.type_name(value)
        yield Entry(_in_table(name, path, key, value), where, values, (table,) if values else (), kind)


def table_identities(name: str, path: str, table: object, *, newest: int | None = None) -> list[Identity]:
    """The identities that `of_table` gives."""
    return [_in_table(name, path, key, value) for key, value in _items(table, newest)]


def _items(table: object, newest: int | None) -> list[tuple[Any, Any]]:
    if not issubclass(type(table), dict):
        return []
    items: list[tuple[Any, Any]] = list(dict.items(table))  # type: ignore[arg-type]  # asked above
    return items[-newest:] if newest is not None else items


def _in_table(name: str, path: str, key: Any, value: Any) -> Identity:
    label = key if type(key) is str or type(key) is int else id(key)
    return (name, path, label, 0 if foreign.is_atom(value) else id(value))


def slot(name: str, path: str, value: object) -> Iterator[Entry]:
    """The entry that a single slot is, if something is in it."""
    if value is not None and not foreign.is_atom(value):
        yield Entry((name, path, id(value)), path, (value,))
