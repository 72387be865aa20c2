"""A server that judges each module in a child of its own: as fresh as a new interpreter, and twenty times as quick.

Whoever judges (the tool, the oracle) imports once what it needs, then calls `serve`. Each request is answered by a
forked child that leads a session of its own, has an empty folder as its working directory, no standard input, and a
time limit; when it is over, whatever it left running is ended. `Server` is the other end, for the sweep.

This file imports nothing that the tool does not import anyway, and binds nothing of `__future__`: the modules that are
loaded when a target is checked must be the same for both judges, since they too may bind something of a target.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

TIMEOUT_S = 60.0
_PAUSE_S = 0.004

# Private copies: a target may patch what it likes, and an answer must be written all the same.
_encode = json.JSONEncoder().encode
_open, _write, _close, _rename, _exit = os.open, os.write, os.close, os.replace, os._exit


def serve(judge: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Answer requests, a line of JSON each on standard input, until there are no more."""
    requests, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.close(nothing)
    sys.path[0] = ""  # as `python -c` has it: the folder of the judge is nobody's business
    with os.fdopen(requests, encoding="utf-8", closefd=False) as lines:
        for line in lines:
            answer = _answer(judge, json.loads(line), (requests, answers))
            os.write(answers, _encode(answer).encode() + b"\n")


def _answer(
    judge: Callable[[dict[str, Any]], dict[str, Any]], request: dict[str, Any], ours: tuple[int, ...]
) -> dict[str, Any]:
    folder = tempfile.mkdtemp(prefix="sweep-")
    try:
        os.mkdir(os.path.join(folder, "cwd"))
        pid = os.fork()
        if pid == 0:
            _child(judge, request, folder, ours)
        ended = _wait(pid, request.get("timeout_s", TIMEOUT_S))
        try:
            with open(os.path.join(folder, "answer"), encoding="utf-8") as file:
                return dict(json.load(file))  # a hang that comes after the answer does not matter
        except (OSError, ValueError):
            return {"error": ended}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _child(
    judge: Callable[[dict[str, Any]], dict[str, Any]],
    request: dict[str, Any],
    folder: str,
    ours: tuple[int, ...],
) -> None:
    status = 1
    try:
        os.setsid()
        for descriptor in ours:
            os.close(descriptor)
        os.chdir(os.path.join(folder, "cwd"))
        content = _encode(judge(request)).encode()
        file = os.path.join(folder, "answer")
        descriptor = _open(f"{file}.part", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        while content:
            content = content[_write(descriptor, content) :]
        _close(descriptor)
        _rename(f"{file}.part", file)
        status = 0
    finally:
        _exit(status)


def _wait(pid: int, timeout_s: float) -> str:
    """Wait for a child and end what is left of its session; returns how it ended."""
    deadline_s = time.monotonic() + timeout_s
    ended = None
    while ended is None and time.monotonic() < deadline_s:
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            time.sleep(_PAUSE_S)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)  # before it is reaped: as long as it is not, the number is its own
    if ended is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)  # it may not have come to lead a session
    _, status = os.waitpid(pid, 0)
    if ended is None:
        return f"timeout after {timeout_s:g} s"
    code = os.waitstatus_to_exitcode(status)
    return f"ended by signal {-code}" if code < 0 else f"exited with status {code}"


class Server:
    """A judge's process, started when it is first asked.

    Args:
        script: the judge's file.
        arguments: what it is passed.
    """

    def __init__(self, script: str, arguments: tuple[str, ...] = ()) -> None:
        self._command = [sys.executable, script, *arguments]
        self._process: "subprocess.Popen[str] | None" = None

    def ask(self, **request: Any) -> dict[str, Any]:
        """The judge's answer; a server that is gone is an error, and the next question starts another."""
        if self._process is None:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(json.dumps(request) + "\n")
            stdin.flush()
            line = stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self.close()
            return {"error": "the server ended"}
        return dict(json.loads(line))

    def close(self) -> None:
        """End the process."""
        if self._process is None:
            return
        process, self._process = self._process, None
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.stdout.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
