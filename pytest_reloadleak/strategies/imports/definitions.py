"""Find what a name that cannot be imported may mean: a definition, or a module in a folder that is not in `sys.path`.

Nothing is imported.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
import types
from collections.abc import Callable, Iterator
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, ModuleSpec, SourceFileLoader
from typing import NamedTuple

from pytest_reloadleak.heap import foreign
from pytest_reloadleak.heap.sources import parsed

_Finder = Callable[[str], "ModuleSpec | None"]
_DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_MOST = 8
"""The largest number of modules that import a name from one another, before the search ends."""

_FOLDERS = (".", "src")
"""Folders where a project may have its modules although the command `pytest` does not look there."""


class Definition(NamedTuple):
    """The meaning of a dotted name that is no module."""

    kind: str
    """`class`, `function` or `name`."""
    module: str
    """The module that defines it."""


def definition_of(name: str, find: _Finder) -> Definition | None:
    """The meaning of a dotted name; `None` unless its first parts are a module that binds the next part.

    Args:
        name: such as `package.module.Thing`, or a method of it.
        find: returns a module's spec.
    """
    parts = name.replace(":", ".").split(".")
    for length in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:length])
        if module in sys.modules or find(module) is not None:
            return _in_module(module, parts[length:], find, _MOST)
    return None


def _in_module(module: str, path: list[str], find: _Finder, most: int) -> Definition | None:
    return _in_loaded(module, path) or _in_source(module, path, find, most)


def _in_loaded(module: str, path: list[str]) -> Definition | None:
    namespace = foreign.module_dict(sys.modules.get(module))
    if namespace is None or path[0] not in namespace:
        return None
    value = namespace[path[0]]
    home = foreign.class_module(value) if foreign.is_class(value) else ""
    for name in path[1:]:
        value = foreign.class_dict(value).get(name) if foreign.is_class(value) else None
    if type(value) is types.FunctionType:
        home = home or foreign.module_name(value.__globals__)
    kind = "class" if foreign.is_class(value) else "function" if type(value) is types.FunctionType else "name"
    return Definition(kind, home if home in sys.modules else module)


def _in_source(module: str, path: list[str], find: _Finder, most: int) -> Definition | None:
    spec = find(module)
    source = _source(spec)
    if spec is None or source is None:
        return None
    found = None
    for statement in _top_level(parsed(source).body):
        if isinstance(statement, ast.ImportFrom):
            for alias in statement.names:
                if (alias.asname or alias.name) == path[0]:
                    relative = "." * statement.level + (statement.module or "")
                    home = importlib.util.resolve_name(relative, spec.parent)
                    inner = _in_module(home, [alias.name, *path[1:]], find, most - 1) if most else None
                    found = inner or found
        elif path[0] in _bound(statement):
            found = Definition(_kind(statement, path[1:]), module)
    return found


def _source(spec: ModuleSpec | None) -> str | None:
    get_source = getattr(spec.loader, "get_source", None) if spec is not None else None
    source = get_source(spec.name) if get_source is not None and spec is not None else None
    return source if type(source) is str else None


def _top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module, those below `if`, `try` and `with` included."""
    for statement in body:
        yield statement
        if not isinstance(statement, _DEFINITIONS):
            for block in (statement, *getattr(statement, "handlers", ())):
                for part in ("body", "orelse", "finalbody"):
                    yield from _top_level(getattr(block, part, []))


def _bound(statement: ast.stmt) -> set[str]:
    """The names that a definition or an assignment binds."""
    if isinstance(statement, _DEFINITIONS):
        return {statement.name}
    targets: list[ast.expr] = statement.targets if isinstance(statement, ast.Assign) else []
    if isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    return {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}


def _kind(statement: ast.stmt, path: list[str]) -> str:
    for name in path:
        body = statement.body if isinstance(statement, ast.ClassDef) else []
        inner = [one for one in _top_level(body) if name in _bound(one)]
        if not inner:
            return "name"
        statement = inner[-1]
    if isinstance(statement, ast.ClassDef):
        return "class"
    return "function" if isinstance(statement, _DEFINITIONS) else "name"


def missing_path(top: str) -> str | None:
    """What to set so that a top-level module can be found, as a clause; `None` if no folder has it."""
    for folder in _FOLDERS:
        if FileFinder(folder, (SourceFileLoader, SOURCE_SUFFIXES)).find_spec(top) is not None:
            return (
                f"{top!r} is in the folder {folder!r}, which is not in sys.path: set `pythonpath = {folder}` in the "
                "pytest configuration"
            )
    return None
