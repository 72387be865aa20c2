"""Find what a module depends on: from its source, its recorded imports, and what its names are bound to.

Each misses what another one sees: the source misses a computed name, the record misses earlier imports, and the
bindings miss what a function imports late.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
import types
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from pytest_reloadleak.heap import foreign
from pytest_reloadleak.heap.sources import parsed
from pytest_reloadleak.strategies.dependencies import graph, import_records
from pytest_reloadleak.strategies.imports.unit import module_names, spec_of

_IMPORTERS = frozenset({"import_module", "__import__"})


def dependencies(names: Iterable[str]) -> dict[str, set[str]]:
    """For each of some loaded modules, the modules that it is known to depend on; these need not be loaded."""
    known = {name: source_imports(name) | import_records.imported_by(name) for name in names}
    data = bound_data(known)
    out = {}
    for name, needs in known.items():
        more = (bound_modules(name) | data[name]) - needs
        # A binding does not count if its home depends on the module: the home made the binding, as a plugin fills a
        # slot.
        above = graph.dependents(known, [name], lambda *_: False) if more else {}
        out[name] = needs | more.difference(above)
    return out


def bound_modules(name: str) -> set[str]:
    """Modules that a module's names lead to: bound modules, and the homes of bound functions and classes."""
    found = set()
    for key, value in list(foreign.namespace(name).items()):
        home: object = (foreign.module_dict(value) or {}).get("__name__")
        if type(value) is types.FunctionType:
            home = value.__module__
        elif foreign.is_class(value):
            home = foreign.class_module(value)
        # A submodule does not count if its package has it as an attribute only because it was imported.
        if type(home) is str and not (foreign.is_module(value) and home == f"{name}.{key}"):
            found.add(home)
    return found - {name, ""}


def bound_data(names: Iterable[str]) -> dict[str, set[str]]:
    """For each module, the modules that bound one of its objects before it: `TABLE = import_module(where).TABLE`.

    Only for modules whose source does not show all imports, since unrelated modules may share an object: a logger, a
    compiled pattern, something that both took from a library. The object does not name its module, so the module that
    was imported first counts as its home. Identity decides, so values that are compared by value are skipped.

    Args:
        names: the modules that may depend on each other.
    """
    out: dict[str, set[str]] = {name: set() for name in names}
    silent = {name for name in out if not _read(name).is_all}
    homes: dict[int, str] = {}
    for name in module_names() if silent else ():  # a module moves to the end when its import ends
        for key, value in list(foreign.namespace(name).items()):
            if type(key) is not str or key.startswith("__") or foreign.is_atom(value) or _names_home(value):
                continue
            home = homes.setdefault(id(value), name)
            if name in silent and home != name and home in out:
                out[name].add(home)
    return out


def _names_home(value: object) -> bool:
    return type(value) is types.FunctionType or foreign.is_class(value) or foreign.is_module(value)


def source_imports(name: str) -> set[str]:
    """Modules that a module's source imports at run time, also in functions and under conditions."""
    source = _read(name)
    found = set(source.modules)
    for base, members in source.members:
        inner = {f"{base}.{member}" for member in members}
        found |= inner
        if not all(foreign.is_module(sys.modules.get(module)) for module in inner):
            found.add(base)
    return found - {name, ""}


class _Source(NamedTuple):
    """The imports of a source text."""

    modules: frozenset[str] = frozenset()
    members: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """For each `from base import members`: the members may be submodules."""
    is_all: bool = False
    """Whether no import uses a computed name."""


def _read(name: str) -> _Source:
    """The imports of a loaded module's source; empty if the source cannot be read."""
    module = sys.modules.get(name)
    package = (foreign.module_dict(module) or {}).get("__package__")
    spec = spec_of(module)
    try:
        loader: Any = getattr(spec, "loader", None)
        if hasattr(loader, "get_source"):
            source = loader.get_source(name)
        else:  # such as pytest's rewriting loader
            with open(getattr(spec, "origin", ""), "rb") as file:
                source = importlib.util.decode_source(file.read())
        return _parsed(source, package if type(package) is str else None)
    except Exception:  # noqa: BLE001 - a loader without sources, or one that raises anything
        return _Source()


@lru_cache(maxsize=4096)
def _parsed(source: str, package: str | None) -> _Source:
    """The imports of a source, cached, since each target of a session needs all modules of the project."""
    modules: set[str] = set()
    members: list[tuple[str, tuple[str, ...]]] = []
    is_all = True
    for node in _executed(parsed(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                modules.add(alias.name)
                if alias.asname is None:  # it binds the first name, and reaches the rest through it
                    modules.add(alias.name.partition(".")[0])
        elif isinstance(node, ast.ImportFrom):
            base = resolved("." * node.level + (node.module or ""), package)
            if base:
                members.append((base, tuple(alias.name for alias in node.names)))
        elif isinstance(node, ast.Call) and _is_importer(node.func):
            first, second = (*map(_text, node.args[:2]), None, None)[:2]
            is_all = is_all and first is not None
            modules.add(resolved(first or "", second or package))
    return _Source(frozenset(modules), tuple(members), is_all)


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes except those under `if TYPE_CHECKING:`, which are no dependency of the running program."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If) and _is_type_checking(node.test):
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)


def _is_type_checking(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def _is_importer(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in _IMPORTERS


def _text(node: ast.expr) -> str | None:
    """The text of an expression that is a string literal; `None` for any other."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def resolved(name: str, package: str | None) -> str:
    """The absolute name for a module name in a package's code, leading dots included; empty if there is none."""
    try:
        return importlib.util.resolve_name(name, package)
    except (ImportError, ValueError):
        return ""
