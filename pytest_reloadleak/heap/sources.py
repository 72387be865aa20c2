"""Parse Python source without warnings: the import of the source has already given them."""

from __future__ import annotations

import ast
import tokenize
import types
import warnings
from collections.abc import Iterator

_open = tokenize.open
"""A private copy, since the target may patch the original."""


def parsed(source: str) -> ast.Module:
    """The syntax tree of a source.

    Raises:
        SyntaxError: it is no Python source.
        ValueError: it contains null bytes.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source)


def statements(file: str) -> list[ast.stmt]:
    """The top-level statements of a source file; empty for a file that is gone, unreadable or no source."""
    if not file.endswith(".py"):
        return []
    try:
        with _open(file) as source:
            return parsed(source.read()).body
    except Exception:  # noqa: BLE001 - a codec of the program's own may raise anything
        return []


def compares_with_none(code: types.CodeType) -> bool:
    """Whether a function compares something with `None`, as a loop over a queue does that ends at the item `None`."""
    compared = [part for node in _body(code) if type(node) is ast.Compare for part in node.comparators]
    return any(type(part) is ast.Constant and part.value is None for part in compared)


def switched(code: types.CodeType) -> set[str]:
    """The names and attributes whose `set` or `clear` a function calls, as for an event that somebody waits for."""
    called = [node.func for node in _body(code) if type(node) is ast.Call]
    owners = [f.value for f in called if type(f) is ast.Attribute and f.attr in ("set", "clear")]
    return {part.attr if type(part) is ast.Attribute else part.id for part in owners if type(part) in _NAMED}  # type: ignore[attr-defined]  # they have it


_NAMED = (ast.Name, ast.Attribute)


def flags(code: types.CodeType) -> dict[str, bool]:
    """The names and attributes that end a loop of a function, each with the value that ends it.

    Examples are `while self.is_running`, and `if stopped: break` in a loop.
    """
    found = {}
    for test, ends in _tests(code):
        if type(test) is ast.Attribute and type(test.value) is ast.Name:
            found[test.attr] = ends
        elif type(test) is ast.Name:
            found[test.id] = ends
    return found


def _tests(code: types.CodeType) -> Iterator[tuple[ast.expr, bool]]:
    """The conditions of a function's loops, each with the result that ends the loop."""
    for loop in _body(code):
        if type(loop) is ast.While:
            yield _without_not(loop.test, ends=False)
        if type(loop) in (ast.While, ast.For):
            for node in ast.walk(loop):
                if type(node) is ast.If and type(node.body[-1]) in (ast.Break, ast.Return):
                    yield _without_not(node.test, ends=True)


def _without_not(test: ast.expr, *, ends: bool) -> tuple[ast.expr, bool]:
    """A condition without its `not`, and the result that then ends the loop."""
    if type(test) is ast.UnaryOp and type(test.op) is ast.Not:
        return test.operand, not ends
    return test, ends


def _body(code: types.CodeType) -> Iterator[ast.AST]:
    """The syntax nodes of a function's definition."""
    for node in ast.walk(ast.Module(statements(code.co_filename), type_ignores=[])):
        if type(node) in (ast.FunctionDef, ast.AsyncFunctionDef) and node.name == code.co_name:  # type: ignore[attr-defined]  # both have it
            decorators: list[ast.expr] = node.decorator_list  # type: ignore[attr-defined]  # as above
            first = min([node.lineno, *(decorator.lineno for decorator in decorators)])  # type: ignore[attr-defined]  # as above
            if first == code.co_firstlineno:
                yield from ast.walk(node)
