"""Put everything back as it was: `sys.modules`, parent attributes, namespaces, the marker's key.

The state is taken once, when the check begins, and put back once, however the check ends. Identity counts: the same
module objects with the same dicts come back, so the rest of the process never notices.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from pytest_reloadleak.heap import foreign
from pytest_reloadleak.strategies.imports.unit import Unit, module_names

_ABSENT: Any = object()


@dataclass(slots=True, eq=False, repr=False)
class Transaction:
    """The state of the import system and of the unit when a check began."""

    unit: Unit
    table: dict[str, Any] = field(default_factory=lambda: sys.modules)
    """`sys.modules` itself. A program can replace it, but import statements ignore the replacement."""
    modules: dict[str, Any] = field(default_factory=dict)
    """The entries of `sys.modules`, foreign modules included: a target may replace those too."""
    attributes: dict[str, Any] = field(default_factory=dict)
    """For each module of the unit in a package: the parent's attribute of that name."""
    namespaces: dict[str, tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=dict)
    """For each loaded module of the unit: its dict and a copy of the contents."""

    @classmethod
    def begin(cls, unit: Unit) -> Transaction:
        """Take the present state."""
        now = cls(unit, modules=dict(sys.modules))
        for name in unit.loaded():
            now.remember(name)
        for name in unit.names:
            now.remember_attribute(name)
        return now

    def let_go(self, names: Collection[str]) -> None:
        """Keep the contents of some modules but not the module objects, which then die when they are dropped."""
        for name in names:
            module = self.modules.pop(name, None)
            self.attributes.pop(name, None)
            for _, saved in self.namespaces.values():
                for key in [key for key, value in saved.items() if value is module]:
                    del saved[key]

    def widen(self, unit: Unit) -> None:
        """Take over a wider unit, with the state of the added modules that were loaded from the beginning."""
        added = [name for name in unit.loaded() if not self.unit.owns(name) and name in self.modules]
        self.unit = unit
        for name in added:
            self.remember(name)

    def remember(self, name: str) -> None:
        """Take the state of one loaded module of the unit."""
        namespace = foreign.module_dict(sys.modules.get(name))
        if namespace is not None:
            self.namespaces[name] = (namespace, dict(namespace))
        self.remember_attribute(name)

    def remember_attribute(self, name: str) -> None:
        """Take the parent's attribute for a module, before anything rebinds it."""
        parent, _, leaf = name.rpartition(".")
        holder = foreign.module_dict(sys.modules.get(parent))
        if parent and name not in self.attributes and holder is not None:
            self.attributes[name] = holder.get(leaf, _ABSENT)

    def roll_back(self) -> None:
        """Put the state back."""
        sys.modules = self.table
        for name in [name for name in module_names() if self.unit.owns(name)]:
            if name not in self.modules:
                self._forget(name)
        table: list[tuple[Any, Any]] = list(self.modules.items())
        for name, module in table:
            if type(name) is str and sys.modules.get(name, _ABSENT) is not module:
                sys.modules[name] = module
        for namespace, saved in self.namespaces.values():
            _put_back(namespace, saved)
        for name, value in self.attributes.items():
            _set_attribute(name, value)

    def _forget(self, name: str) -> None:
        module = sys.modules.pop(name, None)
        parent, _, leaf = name.rpartition(".")
        holder = foreign.namespace(parent)
        if name not in self.attributes and holder.get(leaf, _ABSENT) is module:
            holder.pop(leaf, None)


def _put_back(namespace: dict[Any, Any], saved: dict[Any, Any]) -> None:
    """Restore a namespace key by key, since code that runs in it meanwhile must not see it empty."""
    # Keys that are no strings may raise when hashed. Copying a dict hashes no key, so here it is emptied and copied.
    if _odd_keys(namespace) != _odd_keys(saved):
        namespace.clear()
        namespace.update(saved)
        return
    for key in [key for key in namespace if type(key) is str and key not in saved]:
        namespace.pop(key, None)
    for key, value in saved.items():
        if type(key) is str and namespace.get(key, _ABSENT) is not value:
            namespace[key] = value


def _odd_keys(namespace: dict[Any, Any]) -> list[tuple[int, int]]:
    return [(id(key), id(value)) for key, value in namespace.items() if type(key) is not str]


def _set_attribute(name: str, value: object) -> None:
    parent, _, leaf = name.rpartition(".")
    holder = foreign.module_dict(sys.modules.get(parent))
    if holder is None:
        return
    if value is _ABSENT:
        holder.pop(leaf, None)
    elif holder.get(leaf, _ABSENT) is not value:
        holder[leaf] = value
