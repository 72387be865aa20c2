"""Find the line of a reference that was made once: no further round makes it again, but the source shows the binding.

Only a statement that can have bound an object of the target counts: an import, a definition, or an assignment of
anything but a constant. If there are several such lines, all are reported; more than a few would explain nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from pytest_reloadleak.heap import foreign, references, sources
from pytest_reloadleak.holders.retention import Place, Stack
from pytest_reloadleak.watchpoints.stacks import Ranks

_MOST = 3
"""Lines of one reference that are reported."""
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Name(NamedTuple):
    """The place of a reference in a module, as its source spells it."""

    file: str
    classes: tuple[str, ...]
    """The classes around the name."""
    name: str
    key: str | int | None = None
    """The key, for an entry of the dict with that name."""
    is_inside: bool = False
    """Whether the object of the target is inside the object that the name is bound to."""


def name_of(path: tuple[Any, ...]) -> Name | None:
    """The name through which a path leads to an old object; `None` if it does not begin at a module's name.

    Args:
        path: the objects from a module to the old one.
    """
    if not foreign.is_module(path[0]):
        return None
    file = foreign.text(dict.get(foreign.module_dict(path[0]) or {}, "__file__"))
    names: list[str] = []
    key: str | int | None = None
    steps = references.folded(path)
    for parent, step, child in steps:
        if step.startswith(".") and (foreign.is_module(parent) or foreign.is_class(parent)):
            names.append(step[1:])
        else:
            if type(parent) is dict:
                key = next((k for k, v in dict.items(parent) if v is child and type(k) in (str, int)), None)
            break
    if not names or not file:
        return None
    return Name(file, tuple(names[:-1]), names[-1], key, is_inside=len(names) < len(steps))


def lines(name: Name, files: Iterable[str], ranks: Ranks) -> tuple[Stack, ...]:
    """The lines of first-party source that may have bound a name to an object of the target.

    Args:
        name: the name.
        files: the target's source files, which may set an attribute of another module.
        ranks: which files are first-party.
    """
    found: dict[Place, None] = {}
    for file in dict.fromkeys((name.file, *files)):
        rank = ranks.of_file(file, is_target=file in files)
        if rank is None:
            continue
        for line, function in _binding(file, name, is_home=file == name.file):
            found[Place(file, line, function, rank)] = None
    return tuple((place,) for place in found) if len(found) <= _MOST else ()


def _binding(file: str, name: Name, *, is_home: bool) -> Iterator[tuple[int, str]]:
    """Line and function of each statement of a file that binds a name."""
    lines = sources.lines_with(file, name.name, "*")  # `import *` binds what it does not spell
    for node, function, classes in _statements(sources.statements(file), lines, "<module>", ()):
        if name.key is not None:
            if _sets_key(node, name) or (is_home and classes == name.classes and _displays_key(node, name)):
                yield node.lineno, function
        elif name.is_inside and _is_empty(_assigned(node)[1]):
            continue  # other code filled it
        elif _sets_attribute(node, name.name) or (
            is_home and classes == name.classes and _binds(node, name.name)
        ):
            yield node.lineno, function


def _statements(
    body: Iterable[ast.AST], lines: list[int], function: str, classes: tuple[str, ...]
) -> Iterator[tuple[ast.stmt, str, tuple[str, ...]]]:
    """Every statement that covers some lines, with the function and the classes around it."""
    for node in body:
        if not sources.is_near(node, lines):
            continue
        within, around = function, classes
        if isinstance(node, ast.stmt):
            yield node, function, classes
            if isinstance(node, _FUNCTIONS):
                within, around = node.name, ("", *classes)
            elif isinstance(node, ast.ClassDef):
                around = (*classes, node.name)
        if isinstance(node, (ast.stmt, ast.excepthandler, ast.match_case)):
            inner = (n for n in ast.iter_child_nodes(node) if not isinstance(n, ast.expr))
            yield from _statements(inner, lines, within, around)


def _binds(node: ast.stmt, name: str) -> bool:
    """Whether a statement binds a name to anything but a constant."""
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        bound = [alias.asname or alias.name.partition(".")[0] for alias in node.names]
        return name in bound or "*" in bound
    if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
        return node.name == name
    targets, value = _assigned(node)
    return value is not None and any(
        isinstance(part, ast.Name) and part.id == name for target in targets for part in ast.walk(target)
    )


def _assigned(node: ast.stmt) -> tuple[list[ast.expr], ast.expr | None]:
    """The targets and the value of an assignment; no value if that is a constant."""
    targets = node.targets if isinstance(node, ast.Assign) else []
    if isinstance(node, (ast.AnnAssign, ast.AugAssign)):
        targets = [node.target]
    value = node.value if isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)) else None
    return targets, None if isinstance(value, ast.Constant) else value


def _is_empty(value: ast.expr | None) -> bool:
    """Whether an expression makes a container or an instance without contents: `[]`, `Bus()`.

    A callee whose name is spelled as a class makes an instance; a function may return anything.
    """
    match value:
        case ast.Constant() | ast.List(elts=[]) | ast.Tuple(elts=[]) | ast.Dict(keys=[]):
            return True
        case ast.Call(func=ast.Name() | ast.Attribute() as func, args=args, keywords=keywords):
            name = _last_name(func)
            given = [*args, *(keyword.value for keyword in keywords)]
            if name == "defaultdict":  # its first argument makes the values
                given = given[1:]
            return (name in _CONTAINERS or name[:1].isupper()) and all(map(_is_empty, given))
    return False


_CONTAINERS = frozenset({"defaultdict", "deque", "dict", "frozenset", "list", "set", "tuple"})


def _sets_attribute(node: ast.stmt, name: str) -> bool:
    """Whether a statement sets an attribute of this name on any object but `self`, which is an instance."""
    targets, value = _assigned(node)
    if value is not None and any(
        isinstance(part, ast.Attribute)
        and part.attr == name
        and isinstance(part.ctx, ast.Store)
        and not _is_self(part.value)
        for target in targets
        for part in ast.walk(target)
    ):
        return True
    return any(
        isinstance(call.func, ast.Name)
        and call.func.id == "setattr"
        and not any(map(_is_self, call.args[:1]))
        and any(isinstance(argument, ast.Constant) and argument.value == name for argument in call.args)
        for call in _calls(node)
    )


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def _sets_key(node: ast.stmt, name: Name) -> bool:
    """Whether a statement sets the entry of a dict of this name."""
    targets, value = _assigned(node)
    if value is not None and any(
        isinstance(target, ast.Subscript)
        and _last_name(target.value) == name.name
        and isinstance(target.slice, ast.Constant)
        and target.slice.value == name.key
        for target in targets
    ):
        return True
    return any(
        isinstance(call.func, ast.Attribute)
        and call.func.attr in {"setdefault", "update", "__setitem__"}
        and _last_name(call.func.value) == name.name
        and any(isinstance(part, ast.Constant) and part.value == name.key for part in ast.walk(call))
        for call in _calls(node)
    )


def _displays_key(node: ast.stmt, name: Name) -> bool:
    """Whether a statement binds the name to a dict that is written out with the key."""
    targets, value = _assigned(node)
    if not any(isinstance(target, ast.Name) and target.id == name.name for target in targets):
        return False
    match value:
        case ast.Dict(keys=keys):
            return any(isinstance(key, ast.Constant) and key.value == name.key for key in keys)
        case ast.Call(func=ast.Name(id="dict"), keywords=keywords):
            return any(keyword.arg == name.key for keyword in keywords)
    return False


def _calls(node: ast.stmt) -> Iterator[ast.Call]:
    """The calls of a simple statement."""
    if isinstance(node, (ast.Expr, ast.Assign, ast.AnnAssign, ast.Return)):
        yield from (part for part in ast.walk(node) if isinstance(part, ast.Call))


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
