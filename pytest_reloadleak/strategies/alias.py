"""Load each generation under a fresh name from the same file and keep all of them, as cache-busting imports do.

The strategy itself leaks one module per reload into a table that nothing empties. Programs that reload this way have
the same leak (reload facts, rows 20 to 22), so the check reports it.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import stat
import sys
from dataclasses import replace
from importlib.machinery import ModuleSpec
from typing import Any

from pytest_reloadleak.errors import RoundError
from pytest_reloadleak.strategies.dependencies.importers import bound_modules
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
        self._submodules: tuple[str, ...] = ()
        self._count = 0

    def widen(self, unit: Unit) -> Unit:
        """The unit with patterns for the names that this strategy invents."""
        self._names, self._submodules = unit.names, unit.submodules
        return replace(unit, invented=tuple(f"{name}{_MARK}*" for name in unit.names))

    def reload(self, names: list[str]) -> None:
        """Load the target under its next name; for a package, also the modules that its import loads."""
        del names
        self._count += 1
        for name in self._names:
            alias = f"{name}{_MARK}{self._count}"
            self._load(name, alias)
            for below in self._submodules:
                if below.startswith(f"{name}."):
                    importlib.import_module(alias + below[len(name) :])

    def _load(self, name: str, alias: str) -> None:
        found = targets.find(name)
        origin = file_of(found)
        if found is None or origin is None:
            raise RoundError(f"strategy alias: {name} has no file of its own; use another strategy")
        where = found.submodule_search_locations
        spec = importlib.util.spec_from_file_location(
            alias, origin, submodule_search_locations=list(where) if where is not None else None
        )
        if spec is None or spec.loader is None:
            raise RoundError(f"strategy alias: no loader takes {name} from {origin}; use another strategy")
        module = importlib.util.module_from_spec(spec)
        vars(module).update(names_for(alias))
        sys.modules[alias] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            sys.modules.pop(alias, None)
            raise

    def outgoing(self, names: list[str]) -> list[str]:
        """Only the newest alias, since the older ones were disposed of earlier."""
        tops = [self._current(name) for name in self._names]
        return [
            name
            for name in super().outgoing(names)
            if any(name == t or name.startswith(f"{t}.") for t in tops)
        ]

    def not_reloaded(self, unit: Unit, same: list[str]) -> list[str]:
        """The original always stays under this strategy. So it is reported only if an alias imports from it."""
        aliases = [name for name in unit.loaded() if not _owns_original(unit, name)]
        used = {name for alias in aliases for name in bound_modules(alias) if _owns_original(unit, name)}
        return super().not_reloaded(unit, [name for name in same if name in used or name in aliases])

    def successor(self, name: str) -> str:
        """The name of the next alias of a target, or of one of its submodules."""
        for target in self._names:
            current = self._current(target)
            if name == current or name.startswith(f"{current}."):
                return f"{target}{_MARK}{self._count + 1}{name[len(current) :]}"
        return name

    def module(self, name: str) -> Any:
        """The newest alias of a target."""
        return sys.modules.get(self._current(name))

    def _current(self, name: str) -> str:
        return f"{name}{_MARK}{self._count}" if self._count else name


def file_of(spec: ModuleSpec | None) -> str | None:
    """The file from which a module can be loaded under any name; `None` if it is in an archive or has no file."""
    if spec is None or spec.loader is None or spec.origin is None:
        return None
    try:
        return spec.origin if stat.S_ISREG(_stat(spec.origin).st_mode) else None
    except (OSError, ValueError):
        return None


def _owns_original(unit: Unit, name: str) -> bool:
    return replace(unit, invented=()).owns(name)
