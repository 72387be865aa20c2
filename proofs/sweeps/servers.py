"""The sweep's end of a fork server."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from typing import Any

import forking


class Server:
    """A judge's process, started when it is first asked.

    Args:
        script: the judge's file, which is passed the folder for its children and then the arguments.
        arguments: what else it is passed.
    """

    def __init__(self, script: str, arguments: tuple[str, ...] = ()) -> None:
        self._script, self._arguments = script, arguments
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, **request: Any) -> dict[str, Any]:
        """The judge's answer; a server that is gone is an error, and the next question starts another."""
        process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(forking.packed(request))
            process.stdin.flush()
            answer = forking.receive(process.stdout)
        except BrokenPipeError:
            answer = None
        if answer is None:
            self.close()
            return {"error": "the server ended"}
        return dict(answer)

    def _start(self) -> subprocess.Popen[bytes]:
        self._folder = tempfile.TemporaryDirectory(prefix="sweep-", ignore_cleanup_errors=True)
        command = [sys.executable, self._script, "--serve", self._folder.name, *self._arguments]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self._process

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            process, self._process = self._process, None
            process.communicate()  # closes its input, upon which it ends
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None
