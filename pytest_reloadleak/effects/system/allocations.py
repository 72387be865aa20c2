"""Find the line of the program that allocated an object: with `tracemalloc`, switched on for a few rounds only."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from pytest_reloadleak.heap.own_objects import PACKAGE
from pytest_reloadleak.holders.container_growth import Frames

FRAMES = 16
"""Frames to keep for each allocation. The target's own lie below those of what it calls and of the import."""

# Its wrapper `tracemalloc` imports pickle, which a check should not load into the program.
_c: Any = importlib.import_module("_tracemalloc")
_start, _stop, _is_tracing = _c.start, _c.stop, _c.is_tracing
_frames_of, _traces = _c._get_object_traceback, _c._get_traces
MACHINERY = (PACKAGE, "<frozen importlib", str(importlib.__file__))


@contextmanager
def tracing() -> Iterator[None]:
    """Trace allocations within the block. A program that already traces continues to do so.

    Before 3.13, trace nothing if the program has sub-interpreters: creating or destroying one meanwhile hangs the
    process (3.10, 3.11) or aborts it with an invalid pointer (3.12.1). `tracemalloc` alone is enough to cause this.
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
    """Where the first traced object was allocated, innermost frame first; `()` if none. Free lists are not traced."""
    for o in objects:
        found = _frames_of(o)
        if found is not None:
            return tuple((file, line) for file, line in found if not file.startswith(MACHINERY))
    return ()


def traces() -> Iterator[tuple[int, Frames]]:
    """Size and frames, innermost first, of each live allocation of Python's that was traced; none if nothing traces."""
    for domain, size, frames, *_ in _traces():
        if domain == 0:
            yield size, frames
