"""Distinguish the tests' modules from the project's: test files, conftests, plugins, and helpers only of these.

A module of the tests is never an automatic target. It may keep objects of the generation from before the check.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pytest_reloadleak.heap import foreign
from pytest_reloadleak.integration.options import project_of
from pytest_reloadleak.strategies.dependencies import import_records
from pytest_reloadleak.strategies.dependencies.importers import source_imports
from pytest_reloadleak.strategies.dependencies.project import Project

_RECORDED = "reload_leak_test_modules"
"""Attribute of the session: names of the modules of all collected tests, deselected ones included."""
_FOLDERS = frozenset({"tests", "test"})


class OwnModules:
    """The modules of one session's tests.

    Args:
        session: pytest's session.
    """

    def __init__(self, session: pytest.Session) -> None:
        config = session.config
        self._session = session
        self._project = project_of(config)
        folders = (os.path.join(config.rootpath, path) for path in config.getini("testpaths"))
        self._folders = tuple(folder for folder in folders if _is_of_tests(folder, self._project))

    def names(self) -> set[str]:
        """Names of the loaded modules that belong to the tests."""
        return self.tests() | self.helpers()

    def tests(self) -> set[str]:
        """Names of the test modules, conftests and plugins."""
        found = set(vars(self._session).get(_RECORDED, ()))
        plugins = self._session.config.pluginmanager.get_plugins()
        found |= {plugin.__name__ for plugin in plugins if isinstance(plugin, ModuleType)}
        return found | {name for name, file in self._files() if _is_test(file, self._project)}

    def helpers(self) -> set[str]:
        """Names of the modules in the tests' folders that only the tests import."""
        found = {
            name
            for name, file in self._files()
            if self._is_among_tests(file) and not _is_test(file, self._project)
        }
        return found - _imported(found, self._project) if found else found

    def namespaces(self) -> list[dict[str, Any]]:
        """The globals of all modules of the tests."""
        return [n for name in self.names() if (n := foreign.namespace(name))]

    def _files(self) -> Iterator[tuple[str, str]]:
        """Names and source files of the loaded modules that are below the project's root."""
        start = _folder(self._project.root)
        return ((name, file) for name, file in _files() if file.startswith(start))

    def _is_among_tests(self, file: str) -> bool:
        above = file[len(self._project.root) :].split(os.sep)[:-1]
        is_there = not _FOLDERS.isdisjoint(above) or any(_is_below(file, folder) for folder in self._folders)
        return is_there and self._project.owns_file(file)


def _files() -> Iterator[tuple[str, str]]:
    """Names and source files of the loaded modules."""
    for name, module in foreign.loaded_modules():
        file = (foreign.module_dict(module) or {}).get("__file__")
        if type(file) is str:
            yield name, file


def _is_below(file: str, directory: str) -> bool:
    return file.startswith(_folder(directory))


def _folder(path: str) -> str:
    """A folder's path with a separator at its end, with which all paths below it begin."""
    return path.rstrip(os.sep) + os.sep


@lru_cache(maxsize=4096)
def _is_test(file: str, project: Project) -> bool:
    return project.is_test_file(file)


def _is_of_tests(folder: str, project: Project) -> bool:
    """Whether a folder that the ini file names for tests holds tests, and not the project's packages as well."""
    path = Path(folder)
    if not path.is_dir() or (path / "__init__.py").exists() or os.path.samefile(folder, project.root):
        return False
    return any(project.is_test_file(str(file)) for file in path.glob("*.py"))


def _imported(names: set[str], project: Project) -> set[str]:
    """Those of some modules that another module of the project imports, if that is no test."""
    leaves = {name.rpartition(".")[2] for name in names}
    words = re.compile("|".join(rf"\b{re.escape(leaf)}\b" for leaf in sorted(leaves)))
    found: set[str] = set()
    for name, file in list(_files()):
        if name not in names and _is_below(file, project.root) and project.owns(name):
            found |= names & import_records.imported_by(name)
            if words.search(_text(file)):  # so that only few sources are parsed
                found |= names & source_imports(name)
    return found


@lru_cache(maxsize=4096)
def _text(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
