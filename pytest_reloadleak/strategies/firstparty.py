"""Which modules are the project's own?

First-party is what lies under the rootdir, or belongs to the distribution that the rootdir's `pyproject.toml` names,
editable or not; never a test module, a `conftest.py`, or anything else in `site-packages`.
"""

from __future__ import annotations

import importlib
import os
import sys
import sysconfig
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path
from typing import Any

from pytest_reloadleak.heap import foreign
from pytest_reloadleak.settings import TEST_FILES

_import_module = importlib.import_module  # a private copy, as the target may patch it

_SELF = __name__.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Project:
    """A project: where it lies, and how its test files are called."""

    root: Path
    test_files: tuple[str, ...] = TEST_FILES

    @classmethod
    def nowhere(cls) -> Project:
        """A project of no files, for who has none."""
        return cls(Path(os.devnull))

    def owns(self, name: str) -> bool:
        """Whether a loaded module is the project's own."""
        if name in {"__main__", "__mp_main__", "conftest"} or name.partition(".")[0] == _SELF:
            return False
        file = (foreign.module_dict(sys.modules.get(name)) or {}).get("__file__")
        return type(file) is str and self.owns_file(file)

    def owns_file(self, file: str) -> bool:
        """Whether a source file is the project's own."""
        path = Path(file).resolve()
        if self._is_test_file(path):
            return False
        is_installed = _is_installed(path.parent)
        if path.is_relative_to(self.root.resolve()) and not is_installed:
            return True
        # Last, as it takes 14 ms, and a project of which nothing is installed need not be asked about the library.
        return not _is_of_library(path.parent) and path in _distribution_files(self.root)

    def is_library(self, name: str) -> bool:
        """Whether a loaded module is the standard library's, or an installed one that is not the project's own."""
        if name in sys.builtin_module_names:
            return True
        file = (foreign.module_dict(sys.modules.get(name)) or {}).get("__file__")
        return type(file) is str and _is_installed(Path(file).resolve().parent) and not self.owns_file(file)

    def _is_test_file(self, path: Path) -> bool:
        package_of_tests = path.name == "__init__.py" and not {"tests", "test"}.isdisjoint(self._below(path))
        return (
            path.name == "conftest.py"
            or package_of_tests
            or any(fnmatch(path.name, p) for p in self.test_files)
        )

    def _below(self, path: Path) -> tuple[str, ...]:
        """Names of the directories between the rootdir and a file."""
        root = self.root.resolve()
        return path.relative_to(root).parts[:-1] if path.is_relative_to(root) else path.parts[-2:-1]


@lru_cache(maxsize=4096)
def _is_installed(directory: Path) -> bool:
    """Whether a directory belongs to an environment or to Python itself, wherever that lies."""
    if not {"site-packages", "dist-packages"}.isdisjoint(directory.parts):
        return True
    if _is_of_library(directory):
        return True
    return any(
        (parent / "pyvenv.cfg").is_file() or (parent / "conda-meta").is_dir()
        for parent in (directory, *directory.parents)
    )


def _is_of_library(directory: Path) -> bool:
    """Whether a directory is the standard library's."""
    if not {"site-packages", "dist-packages"}.isdisjoint(directory.parts):
        return False
    return any(directory.is_relative_to(library) for library in _libraries())


@lru_cache(maxsize=1)
def _libraries() -> tuple[Path, ...]:
    """Where the standard library lies."""
    return tuple({Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")})


@lru_cache(maxsize=8)
def _distribution_files(root: Path) -> frozenset[Path]:
    """Files of the installed distribution that the rootdir's `pyproject.toml` names."""
    name = _project_name(root)
    if name is None:
        return frozenset()
    metadata: Any = _import_module("importlib.metadata")  # takes 14 ms, and most have no such file
    try:
        files = metadata.files(name) or []
    except metadata.PackageNotFoundError:
        return frozenset()
    return frozenset(Path(str(file.locate())).resolve() for file in files if file.suffix == ".py")


def _project_name(root: Path) -> str | None:
    try:
        text = (root / "pyproject.toml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    try:
        # pytest itself needs a TOML reader, so there is one: the standard library's, or `tomli` before 3.11.
        toml: Any = _import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
        name = toml.loads(text).get("project", {}).get("name")
    except ValueError:
        return None
    return name if isinstance(name, str) else None
