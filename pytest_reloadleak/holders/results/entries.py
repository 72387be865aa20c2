"""Join references that are the key and the value of one entry of a dict: `registry[cls] = cls()`.

Deleting the entry removes both references, so there is one holder, `registry[*]`. A weak key is not joined with its
value, nor is a key that holds other generations than its value.
"""

from __future__ import annotations

import weakref
from typing import Any

from pytest_reloadleak.heap import foreign, references
from pytest_reloadleak.holders.grouping import Born, Group, union


def joined_entries(groups: list[Group], born: Born) -> list[Group]:
    """The groups, with those joined that hold by the keys and by the values of the same entries.

    Args:
        groups: references that are one cause.
        born: the generation of a sink, by its id.
    """
    # Those of each table, read once: it may be as long as there are paths.
    keys_of: dict[int, dict[int, int | None]] = {}
    found = {id(group): _entries(group, born, keys_of) for group in _of_shared_tables(groups)}
    found = {key: entries for key, entries in found.items() if entries}
    out: list[Group] = []
    done: set[int] = set()
    for group in groups:
        entries = found.get(id(group))
        if id(group) in done:
            continue
        alike = [other for other in groups if found.get(id(other)) == entries] if entries else []
        keys = [other for other in alike if _is_by_key(other)]
        values = [other for other in alike if other not in keys]
        if not (keys and values):
            out.append(group)
            continue
        done |= set(map(id, alike))
        out.append(_one(keys, values))
    return out


def _one(keys: list[Group], values: list[Group]) -> Group:
    """One group, named by the values. Its paths by the keys come first, since a key is the shortest way to cut."""
    # The value references of a `WeakValueDictionary` have the key as well.
    first = next((group for group in values if not _is_weak(group)), keys[0])
    count, kind = _at(first) if first in values else (None, "")
    paths, roots = [], []
    for group in (*keys, *values):
        paths += group.paths
        roots += group.roots
    trace, steps = first.first, first.steps
    tops = {top: born for group in keys for top, born in group.tops.items()}
    joined = union([*keys, *values])
    joined.tops = tops  # one for each entry
    joined.first, joined.steps, joined.at, joined.holder_type = trace, steps, count, kind
    joined.paths, joined.roots = paths, roots
    return joined


def _of_shared_tables(groups: list[Group]) -> list[Group]:
    """The groups whose first path leads through a dict that is also on another group's first path."""
    tables: dict[int, list[Group]] = {}
    for group in groups:
        path = group.paths[0] if group.first.cause is None and group.paths else ()
        at = _table(path)
        if at is not None:
            tables.setdefault(id(path[at]), []).append(group)
    return [group for several in tables.values() if len(several) > 1 for group in several]


def _entries(
    group: Group, born: Born, keys_of: dict[int, dict[int, int | None]]
) -> frozenset[tuple[int, int, int]]:
    """The entries through which all references of a group lead: dict, key, generation; empty if some lead elsewhere."""
    found = set()
    for path in group.paths:
        at = _table(path)
        if at is None:
            return frozenset()
        table = path[at]
        if id(table) not in keys_of:
            keys_of[id(table)] = _keys(table)
        key = keys_of[id(table)].get(id(path[at + 1]))
        if key is None:
            return frozenset()
        found.add((id(table), key, born(id(path[-1]))))
    return frozenset(found) if len(found) > 1 else frozenset()


def _table(path: tuple[Any, ...]) -> int | None:
    """The position of the last dict on a path that is not a namespace."""
    for at in range(len(path) - 2, -1, -1):
        if issubclass(type(path[at]), dict) and not (at and references.is_namespace(path[at - 1], path[at])):
            return at
    return None


def _keys(table: dict[Any, Any]) -> dict[int, int | None]:
    """By the id of each key and value: the id of the key of its entry, or `None` if several entries have it."""
    found: dict[int, int | None] = {}
    for key, value in list(dict.items(table)):  # no method of a subclass runs
        for part in (key, value):
            found[id(part)] = id(key) if found.get(id(part), id(key)) == id(key) else None
    return found


def _is_by_key(group: Group) -> bool:
    path = group.paths[0]
    at = _table(path)
    return at is not None and any(key is path[at + 1] for key in dict.keys(path[at]))


def _is_weak(group: Group) -> bool:
    path = group.paths[0]
    at = _table(path)
    return at is not None and issubclass(type(path[at + 1]), weakref.ref)


def _at(group: Group) -> tuple[int | None, str]:
    """The number of steps to the entry, and the type of the dict."""
    path = group.paths[0]
    at = _table(path) or 0
    positions = {id(o): position for position, o in enumerate(path)}
    for count, (_, _, child) in enumerate(references.folded(path), start=1):
        if positions[id(child)] > at:
            return count, foreign.type_name(path[at])
    return None, ""
