"""Name the places of a stack as `path:line`, which terminals and editors link."""

from __future__ import annotations

import os
import types

from pytest_reloadleak.heap import foreign
from pytest_reloadleak.heap.failure import is_library


def at(frame: types.FrameType) -> str:
    """Where a frame is: `at path:line in function`."""
    file, _ = foreign.code_location(frame.f_code)
    return f"at {path(file)}:{frame.f_lineno} in {foreign.code_text(frame.f_code)}"


def path(file: str) -> str:
    """A file as seen from the working directory; the whole path elsewhere, and the name alone of a library's.

    Args:
        file: the file as the code has it.
    """
    if is_library(file):
        return os.path.basename(file)
    try:
        below = os.getcwd() + os.sep
    except OSError:  # the target has removed it
        return file
    return file.removeprefix(below)
