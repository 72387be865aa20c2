"""The test module's own bindings of the reloaded modules: renewed each round, put back at the end.

`import app.views` in a test module binds `app`, `from app.views import index` a function; after a reload both would be
the old ones. They are the test's, not a leak, and the body is meant to run on the fresh generation.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any


class Bindings:
    """Bindings of one test module.

    Args:
        namespace: the test module's globals.
        owns: whether a module name belongs to the unit.
    """

    def __init__(self, namespace: dict[str, Any], owns: Callable[[str], bool]) -> None:
        self._namespace = namespace
        self._original: dict[str, Any] = {}
        self._sources: dict[str, tuple[str, str | None]] = {}
        modules = {
            name: vars(module)
            for name, module in sys.modules.items()
            if isinstance(module, ModuleType) and owns(name)
        }
        by_id = {
            id(value): (name, key) for name, contents in modules.items() for key, value in contents.items()
        }
        for name, module in sys.modules.items():
            if name in modules:
                by_id[id(module)] = (name, None)
        for key, value in list(namespace.items()):
            source = by_id.get(id(value))
            if (
                source is None
                or key.startswith("__")
                or value is None
                or type(value) in {bool, int, str, float}
            ):
                continue
            own = vars(value).get("__module__") if isinstance(value, type) else None
            if own in modules and modules[own].get(key) is value:
                source = (own, key)
            self._sources[key] = source
            self._original[key] = value

    def renew(self) -> None:
        """Bind what the present modules have."""
        for key, (name, attribute) in self._sources.items():
            module = sys.modules.get(name)
            if attribute is None:
                self._namespace[key] = module
            elif isinstance(module, ModuleType) and attribute in vars(module):
                self._namespace[key] = vars(module)[attribute]

    def put_back(self) -> None:
        """Bind what was there at the beginning, and let go of it."""
        self._namespace.update(self._original)
        self._original.clear()
