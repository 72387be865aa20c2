"""Everything back as it was: `sys.modules`, parent attributes, namespaces, the marker's key.

The state is taken once, when the check begins, and put back once, however it ends. Identity counts: the modules that
come back are the same objects with the same dicts, so the rest of the process never notices.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from pytest_reloadleak.strategies.unit import Unit, module_names

_ABSENT: Any = object()


@dataclass(slots=True)
class Transaction:
    """The state of the import system and of the unit when a check began."""

    unit: Unit
    modules: dict[str, Any] = field(default_factory=dict)
    """`sys.modules` at the beginning. Foreign modules too: a target may replace others there."""
    attributes: dict[str, Any] = field(default_factory=dict)
    """For each module of the unit below a package: what the parent had under its name."""
    namespaces: dict[str, tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=dict)
    """For each loaded module of the unit: its dict and a copy of what that contained."""

    @classmethod
    def begin(cls, unit: Unit) -> Transaction:
        """Take the present state."""
        now = cls(unit, dict(sys.modules))
        for name in unit.loaded():
            now.remember(name)
        for name in unit.names:
            now.remember_attribute(name)
        return now

    def remember(self, name: str) -> None:
        """Take the state of one loaded module of the unit."""
        module = sys.modules.get(name)
        if isinstance(module, ModuleType):
            namespace = vars(module)
            self.namespaces[name] = (namespace, dict(namespace))
        self.remember_attribute(name)

    def remember_attribute(self, name: str) -> None:
        """Take what a module's parent has under its name, before anything rebinds it."""
        parent, _, leaf = name.rpartition(".")
        holder = sys.modules.get(parent)
        if parent and name not in self.attributes and isinstance(holder, ModuleType):
            self.attributes[name] = vars(holder).get(leaf, _ABSENT)

    def roll_back(self) -> None:
        """Put the state back."""
        for name in [name for name in module_names() if self.unit.owns(name)]:
            if name not in self.modules:
                self._forget(name)
        for name, module in self.modules.items():
            if sys.modules.get(name, _ABSENT) is not module:
                sys.modules[name] = module
        for namespace, saved in self.namespaces.values():
            _put_back(namespace, saved)
        for name, value in self.attributes.items():
            _set_attribute(name, value)

    def _forget(self, name: str) -> None:
        module = sys.modules.pop(name, None)
        parent, _, leaf = name.rpartition(".")
        holder = sys.modules.get(parent)
        if (
            name not in self.attributes
            and isinstance(holder, ModuleType)
            and vars(holder).get(leaf) is module
        ):
            vars(holder).pop(leaf, None)


def _put_back(namespace: dict[str, Any], saved: dict[str, Any]) -> None:
    """Restore a namespace key by key: emptied first, it would be seen empty by whoever runs in it meanwhile."""
    for key in [key for key in namespace if key not in saved]:
        namespace.pop(key, None)
    for key, value in saved.items():
        if namespace.get(key, _ABSENT) is not value:
            namespace[key] = value


def _set_attribute(name: str, value: object) -> None:
    parent, _, leaf = name.rpartition(".")
    holder = sys.modules.get(parent)
    if not isinstance(holder, ModuleType):
        return
    if value is _ABSENT:
        vars(holder).pop(leaf, None)
    elif vars(holder).get(leaf, _ABSENT) is not value:
        vars(holder)[leaf] = value
