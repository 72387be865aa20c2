"""Start the process of one generation, exchange messages with it, and end it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from pytest_reloadleak.errors import TargetError
from pytest_reloadleak.strategies.dispose import HOOK
from pytest_reloadleak.strategies.workers import interpreter, messages
from pytest_reloadleak.tether import Tether


class Process:
    """One worker, as the check sees it.

    Args:
        job: its instructions.
        folder: the folder for its temporary files.
        file: the file to which this class writes the instructions.
    """

    def __init__(self, job: dict[str, Any], folder: Path, file: Path) -> None:
        variables = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))
        self._lost = ""
        """Why it accepts no more requests; empty as long as it does."""
        self.was_slow = False
        # Only a worker that waits for a request notices their end: a target in an endless loop would outlive a killed
        # pytest.
        self._tether = Tether()
        try:
            file.write_text(json.dumps({**job, "tether": self._tether.descriptor}), encoding="utf-8")
            self._popen = subprocess.Popen(  # noqa: S603 - our own interpreter with our own code
                interpreter.command(str(file)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, **variables},
                pass_fds=(self._tether.descriptor,) if os.name == "posix" else (),
            )
        except BaseException:
            self._tether.close()
            raise
        self._tether.hold(self._popen.pid)

    def request(self, *message: Any) -> tuple[bool, Any]:
        """Send a message and wait for the answer: whether it succeeded, and the result.

        Raises:
            TargetError: the worker has ended.
        """
        __tracebackhide__ = True
        if not self._lost:
            self._lost = "the worker was ended because a request was interrupted before its answer came"
            try:
                return self._exchanged(message)
            except (EOFError, BrokenPipeError):
                self._lost = f"the worker {self._how_it_ended()} before it answered"
        raise TargetError(self._lost)

    def _exchanged(self, message: Any) -> tuple[bool, Any]:
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        messages.send(self._popen.stdin, message)
        is_good, content = messages.receive(self._popen.stdout)
        self._lost = ""
        return is_good, content

    def _how_it_ended(self) -> str:
        status = self._popen.wait()
        if status >= 0:
            return f"exited with status {status}"
        try:
            return f"was killed by {signal.Signals(-status).name}"
        except ValueError:
            return f"was killed by signal {-status}"

    def stop(self, patience_s: float) -> dict[str, Any]:
        """Let it dispose and end. Returns its last answer."""
        said: dict[str, Any] = {"data": {}, "errors": [], "segments": [], "threads": []}
        try:
            said = self.request("end")[1]
            self._popen.wait(patience_s)
        except TargetError as error:
            said["errors"].append(str(error))
        except subprocess.TimeoutExpired:
            self.was_slow = True
            said["errors"].append(_slow(patience_s, said["threads"]))
        finally:
            self.kill()
        return said

    def kill(self) -> None:
        """End it at once, if it has not ended."""
        self._popen.kill()
        self._popen.wait()
        for stream in (self._popen.stdin, self._popen.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):  # closing tries to send the rest
                    stream.close()
        self._tether.close()


def _slow(patience_s: float, threads: list[str]) -> str:
    if not threads:
        why = "look for an exit hook (atexit) that waits"
    else:
        named = ", ".join(map(repr, threads))
        why = f"it waited for the non-daemon {'thread' if len(threads) == 1 else 'threads'} {named}; stop "
        why += f"{'it' if len(threads) == 1 else 'them'} in {HOOK}"
    return f"the worker did not end within {patience_s:g} s and was killed: {why}"
