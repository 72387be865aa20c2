"""What a module depends on: from its source, from what it was seen to import, and from what its names are bound to.

Each misses what another sees: the source a name that is made up at run time, the record what was imported before it
began, the bindings what a function imports late. A dependency counts only if it is loaded.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
import types
from collections.abc import Iterator

from pytest_reloadleak.heap import foreign
from pytest_reloadleak.strategies import recorded
from pytest_reloadleak.strategies.modules import spec_of

_IMPORTERS = frozenset({"import_module", "__import__"})


def of_module(name: str) -> set[str]:
    """Loaded modules that a loaded module depends on, as far as anything tells."""
    found = {*written(name), *bound(name), *recorded.imported_by(name)}
    return {other for other in found if sys.modules.get(other) is not None}


def bound(name: str) -> set[str]:
    """Modules that a module's names lead to: those bound, and the homes of functions and classes that are.

    Not the submodules that a package has as attributes only because somebody imported them.
    """
    found = set()
    for key, value in list((foreign.module_dict(sys.modules.get(name)) or {}).items()):
        home: object = (foreign.module_dict(value) or {}).get("__name__")
        if type(value) is types.FunctionType:
            home = value.__module__
        elif foreign.is_class(value):
            home = foreign.class_module(value)
        if type(home) is str and not (foreign.is_module(value) and home == f"{name}.{key}"):
            found.add(home)
    return found - {name, ""}


def bound_data(names: list[str]) -> dict[str, set[str]]:
    """Who binds a thing that another module's namespace has too, by identity: `from settings import TABLE`.

    The thing does not tell where it is from, so whoever was imported first is taken for its home. Values that are
    compared by value are passed over, since two modules may have the same one by chance.

    Args:
        names: modules in the order of their import.

    Returns:
        For each module those that had one of its things before.
    """
    homes: dict[int, str] = {}
    out: dict[str, set[str]] = {name: set() for name in names}
    for name in names:
        for key, value in list((foreign.module_dict(sys.modules.get(name)) or {}).items()):
            if type(key) is not str or key.startswith("__") or foreign.is_atom(value) or _tells_home(value):
                continue
            home = homes.setdefault(id(value), name)
            if home != name:
                out[name].add(home)
    return out


def _tells_home(value: object) -> bool:
    return type(value) is types.FunctionType or foreign.is_class(value) or foreign.is_module(value)


def written(name: str) -> set[str]:
    """Modules that a module's source imports, anywhere in it: in functions and under conditions too.

    What is imported for the type checker only is no dependency of the running program.
    """
    namespace = foreign.module_dict(sys.modules.get(name)) or {}
    package = namespace.get("__package__")
    tree = _tree(name)
    if tree is None:
        return set()
    found: set[str] = set()
    for node in _executed(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found.add(alias.name)
                if alias.asname is None:  # it binds the first name, and reaches the others through it
                    found.add(alias.name.partition(".")[0])
        elif isinstance(node, ast.ImportFrom):
            base = _resolved("." * node.level + (node.module or ""), package)
            found |= _from(base, [alias.name for alias in node.names]) if base else set()
        elif isinstance(node, ast.Call):
            found |= {_resolved(text, package) for text in _called(node)}
    return found - {name, ""}


def _tree(name: str) -> ast.Module | None:
    spec = spec_of(sys.modules.get(name))
    loader = getattr(spec, "loader", None)
    try:
        source = loader.get_source(name) if loader is not None else None
        return ast.parse(source) if source is not None else None
    except Exception:  # noqa: BLE001 - a loader without sources, or a foreign one that raises what it likes
        return None


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those under `if TYPE_CHECKING:`."""
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


def _from(base: str, names: list[str]) -> set[str]:
    """`from base import names`: the submodules among the names, and the base if anything else is."""
    inner = {f"{base}.{name}" for name in names if foreign.is_module(sys.modules.get(f"{base}.{name}"))}
    return inner if len(inner) == len(names) else {base, *inner}


def _called(node: ast.Call) -> list[str]:
    """The module that `import_module("name")` imports, where the name stands there."""
    function = node.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    first = node.args[0] if node.args else None
    is_text = isinstance(first, ast.Constant) and isinstance(first.value, str)
    return [first.value] if name in _IMPORTERS and is_text else []  # type: ignore[union-attr]  # asked in `is_text`


def _resolved(name: str, package: object) -> str:
    try:
        return importlib.util.resolve_name(name, package if type(package) is str else None)
    except (ImportError, ValueError):
        return ""
