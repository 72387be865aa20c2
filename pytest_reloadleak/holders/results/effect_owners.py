"""Find what keeps or owns the objects of effects: a table, as in `host.threads.append(thread)`, or a pool.

Ending an effect does not remove its object from such a table: the code stops, but the table goes on growing. So the
reader of the finding needs both. A pool owns threads, children and pipes, and ending the pool ends them all.
"""

from __future__ import annotations

import collections
import types
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import foreign, references
from pytest_reloadleak.holders.patches import is_standard
from pytest_reloadleak.holders.retention import EffectOwners, Table
from pytest_reloadleak.holders.search import Search
from pytest_reloadleak.holders.sweep import Cause, Way

_KINDS = frozenset({"child-process", "live-timer", "live-thread", "pending-task", "open-fd"})
_TABLES: tuple[type, ...] = (list, dict, set, collections.deque)


def objects_of_effects(search: Search) -> list[Any]:
    """The objects of effects that a table may keep."""
    return [one.value for one in _effect_objects(search)]


def owners_of_effects(search: Search, ways: Mapping[int, Iterable[Way]]) -> EffectOwners:
    """The tables of the program that keep such objects, and the target's pools that own them.

    Args:
        search: has the effects, and the target's namespaces.
        ways: every way to each of the objects, by its id.
    """
    effect_objects = _effect_objects(search)
    return EffectOwners(
        tables=_tables(effect_objects, search, ways),
        pools={one.cause: id(one.value) for one in effect_objects if one.is_pool},
    )


def _tables(
    effect_objects: Iterable[_EffectObject], search: Search, ways: Mapping[int, Iterable[Way]]
) -> dict[Cause, tuple[Table, ...]]:
    found: dict[Cause, dict[int, list[Way]]] = {}
    counts: dict[tuple[Cause, int], int] = {}
    for one in effect_objects:
        for way in ways.get(id(one.value), ()):
            if _is_table(way, search):
                key = id(way[1][-2])
                found.setdefault(one.cause, {}).setdefault(key, []).append(way)
                known = counts.get((one.cause, key), 0)
                # Only the present generation's pool is known by name, so the others are counted by type.
                counts[one.cause, key] = known + 1 if not one.is_pool else max(known, _alike(way[1]))
    out = {}
    for cause, of_cause in found.items():
        # A single place that each generation takes over is no table.
        several = [_table(group, search) for key, group in of_cause.items() if counts[cause, key] > 1]
        if several:
            out[cause] = tuple(sorted(several, key=lambda table: table.path))
    return out


class _EffectObject(NamedTuple):
    """What ends or owns an effect."""

    cause: Cause
    value: Any
    is_pool: bool


def _effect_objects(search: Search) -> list[_EffectObject]:
    """The objects of effects, and the target's pools that own these; each once."""
    from pytest_reloadleak.cures.effects.open_things import pool_of  # only what leaks needs a cure

    found: dict[tuple[Cause, int], _EffectObject] = {}
    for cause, reference in search.effect_objects:
        o = reference() if cause.kind in _KINDS else None
        if o is None:
            continue
        found[cause, id(o)] = _EffectObject(cause, o, is_pool=False)
        for namespace in search.namespaces.values():
            pool = pool_of(o, namespace)
            if pool is not None:
                found[cause, id(pool)] = _EffectObject(cause, pool, is_pool=True)
    return list(found.values())


def _alike(path: tuple[Any, ...]) -> int:
    """The number of items with the same type as the last object of a path in the container before it."""
    return sum(type(item) is type(path[-1]) for item in gc.get_referents(path[-2]))


def _is_table(way: Way, search: Search) -> bool:
    """Whether a way leads through a container that neither the target owns nor the library that runs the effect."""
    root, path = way
    if root.cause is not None or len(path) < 2 or not issubclass(type(path[-2]), _TABLES):
        return False
    if any(_is_targets(o, search) for o in path[:-1]):
        return False
    parent = path[-2]
    owner = next((o for o in reversed(path[:-1]) if not foreign.is_exactly(o, _PLAIN)), None)
    if owner is None or references.is_namespace(owner, parent):  # a name that is bound anew by each reload
        return False
    if foreign.is_module(owner):
        return not is_standard(foreign.module_name(foreign.module_dict(owner) or {}))
    classes = owner if foreign.is_class(owner) else type(owner)
    homes = {foreign.class_module(cls) for cls in foreign.mro(classes)} - _COMMON
    return not any(map(is_standard, homes))


_COMMON = frozenset({"builtins", "abc", "typing", "types", "enum", "collections", "collections.abc"})
"""Modules whose classes run no effects. Those of `asyncio` or `threading` do, and keep tables of their own."""
_PLAIN = foreign.type_ids(list, dict, set, tuple, collections.deque)


def _is_targets(o: Any, search: Search) -> bool:
    if foreign.is_module(o):
        return search.ledger.owns_namespace(foreign.module_dict(o) or {})
    if type(o) is types.FunctionType:  # the way continues through the target's own globals
        return search.ledger.owns_namespace(o.__globals__)
    return search.ledger.owns_class(o if foreign.is_class(o) else type(o))


def _table(ways: list[Way], search: Search) -> Table:
    """A table as values. Its cure needs a name for the object, since other code may add objects of the same type."""
    from pytest_reloadleak.cures import references as removal  # only what leaks needs a cure
    from pytest_reloadleak.cures.writing import written

    bound = {id(o) for namespace in search.namespaces.values() for o in list(namespace.values())}
    named = [way for way in ways if id(way[1][-1]) in bound]
    root, path = min(named or ways, key=lambda way: len(way[1]))
    names = [search.rename(name) for _, name, _ in references.folded(path)]
    paths = [path, *(other for _, other in ways if len(other) == len(path) and other is not path)]
    cure = partial(removal.cure, paths, len(path) - 1, is_single=True)
    return Table(
        path=f"{search.rename(root.path)}{''.join(names[:-1])}[*]",
        cure=written(cure, search.target, search.namespaces) if named else None,
    )
