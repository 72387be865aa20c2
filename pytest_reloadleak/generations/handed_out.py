"""Distinguish a module that was executed again in its namespace from one that an import merely handed out again.

Both have a new spec, since the import system sets it before it calls the loader. A finder that keeps a module and
returns it for each import executes nothing, and then nothing in the namespace is new.
"""

from __future__ import annotations

from importlib.machinery import (
    BuiltinImporter,
    FrozenImporter,
    ModuleSpec,
    SourceFileLoader,
    SourcelessFileLoader,
)
from typing import Any
from zipimport import zipimporter

from pytest_reloadleak.generations.walk import Definitions
from pytest_reloadleak.heap import foreign

_EXECUTING = foreign.type_ids(SourceFileLoader, SourcelessFileLoader, zipimporter)
_IMPORTERS: tuple[object, ...] = (BuiltinImporter, FrozenImporter)


class HandedOut:
    """The ids of the values in the namespaces of a unit. A name's new value is created before the old one is dropped.

    Args:
        is_in_place: whether a reload may execute a module in its namespace.
    """

    def __init__(self, *, is_in_place: bool) -> None:
        self._is_in_place = is_in_place
        self._bound: dict[str, dict[str, int]] = {}

    def note(self, name: str, namespace: dict[str, Any]) -> None:
        """Note the values of a module's names, unless its loader always executes it."""
        if not _executes(namespace):
            self._bound[name] = _values(namespace)

    def is_again(self, name: str, namespace: dict[str, Any], found: Definitions) -> bool:
        """Whether a module with a new spec was merely handed out: its code is old, and its data is what it was.

        The loaders of the standard library always execute the module, even if that renews nothing. In place, old data
        alone is no proof, as it may be another module's: the module must also have a function or class, which an
        execution would have created again.

        Args:
            name: the module's name.
            namespace: the module's namespace, the same dict as in the round before.
            found: what a walk found in it.
        """
        if _executes(namespace):
            return False
        before, now = self._bound.get(name, {}), _values(namespace)
        if any(now.get(key) != value for key, value in before.items()):
            return False
        is_code = bool(found.functions) or any(foreign.class_module(cls) == name for cls in found.classes)
        return is_code or not self._is_in_place


def _executes(namespace: dict[str, Any]) -> bool:
    """Whether a module's loader is one of the standard library's, which execute it whenever they are asked."""
    spec = dict.get(namespace, "__spec__")
    loader = spec.loader if type(spec) is ModuleSpec else None
    is_importer = any(loader is importer for importer in _IMPORTERS)
    return loader is None or is_importer or foreign.is_exactly(loader, _EXECUTING)


def _values(namespace: dict[str, Any]) -> dict[str, int]:
    """Ids of the values that an execution of the module may create again, by name."""
    return {
        key: id(value)
        for key, value in dict.items(namespace)
        if type(key) is str and not key.startswith("__") and foreign.is_exactly(value, _DATA)
    }


_DATA = foreign.type_ids(list, dict, set)
