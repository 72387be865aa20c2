"""Name the places of a stack as `path:line`, which terminals and editors link."""

from __future__ import annotations

import os
import types

from pytest_reloadleak.heap import foreign
from pytest_reloadleak.heap.failure import is_library


def at(frame: types.FrameType) -> str:
    """The place of a frame as text: `at path:line in function`."""
    file, _ = foreign.code_location(frame.f_code)
    return f"at {path(file)}:{frame.f_lineno} in {foreign.code_text(frame.f_code)}"


def path(file: str) -> str:
    """The path of a file relative to the working directory if it lies below; otherwise the whole path.

    Args:
        file: the file as its code object names it. A library's file is returned by its name alone.
    """
    if is_library(file):
        return os.path.basename(file)
    try:
        below = os.getcwd() + os.sep
    except OSError:  # the target has removed it
        return file
    return file.removeprefix(below)
