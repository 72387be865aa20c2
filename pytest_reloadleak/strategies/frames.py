"""Messages between a check and the worker of a generation: pickles, each with its length before it."""

from __future__ import annotations

import pickle
import struct
from typing import IO, Any

_LENGTH = struct.Struct("!Q")


def send(stream: IO[bytes], message: Any) -> None:
    """Write one message. Raises what pickling it raises before a byte is written."""
    content = pickle.dumps(message)
    stream.write(_LENGTH.pack(len(content)) + content)
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """Read one message.

    Raises:
        EOFError: the other side has ended.
    """
    head = _exactly(stream, _LENGTH.size)
    return pickle.loads(_exactly(stream, _LENGTH.unpack(head)[0]))  # noqa: S301 - from our own process


def _exactly(stream: IO[bytes], count: int) -> bytes:
    content = b""
    while len(content) < count:
        more = stream.read(count - len(content))
        if not more:
            raise EOFError
        content += more
    return content
