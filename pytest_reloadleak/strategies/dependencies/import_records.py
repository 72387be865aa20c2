"""Record which module imports which while a program runs: names only.

Import statements are better read from the source, but the source does not show imports by a computed name. Two places
see those: the finders, which the import system calls when a module is first loaded, and `importlib.import_module`,
which is called for loaded modules too. `builtins.__import__` is left alone: it runs for every import statement, and
would show no more than the source does.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
import types
from collections.abc import Sequence
from typing import Any

from pytest_reloadleak.heap import foreign
from pytest_reloadleak.heap.collector import getframe

_import_module = importlib.import_module
_records: dict[str, set[str]] = {}
_recorders = 0
_MACHINERY = frozenset({"importlib", "importlib._bootstrap", "_frozen_importlib", "pkgutil", "runpy"})
_SELF = __name__.partition(".")[0]


class _Finder:
    """Finds nothing, but notes the importing module: see `importlib.abc.MetaPathFinder`."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> None:
        """Note the import of a module that is not loaded."""
        del path, target
        _note(getframe(1), name)


_finder = _Finder()


@functools.wraps(_import_module)
def _recording(name: str, package: str | None = None) -> Any:
    __tracebackhide__ = True
    if type(name) is str and (package is None or type(package) is str):
        _note(getframe(1), name, package)  # start at the caller's frame: this one is the tool's
    return _import_module(name, package)


def _note(frame: types.FrameType | None, name: str, package: str | None = None) -> None:
    while frame is not None:
        importer = foreign.module_name(frame.f_globals)
        if importer.startswith(f"{_SELF}."):
            return  # a strategy of this tool: a reload is no dependency
        if importer not in _MACHINERY:
            break
        frame = frame.f_back
    else:
        return
    if name.startswith("."):
        try:
            name = importlib.util.resolve_name(name, package)
        except (ImportError, ValueError):  # the importer is about to get this error
            return
    if type(name) is str and importer:
        _records.setdefault(importer, set()).add(name)


def start() -> None:
    """Start recording, or continue: each call needs a matching call of `stop`."""
    global _recorders  # noqa: PLW0603 - the process has one import system
    _recorders += 1
    if _recorders == 1:
        sys.meta_path.insert(0, _finder)
        importlib.import_module = _recording


def stop() -> None:
    """Stop recording after the last matching call; the records stay."""
    global _recorders  # noqa: PLW0603 - as above
    _recorders -= 1
    if _recorders == 0:
        if _finder in sys.meta_path:
            sys.meta_path.remove(_finder)
        if importlib.import_module is _recording:
            importlib.import_module = _import_module


def imported_by(name: str) -> frozenset[str]:
    """The modules that a module was seen to import."""
    return frozenset(_records.get(name, ()))
