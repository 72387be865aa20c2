"""Serve workers: an interpreter that has imported the tool, and nothing of any target, forks one for each check.

Otherwise most of a short check would be the start of an interpreter and these imports. The server has one thread and
executes no code of the project. It imports what every check imports before its target and no more, so that a target
finds the modules of a fresh interpreter. It runs one worker at a time and ends with its parent.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import sys
from typing import Any

from pytest_reloadleak.effects.system import orphans
from pytest_reloadleak.effects.system.process_numbers import prepare
from pytest_reloadleak.holders import patches
from pytest_reloadleak.isolation import inside
from pytest_reloadleak.isolation.words import CANNOT_START, ENDED, READY, REFUSED, STARTED, UNFIT
from pytest_reloadleak.tether import signal_at_end

_ENVIRON = 50
"""Number, counted from 1, of the field of `/proc/self/stat` with the address of the program's first environment."""
_WAKING = (signal.SIGCHLD, signal.SIGIO)


def main(job: dict[str, Any]) -> None:
    """Serve until the parent ends; in each worker, check the target, and exit.

    Args:
        job: `requests` and `replies`, descriptors of pipes from and to the parent, and `mark` as for `orphans`.
    """
    requests, replies, mark = job["requests"], job["replies"], job["mark"]
    for descriptor in (requests, replies):
        os.set_inheritable(descriptor, False)
    prepare()
    patches.note_early()
    why = _unfit(mark)
    _reply(replies, UNFIT, why) if why else _reply(replies, READY)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _WAKING)
    asked = _Requests(requests)
    while True:
        request = asked.next()
        try:
            worker = os.fork()
        except OSError as error:
            _reply(replies, REFUSED, error.strerror or str(error))
            continue
        if worker == 0:
            asked.close()
            os.close(replies)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            job.clear()  # the dict of a fresh interpreter's `__main__`
            try:
                job.update(_taken_over(request, mark))
            except BaseException:  # noqa: BLE001 - the parent starts a fresh interpreter
                os._exit(CANNOT_START)
            inside.main(job)
        _reply(replies, STARTED, str(worker))
        _reply(replies, ENDED, str(asked.wait_for(worker)))
        asked.next()  # `words.REAP`
        os.waitpid(worker, 0)


def _unfit(mark: str) -> str:
    """Why forks of this process would differ from fresh interpreters; empty if they would not."""
    if len(os.listdir("/proc/self/task")) > 1:
        return "another thread runs"
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:  # inherited: then the system does not report ends
        return "the end of a child process is ignored (SIGCHLD)"
    if "coverage" in sys.modules or sys.gettrace() is not None or sys.getprofile() is not None:
        return "lines are traced"
    try:
        _write_mark(mark, mark)
    except (OSError, ValueError) as error:
        return f"its environment cannot be written: {error}"
    return ""


def _write_mark(old: str, new: str) -> None:
    """Change the mark in the environment that the system shows of this process: `orphans` finds it by the mark.

    `os.environ` changes only what later programs get.
    """
    name = f"\0{orphans.VARIABLE}=".encode()
    with open("/proc/self/environ", "rb") as file:
        place = (b"\0" + file.read()).index(name + old.encode() + b"\0") + len(name) - 1
    with open("/proc/self/stat", "rb") as file:
        start = int(file.read().rpartition(b")")[2].split()[_ENVIRON - 3])
    memory = os.open("/proc/self/mem", os.O_WRONLY)
    try:
        os.pwrite(memory, new.encode(), start + place)
    finally:
        os.close(memory)


def _taken_over(path: str, mark: str) -> dict[str, Any]:
    """Make this fork like a fresh interpreter that was started for a job, and return the job."""
    server = os.getppid()
    with open(path, encoding="utf-8") as file:
        job: dict[str, Any] = json.load(file)
    os.setsid()
    _write_mark(mark, job["environment"][orphans.VARIABLE])
    for name, value in job["environment"].items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    output = os.open(job["output"], os.O_RDWR)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    # Opened by the parent's path, it signals the end of the parent and not that of the server.
    tether = os.open(job["tether_path"], os.O_RDONLY | os.O_NONBLOCK)
    moved = fcntl.fcntl(tether, fcntl.F_DUPFD_CLOEXEC, job["tether"])
    os.close(tether)
    job["tether"] = moved
    sys.path[:] = job["path"]
    sys.path_importer_cache.clear()  # what was listed before the target was written
    sys.orig_argv[-1] = path
    if os.getppid() != server:  # it has ended, and the parent may have looked for the mark in vain
        os._exit(CANNOT_START)
    return job


class _Requests:
    """The requests of the parent. A signal wakes this process when one arrives or the parent ends."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._rest = b""
        os.set_blocking(descriptor, False)
        # An open file can send one signal. The parent has chosen SIGCONT here, which continues a stopped server. A
        # running server waits for SIGIO, so the pipe is opened once more.
        self._again = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_NONBLOCK)
        signal_at_end(self._again, os.getpid(), signal.SIGIO)

    def close(self) -> None:
        """Close the pipe, in a fork."""
        os.close(self.descriptor)
        os.close(self._again)

    def next(self) -> str:
        """Wait for a request: the path of a job, or `words.REAP`. Ends this process if the parent has ended."""
        while b"\n" not in self._rest:
            if not self._read():
                os._exit(0)
            if b"\n" not in self._rest:
                signal.sigwait(_WAKING)
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()

    def wait_for(self, worker: int) -> int:
        """Wait for the end of a worker, and return its status as `subprocess` does. Its process id stays assigned.

        If the parent ends first, end the worker: after a target has closed all descriptors, it gets no signal.
        """
        while True:
            ended = os.waitid(os.P_PID, worker, os.WEXITED | os.WNOWAIT | os.WNOHANG)
            if ended is not None:
                return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
            signal.sigwait(_WAKING)
            if not self._read():
                os.kill(worker, signal.SIGKILL)  # its process group may not exist yet
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(worker, signal.SIGKILL)
                os._exit(0)

    def _read(self) -> bool:
        """Read the available requests. Returns whether the parent still runs."""
        try:
            found = os.read(self.descriptor, 4096)
        except BlockingIOError:
            return True
        self._rest += found
        return bool(found)


def _reply(replies: int, word: bytes, more: str = "") -> None:
    try:
        os.write(replies, b"%s %s\n" % (word, more.encode()))
    except BrokenPipeError:  # the parent has ended
        os._exit(0)
