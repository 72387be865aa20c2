"""Distinguish plain data that the target made from data that it only took from another module.

A list or an object of a library's class does not show who made it. `_previous = host.current` and
`_previous = signal.getsignal(signal.SIGTERM)` give the target a name for the host's object. When the next generation
takes another object, the host's own name for the first one is not a stale copy of the target's name.
"""

from __future__ import annotations

import ast
import builtins
import types
from collections.abc import Sequence
from typing import Any

from pytest_reloadleak.generations.original import Original
from pytest_reloadleak.heap import foreign, sources
from pytest_reloadleak.holders import homes
from pytest_reloadleak.holders.patches import is_standard


def is_taken(name: str, path: tuple[Any, ...], original: Original) -> bool:
    """Whether a value belongs to the module that has a name for it, and the target only took it from there.

    Args:
        name: what the target called the value: `app.views.DEFAULTS`.
        path: the objects from a root to the value.
        original: the original's namespaces. One of its modules may have made what another one took.
    """
    named = [
        f"{module}.{key}"
        for module, (_, saved) in original.namespaces.items()
        for key, value in saved.items()
        if value is path[-1] and type(key) is str
    ]
    return all(_is_taken(one, path) for one in {name, *named})


def _is_taken(name: str, path: tuple[Any, ...]) -> bool:
    module, _, attribute = name.rpartition(".")
    target = foreign.namespace(module)
    if homes.names_of(target).is_taken(attribute):
        return True
    namespace, key = _bound_by(path)
    if namespace is None or key == attribute:
        return False
    holder = foreign.module_name(namespace)
    if not is_standard(holder) or is_standard(module):  # the standard library takes only from itself
        origin = _origin(target, attribute, path[-1])
        if origin is not None and holder.partition(".")[0] not in origin:
            return False
        if _words(namespace).named & {module.rpartition(".")[2], attribute}:
            return False
    return key not in _words(target).stored


def _origin(target: dict[str, Any], attribute: str, value: object) -> set[str] | None:
    """The packages whose code may have made a value that the target assigned; `None` if any package may have.

    The set is empty for values that the target made: a display, a comprehension, an instance. A value that a function
    returned comes from the package of the function or of the value's class.
    """
    bound = _assigned(sources.statements(foreign.text(dict.get(target, "__file__"))), attribute)
    if bound is None:
        return None
    if type(bound) is not ast.Call:
        return set()
    called = _looked_up(vars(bound)["func"], target)
    if called is None:
        return None
    if foreign.is_class(called):
        return set()
    home = called.__globals__ if type(called) is types.FunctionType else {}
    return {part.partition(".")[0] for part in (foreign.module_name(home), foreign.class_module(type(value)))}


def _assigned(body: Sequence[ast.stmt], name: str) -> ast.AST | None:
    """The last expression that a module's source assigns to a name outside of functions; `None` if there is none."""
    found = None
    for node in body:
        parts = vars(node)
        if type(node) is ast.Assign:
            targets = parts["targets"]
        elif type(node) is ast.AnnAssign and parts["value"] is not None:
            targets = [parts["target"]]
        else:
            continue
        if any(type(one) is ast.Name and vars(one)["id"] == name for one in targets):
            found = parts["value"]
    return found


def _looked_up(expression: ast.AST, namespace: dict[str, Any]) -> Any:
    """The value of a name, or of an attribute of a module, in a namespace; `None` if it is not known."""
    names = []
    while type(expression) is ast.Attribute:
        names.append(vars(expression)["attr"])
        expression = vars(expression)["value"]
    if type(expression) is not ast.Name:
        return None
    first = vars(expression)["id"]
    found = dict.get(namespace, first, vars(builtins).get(first))
    for name in reversed(names):
        inner = foreign.module_dict(found) if foreign.is_module(found) else None
        found = dict.get(inner, name) if inner is not None else None
    return found


def _bound_by(path: tuple[Any, ...]) -> tuple[dict[str, Any] | None, str | None]:
    """The namespace of the module that has a name for the last object of a path, and that name."""
    owner = path[-3] if len(path) > 2 and type(path[-2]) is dict else path[-2]
    names = path[-2] if type(path[-2]) is dict else {}
    key = next((k for k, value in dict.items(names) if value is path[-1] and type(k) is str), None)
    if type(owner) is types.FunctionType:
        return owner.__globals__, key
    if foreign.is_class(owner):
        return foreign.namespace(foreign.class_module(owner)), key
    return foreign.module_dict(owner), key


class _Words:
    """The names and texts in the source of a module."""

    def __init__(self) -> None:
        self.named: set[str] = set()
        """Names, attributes, imports and texts, split at dots."""
        self.stored: set[str] = set()
        """Attributes that it sets, and texts, with which `setattr` may set some."""


def _words(namespace: dict[str, Any]) -> _Words:
    words = _Words()
    for statement in sources.statements(foreign.text(dict.get(namespace, "__file__"))):
        for node in ast.walk(statement):
            kind, parts = type(node), vars(node)
            if kind is ast.Attribute:
                words.named.add(parts["attr"])
                if type(parts["ctx"]) is ast.Store:
                    words.stored.add(parts["attr"])
            elif kind is ast.Constant and type(parts["value"]) is str:
                words.named.update(parts["value"].split("."))
                words.stored.add(parts["value"])
            elif kind is ast.Name:
                words.named.add(parts["id"])
            elif kind is ast.alias:
                words.named.update(parts["name"].split("."))
            elif kind is ast.ImportFrom:
                words.named.update((parts["module"] or "").split("."))
    return words
