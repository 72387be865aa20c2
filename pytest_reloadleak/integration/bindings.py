"""Rebind the test module's names for the reloaded modules after each reload, and put them back at the end.

`import app.views` in a test module binds `app`, and `from app.views import index` binds a function. After a reload both
names would refer to old objects. They belong to the test, so they are no leak, and its body must run on the fresh ones.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any

from pytest_reloadleak.heap import foreign
from pytest_reloadleak.strategies.imports.unit import module_names


class Bindings:
    """The bindings of one test module.

    Args:
        namespace: the test module's globals.
        module: returns the target's module of the current round, or its stand-in, by name.
    """

    def __init__(self, namespace: dict[str, Any], module: Callable[[str], Any] = sys.modules.get) -> None:
        self._namespace = namespace
        self._module = module
        self._original: dict[str, Any] = {}
        self._sources: dict[str, tuple[str, str | None]] = {}

    def begin(self, owns: Callable[[str], bool]) -> None:
        """Find and keep the bindings of the unit, whose module names satisfy `owns`."""
        sources = _sources(owns)
        for key, value in list(self._namespace.items()):
            source = sources.get(id(value))
            if source is not None and not key.startswith("__") and not foreign.is_atom(value):
                self._sources[key] = source
                self._original[key] = value

    def own_objects(self) -> list[object]:
        """This object and its containers, which hold the original bindings."""
        return [self, vars(self), self._original]

    def renew(self) -> None:
        """Bind the objects of the current modules."""
        for key, (name, attribute) in self._sources.items():
            module = self._module(name)
            if attribute is None:
                self._namespace[key] = module
            elif foreign.is_module(module):
                contents = foreign.module_dict(module) or {}
                self._namespace[key] = contents.get(attribute, self._namespace[key])
            elif module is not None:  # the stand-in for a module of another process
                self._namespace[key] = getattr(module, attribute, self._namespace[key])

    def put_back(self) -> None:
        """Restore the original bindings, and drop the references to them."""
        self._namespace.update(self._original)
        self._original.clear()


def _sources(owns: Callable[[str], bool]) -> dict[int, tuple[str, str | None]]:
    """The origin of each object of the unit's namespaces, by id: module and attribute, or the module alone.

    An object that several modules of the unit bind comes from the one that its `__module__` names.
    """
    out: dict[int, tuple[str, str | None]] = {}
    names = [name for name in module_names() if owns(name) and foreign.is_module(sys.modules[name])]
    for name in names:
        for key, value in (foreign.module_dict(sys.modules[name]) or {}).items():
            home = value.__module__ if type(value) is FunctionType or type(value) is type else None
            if id(value) not in out or home == name:
                out[id(value)] = (name, key)
    return out | {id(sys.modules[name]): (name, None) for name in names}
