"""Give a module names before its code runs: what its predecessor handed over.

The finders that are there find the module, and its own loader loads it; for the length of one reload the loader's
`exec_module` is preceded by an assignment. Nothing of it stays: not the finder, and not the attribute of the loader.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


class _Finder:
    """Finds with the finders behind it, and prepares what they found: see `importlib.abc.MetaPathFinder`."""

    def __init__(self, names: Mapping[str, Mapping[str, Any]]) -> None:
        self._names = dict(names)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a module that something is to be given to."""
        given = self._names.get(name)
        if given is None:
            return None
        for finder in list(sys.meta_path):
            find_spec = getattr(finder, "find_spec", None)
            spec = find_spec(name, path, target) if finder is not self and find_spec is not None else None
            if spec is not None:
                del self._names[name]
                _prepare(spec, given)
                return spec  # type: ignore[no-any-return]  # a finder returns a spec, or it is none
        return None


def _prepare(spec: ModuleSpec, given: Mapping[str, Any]) -> None:
    loader: Any = spec.loader
    execute = getattr(loader, "exec_module", None)
    if execute is None:
        return

    def exec_module(module: ModuleType) -> None:
        if vars(module).get("__name__") == spec.name:  # a zip file has one loader for all of its modules
            del loader.exec_module
            vars(module).update(given)
        execute(module)

    try:
        loader.exec_module = exec_module
    except AttributeError:  # a loader with slots: its modules do without
        return


@contextmanager
def given(names: Mapping[str, Mapping[str, Any]]) -> Iterator[None]:
    """Within the block, each module of `names` that is executed finds the names that it is mapped to in its namespace.

    Args:
        names: what to give, by module.
    """
    if not names:
        yield
        return
    finder = _Finder(names)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)
