"""Define registries as data: where their entries are, and what identifies an entry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from pytest_reloadleak.effects.probe import Identity
from pytest_reloadleak.heap import foreign

NEWEST = 50
"""How many of the last entries of a long table of texts are read. New entries come last."""


class Entry(NamedTuple):
    """One entry of a registry. It lives only while the registry is read."""

    identity: Identity
    """Constant while the entry exists; begins with the registry's name. A text stays the same entry however often it is
    set; an object is identified by its address."""
    path: str
    """The registry's name and the place in it, numbers included."""
    values: tuple[Any, ...] = ()
    """The registered objects, the entry itself first; empty for a text."""
    containers: tuple[object, ...] = ()
    """Lists and dicts that only list the entry."""
    type: str = ""
    """The type of the registered object, if it is not that of the first value."""
    module: str = ""
    """The name of the module that the entry is or belongs to. The target's own modules are no effects."""
    ends_with: object = None
    """The object whose death ends the entry. If it is the target's, its holder is the cause, not the entry."""
    part_of: Entry | None = None
    """The containing entry, such as the handler of a filter; it comes first. If it is reported, this one is not."""


class Table(NamedTuple):
    """A list or dict that is a registry."""

    get: Callable[[], object]
    """Returns it, or anything else where there is none."""
    identities: Callable[[list[Any]], list[Identity]]
    """The identities of some of its items, which are pairs where it is a dict."""
    newest: int | None = None
    """How many of the last items of a dict to read; `None` for all."""
    is_of_texts: bool = False
    """Whether these name its values by content."""


class Registry(NamedTuple):
    """One process-wide registry that can be listed. Several may share a name, and each reads a part of it."""

    name: str
    """The `registry` of its findings."""
    module: str
    """The registry is read only if this module is loaded."""
    entries: Callable[[], Iterable[Entry]]
    undo: str
    """The advice of its findings: how to undo or avoid an entry."""
    bars: bool = False
    """Whether no container lists the entries that the sweep could skip, for instance because they are attributes of a
    module. The sweep then skips every other reference to an entry too."""
    identities: Callable[[], Iterable[Identity]] | None = None
    """Identities of all entries, for registries so large that describing each entry is slow."""
    table: Table | None = None
    """The list or dict that has all entries, if the registry is a single one: it is not read again while it is the
    same."""


def attribute(module: str, path: str) -> object:
    """The object at a dotted path below a module, read from namespaces only; `None` if there is none."""
    found: Any = None
    names: Any = foreign.namespace(module)
    for name in path.split("."):
        found = names.get(name)
        names = foreign.class_dict(found) if foreign.is_class(found) else foreign.instance_dict(found) or {}
    return found


def parts(o: Any) -> tuple[Any, ...]:
    """The objects of an entry: the items of a tuple, or the entry itself; none for a text or number."""
    if type(o) is tuple:
        return tuple(item for item in tuple.__iter__(o) if not foreign.is_atom(item))
    return () if foreign.is_atom(o) else (o,)


def of_list(name: str, path: str, items: object) -> Iterator[Entry]:
    """Entries of a list, none of anything else. Equal texts are numbered by occurrence."""
    if not issubclass(type(items), list):
        return
    own: list[Any] = list.__getitem__(items, slice(None))  # type: ignore[call-overload]  # checked above
    for item, identity in zip(own, list_identities(name, own), strict=True):
        yield Entry(identity, path, parts(item), (items,), "str" if type(item) is str else "")


def list_identities(name: str, items: list[Any]) -> list[Identity]:
    """The identities of the entries that `of_list` yields, by the list's items."""
    counts: dict[int | str, int] = {}
    out: list[Identity] = []
    for item in items:
        key = item if type(item) is str else id(item)
        counts[key] = counts.get(key, 0) + 1
        out.append((name, key, counts[key]))
    return out


def listed(name: str, module: str, path: str, undo: str) -> Registry:
    """A registry, or the part of one, that is a list. All entries share one path: a signature names no local directory.

    Args:
        name: the registry's name.
        module: the module that has the list.
        path: the list's path below the module.
        undo: the end of a sentence that begins with "on unload, ".
    """
    where = f"{module}.{path}"
    get = partial(attribute, module, path)

    def entries() -> Iterator[Entry]:
        return of_list(where, f"{where}[*]", get())

    # By the list's path and not by the registry's name: the same text may be in several lists of one registry.
    table = Table(get, partial(list_identities, where))
    return Registry(name, module, entries, f"on unload, {undo}", table=table)


def of_table(name: str, path: str, table: object, *, newest: int | None = None) -> Iterator[Entry]:
    """Entries of a dict, each with its key; none of anything else.

    Args:
        name: the registry's name.
        path: the dict's path.
        table: the dict.
        newest: how many of its last entries to read; `None` for all.
    """
    for key, value in _items(table, newest):
        values = (*parts(value), *parts(key))
        where = f"{path}[{foreign.key_text(key)}]"
        kind = "" if values else foreign.type_name(value)
        yield Entry(_in_table(name, path, key, value), where, values, (table,) if values else (), kind)


def table_identities(name: str, path: str, items: list[tuple[Any, Any]]) -> list[Identity]:
    """The identities of the entries that `of_table` yields, by the table's items."""
    return [_in_table(name, path, key, value) for key, value in items]


def _items(table: object, newest: int | None) -> list[tuple[Any, Any]]:
    if not issubclass(type(table), dict):
        return []
    items: Any = dict.items(table)  # type: ignore[arg-type]  # checked above
    return list(items) if newest is None else list(islice(reversed(items), newest))[::-1]


def _in_table(name: str, path: str, key: Any, value: Any) -> Identity:
    label = key if type(key) is str or type(key) is int else id(key)
    return (name, path, label, 0 if foreign.is_atom(value) else id(value))


def slot(name: str, path: str, value: object) -> Iterator[Entry]:
    """The entry in a registry with a single slot, if the slot is filled."""
    if value is not None and not foreign.is_atom(value):
        yield Entry((name, path, id(value)), path, (value,))
