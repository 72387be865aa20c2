"""Which modules are the project's own?

First-party is what lies under the rootdir, or belongs to the distribution that the rootdir's `pyproject.toml` names,
editable or not; never a test module, a `conftest.py`, or anything else in `site-packages`.
"""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import sys
import sysconfig
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pytest_reloadleak.strategies import targets
from pytest_reloadleak.strategies.unit import module_names


def loaded(config: pytest.Config, test_modules: set[str]) -> list[str]:
    """Names of the first-party modules that are loaded and can be reloaded, in sorted order.

    Args:
        config: for the rootdir and the patterns of test files.
        test_modules: names of the test modules that were collected.
    """
    names = [name for name in module_names() if name not in test_modules]
    return sorted(n for n in names if is_first_party(config, n) and targets.refusal(n) is None)


def is_first_party(config: pytest.Config, name: str) -> bool:
    """Whether a loaded module is the project's own."""
    module = sys.modules.get(name)
    if not isinstance(module, ModuleType) or name in {"__main__", "__mp_main__", "conftest"}:
        return False
    file = vars(module).get("__file__")
    if not isinstance(file, str):
        return False
    path = Path(file).resolve()
    if _is_test_file(config, path):
        return False
    if path in _distribution_files(config.rootpath):
        return True
    return path.is_relative_to(config.rootpath.resolve()) and not _is_installed(path)


def _is_test_file(config: pytest.Config, path: Path) -> bool:
    patterns = [str(pattern) for pattern in config.getini("python_files")]
    package_of_tests = path.name == "__init__.py" and not {"tests", "test"}.isdisjoint(
        _below(config.rootpath, path)
    )
    return path.name == "conftest.py" or package_of_tests or any(fnmatch(path.name, p) for p in patterns)


def _below(rootpath: Path, path: Path) -> tuple[str, ...]:
    """Names of the directories between the rootdir and a file."""
    root = rootpath.resolve()
    return path.relative_to(root).parts[:-1] if path.is_relative_to(root) else path.parts[-2:-1]


def _is_installed(path: Path) -> bool:
    """Whether a file belongs to an environment or to Python itself, wherever that lies."""
    if not {"site-packages", "dist-packages"}.isdisjoint(path.parts):
        return True
    if any(path.is_relative_to(library) for library in _libraries()):
        return True
    return any(
        (parent / "pyvenv.cfg").is_file() or (parent / "conda-meta").is_dir() for parent in path.parents
    )


@lru_cache(maxsize=1)
def _libraries() -> tuple[Path, ...]:
    """Where the standard library lies."""
    return tuple({Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")})


@lru_cache(maxsize=8)
def _distribution_files(rootpath: Path) -> frozenset[Path]:
    """Files of the installed distribution that the rootdir's `pyproject.toml` names."""
    name = _project_name(rootpath)
    if name is None:
        return frozenset()
    try:
        files = importlib.metadata.files(name) or []
    except importlib.metadata.PackageNotFoundError:
        return frozenset()
    return frozenset(Path(str(file.locate())).resolve() for file in files if file.suffix == ".py")


def _project_name(rootpath: Path) -> str | None:
    try:
        text = (rootpath / "pyproject.toml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    try:
        # pytest itself needs a TOML reader, so there is one: the standard library's, or `tomli` before 3.11.
        toml: Any = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
        name = toml.loads(text).get("project", {}).get("name")
    except ValueError:
        return None
    return name if isinstance(name, str) else None


def imported_by(config: pytest.Config, module: ModuleType) -> list[str]:
    """First-party modules that a test module imports, in the order of its imports.

    Read from the import statements, since a binding does not tell: `import app.views` binds `app`.
    """
    try:
        source = Path(str(module.__file__)).read_text(encoding="utf-8")
        tree = ast.parse(source)
    except (OSError, SyntaxError, ValueError):
        return []
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, module)
            inner = [f"{base}.{alias.name}" for alias in node.names if f"{base}.{alias.name}" in sys.modules]
            names += inner or [base]
    own = [
        name
        for name in dict.fromkeys(names)
        if is_first_party(config, name) and targets.refusal(name) is None
    ]
    return [name for name in own if not any(name.startswith(f"{other}.") for other in own)]


def _absolute(node: ast.ImportFrom, module: ModuleType) -> str:
    if not node.level:
        return node.module or ""
    package = str(vars(module).get("__package__") or "").split(".")
    base = package[: len(package) - node.level + 1]
    return ".".join([*base, node.module] if node.module else base)
