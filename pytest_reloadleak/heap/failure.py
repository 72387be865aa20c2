"""Turn an exception of the target's code into text: its traceback would keep the half-built generation alive."""

from __future__ import annotations

import importlib
import os
import sysconfig
import traceback
from typing import cast

from pytest_reloadleak.heap import foreign
from pytest_reloadleak.heap.own_objects import PACKAGE

_IMPORTLIB = importlib.__file__
_SYNTAX_ERRORS = (SyntaxError, IndentationError, TabError)


def is_library(filename: str) -> bool:
    """Whether a file belongs to Python or to an installed package."""
    libraries = {sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return filename.startswith(tuple(libraries)) or "site-packages" in filename


def failure_text(error: BaseException) -> str:
    """Type and text of an exception and the user's own frames, innermost last, in one line."""
    summary = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(("<frozen", PACKAGE))
    ]
    mine = [frame for frame in summary if not is_library(frame.filename)]
    mine = mine or [frame for frame in summary if frame.filename != _IMPORTLIB]
    places = [f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in mine]
    if type(error) in _SYNTAX_ERRORS:  # no frame is in the file that does not compile
        syntax = cast("SyntaxError", error)
        # A program may raise a `SyntaxError` with any values.
        if type(syntax.filename) is str and type(syntax.lineno) is int:
            places.append(f"{syntax.filename}:{syntax.lineno}")
    where = f" ({', '.join(places)})" if places else ""
    return f"{foreign.exception_text(error)}{where}"
