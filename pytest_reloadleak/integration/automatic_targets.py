"""Find the project's own modules that a session has loaded or that a test module imports."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from pytest_reloadleak.heap.sources import parsed
from pytest_reloadleak.integration import selection
from pytest_reloadleak.integration.options import project_of
from pytest_reloadleak.integration.own_modules import OwnModules
from pytest_reloadleak.integration.reporting import changed_files
from pytest_reloadleak.strategies.dependencies.importers import resolved
from pytest_reloadleak.strategies.imports import targets
from pytest_reloadleak.strategies.imports.unit import module_names


def loaded(session: pytest.Session, plugins: tuple[str, ...]) -> list[str]:
    """Sorted names of the loaded first-party modules that can be reloaded, without those of the tests."""
    own = project_of(session.config)
    tests = OwnModules(session).names()
    names = [name for name in module_names() if name not in tests]
    return sorted(n for n in names if own.owns(n) and targets.refusal(n, plugins=plugins) is None)


def wanted_again(config: pytest.Config) -> list[tuple[str, str]]:
    """Target and strategy of the items that a selector runs again, while it skips the files that import the targets.

    For `--lf`, those that failed in the last run; for pytest-testmon, also those whose files have changed.
    """
    cache = getattr(config, "cache", None)
    failed = cache.get("cache/lastfailed", {}) if cache is not None and config.getoption("lf", False) else ()
    found = [*map(selection.parse, failed), *changed_files.affected(config)]
    return [one for one in dict.fromkeys(found) if one is not None and targets.refusal(one[0]) is None]


def imported_by(session: pytest.Session, module: ModuleType) -> list[str]:
    """First-party modules that a test module imports, in the order of its imports.

    It reads the import statements, since bindings are not enough: `import app.views` binds `app`.
    """
    try:
        tree = parsed(importlib.util.decode_source(Path(str(module.__file__)).read_bytes()))
    except (OSError, SyntaxError, ValueError):
        return []
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = resolved("." * node.level + (node.module or ""), vars(module).get("__package__"))
            inner = [f"{base}.{alias.name}" for alias in node.names if f"{base}.{alias.name}" in sys.modules]
            names += inner or [base]
    mine, tests = project_of(session.config), OwnModules(session).names()
    found = [name for name in dict.fromkeys(names) if mine.owns(name) and name not in tests]
    own = [name for name in found if targets.refusal(name) is None]
    return [name for name in own if not any(name.startswith(f"{other}.") for other in own)]
