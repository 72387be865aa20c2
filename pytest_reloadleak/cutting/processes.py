"""Close descriptors, and end child processes."""

from __future__ import annotations

import io
import os
import signal
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from pytest_reloadleak.cutting.cut import CannotCutError
from pytest_reloadleak.heap import foreign

_PATIENCE_S = 1.0
"""Seconds that a killed process may take to end."""
_PAUSE_S = 0.005

_close, _fstat, _kill, _waitpid = os.close, os.fstat, os.kill, os.waitpid
_NO_HANG: int = vars(os).get("WNOHANG", 0)  # not on Windows
_sleep, _now_s = time.sleep, time.monotonic


def close(number: int, owners: list[weakref.ref[Any]]) -> None:
    """Close a descriptor, through the object that owns it if there is one.

    Args:
        number: the descriptor's number.
        owners: objects that own it.

    Raises:
        CannotCutError: it stays open.
    """
    for owner in owners:
        o = owner()
        for method in _closing(o) if o is not None else ():
            with suppress(Exception):  # its buffer may fail to flush; the descriptor is closed below
                method(o)
    if _is_open(number):
        _close(number)
    if _is_open(number):
        raise CannotCutError(f"descriptor {number} stays open")


def _is_open(number: int) -> bool:
    try:
        _fstat(number)
    except OSError:
        return False
    return True


def _closing(o: Any) -> Iterator[Callable[[Any], object]]:
    """The functions in C that close an object; a subclass may define a `close` that does something else."""
    for cls in (io.TextIOWrapper, io.BufferedRandom, io.BufferedReader, io.BufferedWriter, io.FileIO):
        if issubclass(type(o), cls):
            yield cls.close
            return
    sockets: Any = foreign.namespace("_socket").get("socket")
    if foreign.is_class(sockets) and issubclass(type(o), sockets):
        yield sockets.close


def end(pid: int) -> None:
    """End a process and wait for it.

    Raises:
        CannotCutError: it goes on.
    """
    with suppress(ProcessLookupError):
        _kill(pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    deadline = _now_s() + _PATIENCE_S
    while _now_s() < deadline:
        try:
            if _waitpid(pid, _NO_HANG)[0] == pid:
                return
        except ChildProcessError:  # a process that another one started
            if not _is_there(pid):
                return
        _sleep(_PAUSE_S)
    raise CannotCutError(f"process {pid} goes on after it was killed")


def _is_there(pid: int) -> bool:
    try:
        _kill(pid, 0)
    except OSError:
        return False
    return True
