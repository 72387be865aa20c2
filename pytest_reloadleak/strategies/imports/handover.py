"""Give a module names before its code runs: the data that its predecessor handed over.

The existing finders find the module, and its own loader loads it; during one reload, an assignment precedes the
loader's `exec_module`. Nothing of this stays: neither the finder nor the attribute of the loader.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from pytest_reloadleak.strategies.imports.finder import in_front


class _Finder:
    """Calls the finders behind it, and prepares the loaders that they find: see `importlib.abc.MetaPathFinder`."""

    def __init__(self, names: Mapping[str, Mapping[str, Any]]) -> None:
        self._names = dict(names)
        self._loaders: list[Any] = []

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a module that is to receive names. A caller may ask for the spec and never load the module."""
        given = self._names.pop(name, None)  # other finders may call this one meanwhile
        if given is None:
            return None
        try:
            spec = self._found(name, path, target)
        finally:
            self._names[name] = given
        if spec is not None:
            self._prepare(spec.loader)
        return spec

    def _found(self, name: str, path: Sequence[str] | None, target: ModuleType | None) -> ModuleSpec | None:
        for finder in list(sys.meta_path):
            find_spec = getattr(finder, "find_spec", None)
            spec = find_spec(name, path, target) if finder is not self and find_spec is not None else None
            if spec is not None:
                return spec  # type: ignore[no-any-return]  # a true finder returns a spec
        return None

    def _prepare(self, loader: Any) -> None:
        execute = getattr(loader, "exec_module", None)
        if execute is None or any(loader is known for known in self._loaders):
            return  # a zip file has one loader for all of its modules

        def exec_module(module: ModuleType) -> None:
            namespace = vars(module)
            namespace.update(self._names.pop(namespace.get("__name__", ""), {}))
            execute(module)

        try:
            loader.exec_module = exec_module
        except AttributeError:  # the loader has slots, so its modules receive no names
            return
        self._loaders.append(loader)

    def take(self, name: str) -> Mapping[str, Any]:
        """The names for a module. They are returned only once."""
        return self._names.pop(name, {})

    def end(self) -> None:
        """Remove the replaced method from the loaders."""
        for loader in self._loaders:
            vars(loader).pop("exec_module", None)


_given: list[_Finder] = []


def names_for(name: str) -> Mapping[str, Any]:
    """The names for a module that the caller executes without the import system."""
    return {key: value for finder in _given for key, value in finder.take(name).items()}


@contextmanager
def given(names: Mapping[str, Mapping[str, Any]]) -> Iterator[None]:
    """Within the block, each module of `names` finds its given names in its namespace when it is executed.

    Args:
        names: the names to give, by module.
    """
    if not names:
        yield
        return
    finder = _Finder(names)
    _given.append(finder)
    try:
        with in_front(finder):
            yield
    finally:
        _given.remove(finder)
        finder.end()
