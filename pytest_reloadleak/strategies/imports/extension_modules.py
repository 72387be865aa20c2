"""Keep the extension modules of a unit: their code cannot be executed again, and their state is often process-wide.

The fresh code must still find them, under their name and as an attribute of their fresh package. The import system
binds that attribute only when it loads a module, so during a reload a finder hands out the kept modules.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from pytest_reloadleak.heap import foreign
from pytest_reloadleak.strategies.imports.finder import in_front


class _Finder:
    """Finds and loads modules that exist already: see `importlib.abc.MetaPathFinder` and `Loader`."""

    def __init__(self, modules: dict[str, Any]) -> None:
        self._modules = modules
        self._specs = {
            name: (foreign.module_dict(module) or {}).get("__spec__") for name, module in modules.items()
        }

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: object = None
    ) -> ModuleSpec | None:
        """The spec of a kept module."""
        del path, target
        return ModuleSpec(name, self) if name in self._modules else None  # type: ignore[arg-type]  # duck-typed

    def create_module(self, spec: ModuleSpec) -> Any:
        """The kept module itself."""
        return self._modules[spec.name]

    def exec_module(self, module: ModuleType) -> None:
        """Only put back the module's own spec, which the import system has just replaced."""
        namespace = foreign.module_dict(module) or {}
        spec = self._specs[namespace["__spec__"].name]
        namespace["__spec__"] = spec
        if isinstance(spec, ModuleSpec):
            namespace["__loader__"] = spec.loader


@contextmanager
def kept_modules(names: list[str]) -> Iterator[None]:
    """Within the block, importing any of `names` returns the module that is loaded now."""
    if not names:
        yield
        return
    modules = {name: sys.modules.pop(name) for name in names}
    try:
        with in_front(_Finder(modules)):
            yield
    finally:
        for name, module in modules.items():
            sys.modules[name] = module
            parent, _, leaf = name.rpartition(".")
            holder = foreign.module_dict(sys.modules.get(parent))
            if holder is not None:
                holder.setdefault(leaf, module)
