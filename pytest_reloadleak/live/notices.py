"""Notice that a module is executed again, without polling and without changing what the program sees of the module.

Three things show it, and none sees all ways to reload:

- The import system asks each finder before it executes a module: in `importlib.reload`, and in an import after the name
  was dropped. A finder that finds nothing notices both, before the outgoing generation is replaced.
- An import holds a lock of the module and drops it at its end. The end of the lock is the end of the execution.
- A module object dies when it is replaced, and its spec when it is reloaded. This shows hosts that load files by
  themselves and ask no finder.
"""

from __future__ import annotations

import importlib
import sys
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import ModuleType
from typing import Any

from pytest_reloadleak.heap import foreign
from pytest_reloadleak.strategies.imports.locks import is_initializing

Heard = Callable[[str], None]
_Reference = weakref.ref[Any]
_LOCKS: Any = vars(sys.modules["_frozen_importlib"]).get("_module_locks", {})
"""Weak references to the locks of the imports that are under way. Private, and the same in CPython 3.10 to 3.15."""
_RELOADING: Any = vars(importlib).get("_RELOADING", {})
"""The modules that `importlib.reload` is reloading."""


class Notices:
    """The notices of one watch. They hold no object of the program.

    Args:
        owns: whether a module is watched.
        beginning: called with the name of a watched module that may be about to be executed.
        ended: called with the name of a watched module that was imported.
        changed: called with the name of a watched module that has lost its module object or its spec. The call may come
            at any moment in any thread, so it must take no lock.
    """

    def __init__(self, owns: Callable[[str], bool], beginning: Heard, ended: Heard, changed: Heard) -> None:
        self._finder = _Finder(owns, self._asked)
        self._beginning, self._ended, self._changed = beginning, ended, changed
        self._ends: dict[str, _Reference] = {}
        self._lives: dict[str, tuple[_Reference, ...]] = {}

    def start(self) -> None:
        """Begin to listen."""
        sys.meta_path.insert(0, self._finder)

    def stop(self) -> None:
        """Stop listening, and forget everything."""
        with suppress(ValueError):  # the program may have emptied the list
            sys.meta_path.remove(self._finder)
        self._ends.clear()
        self._lives.clear()

    def follow(self, name: str, module: object) -> None:
        """Notice the end of a module object, and of its spec."""
        spec = (foreign.module_dict(module) or {}).get("__spec__")

        def gone(_: object) -> None:
            self._changed(name)

        found = []
        for o in (module, spec):
            with suppress(TypeError):  # an entry of `sys.modules` may be anything
                found.append(weakref.ref(o, gone))
        self._lives[name] = tuple(found)

    def _asked(self, name: str) -> None:
        lock = _lock_of(name)
        if lock is not None:

            def over(_: object) -> None:
                self._ends.pop(name, None)
                self._ended(name)

            self._ends[name] = weakref.ref(lock, over)
        del lock
        self._beginning(name)


class _Finder:
    """Finds nothing, but notices what the import system looks for: see `importlib.abc.MetaPathFinder`."""

    def __init__(self, owns: Callable[[str], bool], asked: Heard) -> None:
        self._owns = owns
        self._asked = asked

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> None:
        """Notice a module that the import system looks for."""
        del path, target
        if type(name) is str and self._owns(name):
            self._asked(name)


def is_executing(name: str) -> bool:
    """Whether the code of a module has begun to run, in an import or a reload, and has not ended."""
    return name in _RELOADING or is_initializing(name)


def _lock_of(name: str) -> object:
    """The lock that the import of a module holds; `None` if it holds none, as at the beginning of a reload."""
    reference = _LOCKS.get(name)
    return reference() if reference is not None else None
