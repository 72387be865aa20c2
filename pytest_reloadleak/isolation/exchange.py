"""Provide the files through which a parent and its worker communicate: nameless files if the system has them.

A worker opens the parent's descriptor by its path below `/proc`. So nothing is left if the parent is killed, a full or
emptied temporary folder costs no verdict, and a target that closes or writes every descriptor of its own process cannot
damage the answer. On other systems the files are in a temporary folder.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import BinaryIO

_SAID = 40
"""The largest number of characters of a worker's progress message."""
_OUTPUT_BYTES = 64 * 1024
"""Number of bytes at the end of the output that are read: a target may print any amount."""


class Exchange:
    """The files of one worker: `job`, `early`, `result` and `progress` by path, and `output` as a stream.

    Raises:
        OSError: a file cannot be made: the disk is full, or this process may open no more files.
    """

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._folder: Path | None = None
        try:
            self.job = self._file("job")
            self.result = self._file("result")
            self.early = self._file("early")
            self.progress = self._file("progress")
            self.output: BinaryIO = self._stack.enter_context(_output())
        except BaseException:
            self._stack.close()
            raise

    def close(self) -> None:
        """Remove the files."""
        self._stack.close()

    def _file(self, name: str) -> Path:
        path = self._nameless()
        if path is not None:
            return path
        if self._folder is None:
            folder = tempfile.TemporaryDirectory(prefix="reloadleak-", ignore_cleanup_errors=True)
            self._folder = Path(self._stack.enter_context(folder))
        return self._folder / name

    def _nameless(self) -> Path | None:
        """The path of a new file in memory; `None` if the system or a sandbox has none."""
        try:
            descriptor = os.memfd_create("reloadleak")
        except (AttributeError, OSError):  # not Linux, or a filter of system calls
            return None
        self._stack.callback(os.close, descriptor)
        path = Path(f"/proc/{os.getpid()}/fd/{descriptor}")
        return path if os.access(path, os.R_OK | os.W_OK) else None

    def answer(self, *, is_early: bool) -> bytes:
        """The result that the worker wrote; empty if it wrote none.

        Args:
            is_early: whether to read the result that it wrote before the trial removals, which may have ended it.
        """
        try:
            return (self.early if is_early else self.result).read_bytes()
        except OSError:
            return b""

    def said(self) -> str:
        """The last round and phase of which the worker informed; empty if it has not begun."""
        try:
            return self.progress.read_text("utf-8", "replace")[:_SAID]
        except OSError:
            return ""

    def printed(self) -> str:
        """The end of the output of the worker and its children."""
        omitted = max(self.output.seek(0, os.SEEK_END) - _OUTPUT_BYTES, 0)
        self.output.seek(omitted)
        data = self.output.read(_OUTPUT_BYTES)
        cut = f"... {omitted} earlier bytes are omitted\n" if omitted else ""
        return cut + data.decode("utf-8", "replace")


def _output() -> BinaryIO:
    """A nameless file for the worker's output: on the disk, since a target may print any amount, else in memory."""
    try:
        return tempfile.TemporaryFile()
    except OSError:
        if not hasattr(os, "memfd_create"):
            raise
        return open(os.memfd_create("reloadleak"), "w+b")
