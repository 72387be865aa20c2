"""Decide which modules are first-party.

First-party is what lies under the rootdir, or belongs to the distribution that the rootdir's `pyproject.toml` names,
editable or not; never a test module, a `conftest.py`, or anything else in `site-packages`.
"""

from __future__ import annotations

import importlib
import os
import sys
import sysconfig
from fnmatch import fnmatch
from functools import lru_cache
from os.path import basename, dirname, isdir, isfile, join, realpath, relpath
from typing import Any, NamedTuple

from pytest_reloadleak.heap import foreign
from pytest_reloadleak.settings import TEST_FILES

_import_module = importlib.import_module  # a private copy, as the target may patch it

_SELF = __name__.partition(".")[0]


class Project(NamedTuple):
    """A project: its rootdir, and the patterns of its test files."""

    root: str
    test_files: tuple[str, ...] = TEST_FILES

    @classmethod
    def nowhere(cls) -> Project:
        """A project without files."""
        return cls(os.devnull)

    def owns(self, name: str) -> bool:
        """Whether a loaded module is the project's own."""
        if name in {"__main__", "__mp_main__", "conftest"} or name.partition(".")[0] == _SELF:
            return False
        file = foreign.namespace(name).get("__file__")
        return type(file) is str and self.owns_file(file)

    def owns_file(self, file: str) -> bool:
        """Whether a source file is the project's own."""
        path = realpath(file)
        if self.is_test_file(path):
            return False
        directory = dirname(path)
        if _is_below(path, realpath(self.root)) and not _is_installed(directory):
            return True
        # This comes last, since it takes 14 ms. The standard library never belongs to the project's distribution.
        return not _is_of_library(directory) and path in _distribution_files(self.root)

    def rank(self, file: str) -> int | None:
        """1 for a first-party source file, 2 for another one of the project, such as a test; `None` for any other."""
        if self.owns_file(file):
            return 1
        path = realpath(file)
        return 2 if _is_below(path, realpath(self.root)) and not _is_installed(dirname(path)) else None

    def is_library(self, name: str) -> bool:
        """Whether a loaded module is in the standard library, or is installed and not the project's own."""
        if name in sys.builtin_module_names:
            return True
        file = foreign.namespace(name).get("__file__")
        return type(file) is str and _is_installed(dirname(realpath(file))) and not self.owns_file(file)

    def is_test_file(self, path: str) -> bool:
        """Whether a file is a test module, a `conftest.py` or the `__init__.py` of a folder of tests."""
        name = basename(path)
        package_of_tests = name == "__init__.py" and not {"tests", "test"}.isdisjoint(self._below(path))
        return name == "conftest.py" or package_of_tests or any(fnmatch(name, p) for p in self.test_files)

    def _below(self, path: str) -> list[str]:
        """Names of the directories from the rootdir to a file; outside the rootdir, only that of its directory."""
        root, directory = realpath(self.root), dirname(path)
        return relpath(directory, root).split(os.sep) if _is_below(path, root) else [basename(directory)]


def _is_below(path: str, directory: str) -> bool:
    """Whether a real path is a directory or something below it."""
    return path == directory or path.startswith(directory.rstrip(os.sep) + os.sep)


@lru_cache(maxsize=4096)
def _is_installed(directory: str) -> bool:
    """Whether a directory belongs to a Python environment or to Python itself, wherever they lie."""
    if _is_packages(directory) or _is_of_library(directory):
        return True
    while not (isfile(join(directory, "pyvenv.cfg")) or isdir(join(directory, "conda-meta"))):
        directory, below = dirname(directory), directory
        if directory == below:
            return False
    return True


def _is_packages(directory: str) -> bool:
    return not {"site-packages", "dist-packages"}.isdisjoint(directory.split(os.sep))


def _is_of_library(directory: str) -> bool:
    """Whether a directory belongs to the standard library."""
    return not _is_packages(directory) and any(_is_below(directory, library) for library in _libraries())


@lru_cache(maxsize=1)
def _libraries() -> tuple[str, ...]:
    """Directories of the standard library."""
    return tuple({realpath(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")})


@lru_cache(maxsize=8)
def _distribution_files(root: str) -> frozenset[str]:
    """Files of the installed distribution that the rootdir's `pyproject.toml` names."""
    name = _project_name(root)
    if name is None:
        return frozenset()
    metadata: Any = _import_module("importlib.metadata")  # takes 14 ms, and most projects need none
    try:
        files = metadata.files(name) or []
    except metadata.PackageNotFoundError:
        return frozenset()
    return frozenset(realpath(file.locate()) for file in files if file.suffix == ".py")


def _project_name(root: str) -> str | None:
    try:
        with open(join(root, "pyproject.toml"), encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError):
        return None
    try:
        # pytest itself needs a TOML reader, so there is one: the standard library's, or `tomli` before 3.11.
        toml: Any = _import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
        name = toml.loads(text).get("project", {}).get("name")
    except ValueError:
        return None
    return name if isinstance(name, str) else None
