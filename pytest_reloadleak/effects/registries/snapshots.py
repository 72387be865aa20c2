"""Tell whether a registry has changed since it was last read: if not, a round need not read its entries again.

A table is compared by its fingerprint: the addresses of its keys and values and of their types. Equal fingerprints mean
equal identities. An object that an identity names by address may be another one now, but its identity is the same. A
text that an identity names by content is kept, so that no other object can have its address.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from pytest_reloadleak.effects.probe import Identity
from pytest_reloadleak.effects.registries.import_registries import MODULES
from pytest_reloadleak.effects.registries.registry import Registry, Table
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.heap.levels.choice import fingerprint

_TUPLES = foreign.type_ids(tuple, frozenset)
_NONE: list[Identity] = []


class Snapshot:
    """The identities of one list or dict."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._part = slice(None if table.newest is None else -table.newest, None)
        self._seen: object = None
        self._kept: list[object] = []
        """The texts that identities name by content but do not contain. Texts hold nothing of the program."""
        self._found: list[Identity] = []

    def read(self) -> list[Identity]:
        """The identities of the entries; the same list as before if they are the same; empty for any other object."""
        table: Any = self._table.get()
        kind = type(table)
        if not issubclass(kind, dict) and not issubclass(kind, list):
            return _NONE
        seen = fingerprint(table)
        if seen != self._seen:
            # Taken before the entries are read: if a thread changes the table meanwhile, the next one differs.
            self._seen = seen
            if issubclass(kind, list):
                self._found = self._table.identities(list.__getitem__(table, slice(None)))
            else:
                self._read(list(dict.items(table)))
        return self._found

    def _read(self, items: list[tuple[Any, Any]]) -> None:
        found = self._table.identities(items[self._part])
        self._found = self._found if found == self._found else found
        if self._table.is_of_texts:
            self._kept = [o for pair in items for o in pair if foreign.is_atom(o)]
        # Whether a tuple is an atom depends on its items, so another tuple at its address may be named differently.
        if any(foreign.is_exactly(value, _TUPLES) for _, value in items):
            self._seen = None


class ModuleTable:
    """The identities of the modules in `sys.modules`, without the target's, which are new in each round and no entries.

    Args:
        owns: whether a module name belongs to the target.
    """

    def __init__(self, owns: Callable[[str], bool]) -> None:
        self._owns = owns
        self._seen: object = None
        self._own: frozenset[str] = frozenset()
        """Names of the target's modules. Copies, since each round may rename them, and name strings date objects."""
        self._found: list[Identity] = []

    def read(self) -> list[Identity]:
        """The identities; the same list as before if they are the same."""
        if self._seen is None or fingerprint(foreign.module_table(), self._own) != self._seen:
            named = foreign.loaded_modules()
            self._own = frozenset((name + " ")[:-1] for name, _ in named if self._owns(name))
            self._seen = fingerprint(foreign.module_table(), self._own)
            others = [
                (name, id(module)) for name, module in foreign.loaded_modules() if name not in self._own
            ]
            self._kept = [name for name, _ in others]
            self._found = [(MODULES, name, number) for name, number in others]
        return self._found


class Listing:
    """The identities of a registry that is neither a table nor `sys.modules`: its entries are read each time."""

    def __init__(self, identities: Callable[[], Iterable[Identity]]) -> None:
        self._identities = identities
        self._found: list[Identity] = []

    def read(self) -> list[Identity]:
        """The identities; the same list as before if they are equal."""
        found = list(self._identities())
        if found != self._found:
            self._found = found
        return self._found


def reader(registry: Registry, owns: Callable[[str], bool]) -> Callable[[], list[Identity]]:
    """A function that returns the identities of a registry's entries: the same list as before if they are the same.

    Args:
        registry: the registry.
        owns: whether a module name belongs to the target.
    """
    if registry.name == MODULES:
        return ModuleTable(owns).read
    if registry.table is not None:
        return Snapshot(registry.table).read
    return Listing(partial(dated, registry)).read


def dated(registry: Registry) -> Iterable[Identity]:
    """The identities of a registry's entries that are dated by round."""
    if registry.table is not None:
        return Snapshot(registry.table).read()
    if registry.identities is not None:
        return registry.identities()
    return [entry.identity for entry in registry.entries()]
