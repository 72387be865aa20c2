"""A server that judges each module in a child of its own: as fresh as a new interpreter, and many times as quick.

Whoever judges (the tool, the oracle) imports once what it needs, then calls `serve`. Each request is answered by a
forked child that leads a session of its own, has an empty folder as its working directory, no standard input, and a
time limit; when it is over, whatever it left running is ended. `servers.py` is the other end, for the sweep.

Everything that is imported here is built in or refused as a target: a judge that had `json` bound to a name would be a
holder of `json` itself. For the same reason the messages are in the format of `marshal`.
"""

import marshal
import os
import signal
import sys
import time

TIMEOUT_S = 60.0
_PAUSE_S = 0.004
_LENGTH_BYTES = 8

# Private copies: a target may patch what it likes, and an answer must be written all the same.
_dumps = marshal.dumps
_open, _write, _close, _rename, _exit = os.open, os.write, os.close, os.replace, os._exit


def receive(file):
    """The next message of a binary file; `None` at its end."""
    head = file.read(_LENGTH_BYTES)
    return marshal.loads(file.read(int.from_bytes(head, "big"))) if len(head) == _LENGTH_BYTES else None


def packed(message):
    """A message as bytes."""
    content = marshal.dumps(message)
    return len(content).to_bytes(_LENGTH_BYTES, "big") + content


def serve(judge, folder):
    """Answer requests, which come on standard input, until there are no more.

    Args:
        judge: makes of a request an answer, both of plain values.
        folder: an empty folder for the children.
    """
    requests, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.close(nothing)
    sys.path[0] = ""  # as with `python -c`, so that no module of the judge's folder can be imported
    number = 0
    with open(requests, "rb", closefd=False) as incoming:
        while (request := receive(incoming)) is not None:
            number += 1
            content = packed(_answered(judge, request, f"{folder}/{number}", (requests, answers)))
            while content:
                content = content[os.write(answers, content) :]


def _answered(judge, request, folder, ours):
    os.mkdir(folder)
    os.mkdir(f"{folder}/cwd")
    pid = os.fork()
    if pid == 0:
        _child(judge, request, folder, ours)
    ended = _wait(pid, request.get("timeout_s", TIMEOUT_S))
    try:
        with open(f"{folder}/answer", "rb") as file:
            return marshal.load(file)  # a hang that comes after the answer does not matter
    except (OSError, EOFError, ValueError):
        return {"error": ended}


def _child(judge, request, folder, ours):
    status = 1
    try:
        os.setsid()
        for descriptor in ours:
            os.close(descriptor)
        os.chdir(f"{folder}/cwd")
        content = _judged(judge, request)
        descriptor = _open(f"{folder}/part", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        while content:
            content = content[_write(descriptor, content) :]
        _close(descriptor)
        _rename(f"{folder}/part", f"{folder}/answer")
        status = 0
    finally:
        _exit(status)


def _judged(judge, request):
    try:
        return _dumps(judge(request))
    except BaseException as error:
        return _dumps({"error": f"the judge raised {type(error).__name__}: {error}"[:300]})


def _wait(pid, timeout_s):
    """Wait for a child and end what is left of its session; returns how it ended."""
    deadline_s = time.monotonic() + timeout_s
    ended = None
    while ended is None and time.monotonic() < deadline_s:
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            time.sleep(_PAUSE_S)
    for end in (os.killpg, os.kill):  # it may not have come to lead a session
        try:
            end(pid, signal.SIGKILL)  # before it is reaped: as long as it is not, the number is its own
        except (ProcessLookupError, PermissionError):  # noqa: PERF203 - two of them
            continue
    _, status = os.waitpid(pid, 0)
    if ended is None:
        return f"timeout after {timeout_s:g} s"
    code = os.waitstatus_to_exitcode(status)
    return f"ended by signal {-code}" if code < 0 else f"exited with status {code}"
