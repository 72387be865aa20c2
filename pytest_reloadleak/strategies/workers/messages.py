"""Exchange messages between a check and the worker of a generation: pickles, each with its length before it.

A message itself consists of plain values, so it can always be read. The user's objects travel in it as separate
pickles: an object that cannot be passed causes one clear error, and the next message can still be read.

Rejected: `multiprocessing.connection`, which does the same. Each worker would import it, and a target that uses
`multiprocessing` would be loaded into a process unlike that of its program.
"""

from __future__ import annotations

import io
import pickle
import struct
from collections.abc import Callable
from typing import IO, Any

from pytest_reloadleak.errors import TargetError
from pytest_reloadleak.heap import foreign

_LENGTH = struct.Struct("!Q")


def send(stream: IO[bytes], message: Any) -> None:
    """Write one message."""
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


def pack(value: object, what: str) -> bytes:
    """Pickle an object of the user's for a message.

    Args:
        value: the object.
        what: its name in the error.

    Raises:
        TargetError: it cannot be pickled.
    """
    __tracebackhide__ = True
    try:
        return pickle.dumps(value)
    except Exception as error:  # noqa: BLE001 - objects pickle themselves, and may raise anything
        reason = foreign.exception_text(error)
    raise TargetError(_refusal(what, reason))


def unpack(content: bytes, what: str, is_missing: Callable[[str], bool]) -> Any:
    """The object that was packed.

    Args:
        content: what `pack` returned.
        what: its name in the error.
        is_missing: whether a module of this name is not loaded, and must not be imported for the object.

    Raises:
        TargetError: it cannot be created here.
    """
    __tracebackhide__ = True
    try:
        return _Unpickler(content, is_missing).load()
    except _MissingError as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001 - as above
        reason = foreign.exception_text(error)
    raise TargetError(_refusal(what, reason))


def _refusal(what: str, reason: str) -> str:
    return f"{what} cannot pass between processes (strategy worker): {reason}; use plain values"


class _MissingError(Exception):
    """An object needs a module that must not be imported."""


class _Unpickler(pickle.Unpickler):
    """Imports no module of the target: a module that is not loaded on this side must not be loaded."""

    def __init__(self, content: bytes, is_missing: Callable[[str], bool]) -> None:
        super().__init__(io.BytesIO(content))
        self._is_missing = is_missing

    def find_class(self, module: str, name: str) -> Any:
        """The class or function that a pickle names."""
        if self._is_missing(module):
            raise _MissingError(f"{module}.{name} belongs to the target, which the receiver has not loaded")
        return super().find_class(module, name)


def _exactly(stream: IO[bytes], count: int) -> bytes:
    content = bytearray()
    while len(content) < count:
        more = stream.read(count - len(content))
        if not more:
            raise EOFError
        content += more
    return bytes(content)
