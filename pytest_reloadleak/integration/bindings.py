"""The test module's own bindings of the reloaded modules: renewed each round, put back at the end.

`import app.views` in a test module binds `app`, `from app.views import index` a function; after a reload both would be
the old ones. They are the test's, not a leak, and the body is meant to run on the fresh generation.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any

from pytest_reloadleak.heap import foreign
from pytest_reloadleak.strategies.imports.unit import module_names


class Bindings:
    """Bindings of one test module.

    Args:
        namespace: the test module's globals.
        module: what stands for a module of the target in the present round, by its name.
    """

    def __init__(self, namespace: dict[str, Any], module: Callable[[str], Any] = sys.modules.get) -> None:
        self._namespace = namespace
        self._module = module
        self._original: dict[str, Any] = {}
        self._sources: dict[str, tuple[str, str | None]] = {}

    def begin(self, owns: Callable[[str], bool]) -> None:
        """Find what is bound.

        Args:
            owns: whether a module name belongs to the unit.
        """
        sources = _sources(owns)
        for key, value in list(self._namespace.items()):
            source = sources.get(id(value))
            if source is not None and not key.startswith("__") and not foreign.is_atom(value):
                self._sources[key] = source
                self._original[key] = value

    def own_objects(self) -> list[object]:
        """This and its containers, which hold the original bindings."""
        return [self, vars(self), self._original]

    def renew(self) -> None:
        """Bind what the present modules have."""
        for key, (name, attribute) in self._sources.items():
            module = self._module(name)
            if attribute is None:
                self._namespace[key] = module
            elif foreign.is_module(module):
                contents = foreign.module_dict(module) or {}
                self._namespace[key] = contents.get(attribute, self._namespace[key])
            elif module is not None:  # what stands for a module of another process
                self._namespace[key] = getattr(module, attribute, self._namespace[key])

    def put_back(self) -> None:
        """Bind what was there at the beginning, and let go of it."""
        self._namespace.update(self._original)
        self._original.clear()


def _sources(owns: Callable[[str], bool]) -> dict[int, tuple[str, str | None]]:
    """Where each object of the unit's namespaces comes from, by id: module and attribute, or a module itself.

    What several modules of the unit bind is said to come from the one that its own `__module__` names.
    """
    out: dict[int, tuple[str, str | None]] = {}
    names = [name for name in module_names() if owns(name) and foreign.is_module(sys.modules[name])]
    for name in names:
        for key, value in (foreign.module_dict(sys.modules[name]) or {}).items():
            home = value.__module__ if type(value) is FunctionType or type(value) is type else None
            if id(value) not in out or home == name:
                out[id(value)] = (name, key)
    return out | {id(sys.modules[name]): (name, None) for name in names}
