"""Parse Python source without warnings: the import of the source has already given them."""

from __future__ import annotations

import ast
import os
import tokenize
import types
import warnings
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from pytest_reloadleak.heap import foreign

_open, _stat = tokenize.open, os.stat
"""Private copies, since the target may patch the originals."""


def parsed(source: str) -> ast.Module:
    """The syntax tree of a source.

    Raises:
        SyntaxError: it is no Python source.
        ValueError: it contains null bytes.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source)


class _Source(NamedTuple):
    """A source file."""

    body: list[ast.stmt]
    lines: list[str]


def statements(file: str) -> list[ast.stmt]:
    """The top-level statements of a source file; empty for a file that is gone, unreadable or no source."""
    return _read(file).body


def lines_with(file: str, *words: str) -> list[int]:
    """The numbers, in order, of the lines of a source file in which any of some words may occur.

    Python normalizes the letters of names (PEP 3131), so a line with letters beyond ASCII may spell a word otherwise.
    """
    lines = enumerate(_read(file).lines, 1)
    return [n for n, line in lines if not line.isascii() or any(word in line for word in words)]


def is_near(node: ast.AST, lines: list[int]) -> bool:
    """Whether a syntax node covers any of some lines, which are in order; true for a node that has no position."""
    parts = vars(node)
    if "lineno" not in parts:
        return True
    decorators: list[ast.expr] = parts.get("decorator_list", [])
    first: int = min([parts["lineno"], *(decorator.lineno for decorator in decorators)])
    last: int = parts["end_lineno"]
    at = bisect_left(lines, first)
    return at < len(lines) and lines[at] <= last


def walk(file: str, word: str) -> Iterator[ast.AST]:
    """The syntax nodes of a source file that cover lines with a word, in the order of `ast.walk`.

    A check may look for a hundred names in one large module, so it must not visit all nodes for each of them.
    """
    lines = lines_with(file, word)
    waiting: deque[ast.AST] = deque(statements(file))
    while waiting:
        node = waiting.popleft()
        if is_near(node, lines):
            waiting.extend(ast.iter_child_nodes(node))
            yield node


def forget() -> None:
    """Drop the syntax trees, at the end of a check: each collection of the program would visit them."""
    _read_once.cache_clear()


def _read(file: str) -> _Source:
    """A file as it is now: a program is edited between its reloads."""
    if not file.endswith(".py"):
        return _Source([], [])
    try:
        found = _stat(file)
        return _read_once(file, found.st_mtime_ns, found.st_size)
    except Exception:  # noqa: BLE001 - a codec of the program's own may raise anything
        return _Source([], [])


@lru_cache(maxsize=64)
def _read_once(file: str, *_stamp: int) -> _Source:
    with _open(file) as source:
        text = source.read()
    return _Source(parsed(text).body, text.split("\n"))


class Calls(NamedTuple):
    """What a function's body calls."""

    functions: frozenset[str]
    """The names that it calls."""
    methods: frozenset[tuple[str, str]]
    """The method of each other call, after the name of its object; the name is empty for any other expression."""
    has_del: bool
    """Whether it deletes an item or attribute."""


def calls(code: types.CodeType) -> Calls | None:
    """What a function calls, by its source; `None` if there is no source."""
    nodes = list(_body(code))
    called = [node.func for node in nodes if type(node) is ast.Call]
    methods = [
        (f.value.id if type(f.value) is ast.Name else "", f.attr) for f in called if type(f) is ast.Attribute
    ]
    deleted = [part for node in nodes if type(node) is ast.Delete for part in node.targets]
    if not nodes:
        return None
    return Calls(
        functions=frozenset(f.id for f in called if type(f) is ast.Name),
        methods=frozenset(methods),
        has_del=any(type(part) is not ast.Name for part in deleted),
    )


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
    """The syntax nodes of a function's definition; those of the first one where a line has several lambdas."""
    is_lambda = foreign.code_text(code) == "<lambda>"
    for node in ast.walk(ast.Module(statements(foreign.code_location(code)[0]), type_ignores=[])):
        if is_lambda and type(node) is ast.Lambda and node.lineno == code.co_firstlineno:
            yield from ast.walk(node)
            return
        if type(node) in (ast.FunctionDef, ast.AsyncFunctionDef) and node.name == foreign.code_text(code):  # type: ignore[attr-defined]  # both have it
            decorators: list[ast.expr] = node.decorator_list  # type: ignore[attr-defined]  # as above
            first = min([node.lineno, *(decorator.lineno for decorator in decorators)])  # type: ignore[attr-defined]  # as above
            if first == code.co_firstlineno:
                yield from ast.walk(node)
