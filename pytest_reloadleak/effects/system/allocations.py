"""Which line of the program allocated something: `tracemalloc`, switched on for a few rounds, and off again."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from pytest_reloadleak.heap.own_objects import PACKAGE
from pytest_reloadleak.holders.container_growth import Frames

FRAMES = 16
"""How many frames of an allocation are kept: a target's own lies below those of what it calls and of the import."""

# The module around it imports pickle, which no program needs for us.
_c: Any = importlib.import_module("_tracemalloc")
_start, _stop, _is_tracing, _frames_of = _c.start, _c.stop, _c.is_tracing, _c._get_object_traceback
_MACHINERY = (PACKAGE, "<frozen importlib", str(importlib.__file__))


@contextmanager
def tracing() -> Iterator[None]:
    """Trace allocations within the block. A program that traces its own goes on doing so.

    Before 3.13 nothing is traced where the program has sub-interpreters: as soon as one is made or destroyed meanwhile,
    the process hangs (3.10, 3.11) or is aborted for an invalid pointer (3.12.1); `tracemalloc` alone does it.
    """
    is_safe = sys.version_info >= (3, 13) or "_xxsubinterpreters" not in sys.modules
    is_ours = is_safe and not _is_tracing()
    if is_ours:
        _start(FRAMES)
    try:
        yield
    finally:
        if is_ours:
            _stop()


def frames_of(objects: Iterable[object]) -> Frames:
    """Where the first of some objects that was traced was allocated: innermost frame first; empty if none was.

    One that was made from a free list of the interpreter's is not traced.
    """
    for o in objects:
        found = _frames_of(o)
        if found is not None:
            return tuple((file, line) for file, line in found if not file.startswith(_MACHINERY))
    return ()
