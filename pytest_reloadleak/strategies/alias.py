"""Load each generation under a fresh name from the same file, and leave them all: cache-busting imports.

What this strategy leaks by itself, a module per reload in a table that nobody empties, is what people have who reload
this way (reload facts, rows 20 to 22); so it is reported as what it is.
"""

from __future__ import annotations

import importlib.util
import os
import stat
import sys
from dataclasses import replace
from importlib.machinery import ModuleSpec
from typing import Any

from pytest_reloadleak.errors import RoundError
from pytest_reloadleak.strategies.dependencies.importers import bound
from pytest_reloadleak.strategies.dependencies.project import Project
from pytest_reloadleak.strategies.imports import targets
from pytest_reloadleak.strategies.imports.handover import names_for
from pytest_reloadleak.strategies.imports.unit import Unit
from pytest_reloadleak.strategies.single import Single

_MARK = "__alias"
_stat = os.stat  # a private copy, as the target may patch it


class Alias(Single):
    """The strategy `alias`."""

    name = "alias"

    def __init__(self, project: Project) -> None:
        super().__init__(project)
        self._names: tuple[str, ...] = ()
        self._count = 0

    def widen(self, unit: Unit) -> Unit:
        """The unit with the modules that this strategy makes up."""
        self._names = unit.names
        return replace(unit, invented=tuple(f"{name}{_MARK}*" for name in unit.names))

    def reload(self, names: list[str]) -> None:
        """Load the target, a package with what importing it loads, under the next name."""
        del names
        self._count += 1
        for name in self._names:
            self._load(name, f"{name}{_MARK}{self._count}")

    def _load(self, name: str, alias: str) -> None:
        found = targets.find(name)
        origin = file_of(found)
        if found is None or origin is None:
            raise RoundError(f"the strategy alias cannot load {name}: it has no file of its own")
        where = found.submodule_search_locations
        spec = importlib.util.spec_from_file_location(
            alias, origin, submodule_search_locations=list(where) if where is not None else None
        )
        if spec is None or spec.loader is None:
            raise RoundError(
                f"the strategy alias cannot load {name} from {origin}: no loader takes such a file"
            )
        module = importlib.util.module_from_spec(spec)
        vars(module).update(names_for(alias))
        sys.modules[alias] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            sys.modules.pop(alias, None)
            raise

    def outgoing(self, names: list[str]) -> list[str]:
        """The newest alone: the others were disposed before."""
        tops = [self._current(name) for name in self._names]
        return [
            name
            for name in super().outgoing(names)
            if any(name == t or name.startswith(f"{t}.") for t in tops)
        ]

    def not_reloaded(self, unit: Unit, same: list[str]) -> list[str]:
        """The original stays by the nature of this strategy, and is told only if its aliases import from it."""
        aliases = [name for name in unit.loaded() if not _owns_original(unit, name)]
        used = {name for alias in aliases for name in bound(alias) if _owns_original(unit, name)}
        return super().not_reloaded(unit, [name for name in same if name in used or name in aliases])

    def heir(self, name: str) -> str:
        """The next alias of a target, or of a submodule of one."""
        for target in self._names:
            current = self._current(target)
            if name == current or name.startswith(f"{current}."):
                return f"{target}{_MARK}{self._count + 1}{name[len(current) :]}"
        return name

    def module(self, name: str) -> Any:
        """The newest module that stands for a target."""
        return sys.modules.get(self._current(name))

    def _current(self, name: str) -> str:
        return f"{name}{_MARK}{self._count}" if self._count else name


def file_of(spec: ModuleSpec | None) -> str | None:
    """The file from which a module can be loaded under any name; `None` if it lies in an archive, or in no file."""
    if spec is None or spec.loader is None or spec.origin is None:
        return None
    try:
        return spec.origin if stat.S_ISREG(_stat(spec.origin).st_mode) else None
    except (OSError, ValueError):
        return None


def _owns_original(unit: Unit, name: str) -> bool:
    return replace(unit, invented=()).owns(name)
