"""Read how much a buffer in memory has, without exporting it: a program that appends meanwhile would get an error."""

from __future__ import annotations

import array
import io
from collections.abc import Callable
from typing import Any

from pytest_reloadleak.heap import foreign

_tell_bytes, _tell_text = io.BytesIO.tell, io.StringIO.tell
_array_length = array.array.__len__


def _written(tell: Callable[[Any], int]) -> Callable[[Any], int]:
    def position(o: Any) -> int:
        try:
            return tell(o)
        except ValueError:  # it is closed, and has nothing any more
            return 0

    return position


KINDS: dict[type, Callable[[Any], int]] = {
    bytearray: bytearray.__len__,
    array.array: lambda o: _array_length(o) * o.itemsize,
    io.BytesIO: _written(_tell_bytes),
    io.StringIO: _written(_tell_text),
}
"""What gives the bytes of a buffer by its type; of a stream, those before the position at which it goes on."""

UNTRACKED = foreign.type_ids(bytearray, array.array)
"""The buffers that the collector does not track, so that only a reference shows them."""


def size_bytes(o: object) -> int:
    """How many bytes a buffer has; 0 if `o` is none."""
    read = KINDS.get(type(o))
    return read(o) if read is not None else 0
