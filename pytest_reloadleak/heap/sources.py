"""Parse Python source without a word: its import has already given the warnings that it deserves."""

from __future__ import annotations

import ast
import tokenize
import warnings

_open = tokenize.open
"""A private copy, as the target may patch what it likes."""


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
