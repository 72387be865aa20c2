"""Recognise by its spec that a module was loaded again: the import system gives it a new one each time.

A new spec proves no execution, since a finder may hand out a module that it keeps: see `handed_out`.
"""

from __future__ import annotations

import weakref
from importlib.machinery import ModuleSpec
from typing import Any


class Specs:
    """The specs of a unit's modules, held weakly."""

    def __init__(self) -> None:
        self._known: dict[str, weakref.ref[Any]] = {}

    def note(self, name: str, namespace: dict[str, Any]) -> bool:
        """Note a module's spec. Returns whether it replaces another one.

        Args:
            name: the module's name.
            namespace: the module's namespace.
        """
        is_new = self.is_new(name, namespace)
        spec = dict.get(namespace, "__spec__")
        if type(spec) is ModuleSpec:
            self._known[name] = weakref.ref(spec)
        return is_new

    def is_new(self, name: str, namespace: dict[str, Any]) -> bool:
        """Whether a module has another spec than the noted one. Arguments as for `note`."""
        known, spec = self._known.get(name), dict.get(namespace, "__spec__")
        return known is not None and type(spec) is ModuleSpec and known() is not spec
