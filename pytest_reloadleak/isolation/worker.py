"""Run one check in its own process, so that a crash, exit or hang of the target ends nothing else.

Parent and worker communicate through files, not pipes: a child that the target left running would inherit a pipe, and
the parent would wait for the pipe to close. Only the process that was started answers, and only if it ends well.
"""

from __future__ import annotations

import contextlib
import json
import marshal
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from pytest_reloadleak.effects.probe import Probe
from pytest_reloadleak.effects.system import orphans
from pytest_reloadleak.errors import UsageError
from pytest_reloadleak.isolation import measuring, stacks
from pytest_reloadleak.isolation.exchange import Exchange
from pytest_reloadleak.isolation.tether import CANNOT_ANSWER, Tether
from pytest_reloadleak.model import Report
from pytest_reloadleak.report import jsonfile
from pytest_reloadleak.settings import Settings
from pytest_reloadleak.strategies.workers import interpreter

_INSIDE = "pytest_reloadleak.isolation.inside"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a worker."""

    report: Report
    output: str
    """What the target printed; only its end if it is long."""


def run(
    target: str,
    settings: Settings,
    timeout_s: float,
    plugins: tuple[str, ...] = (),
    extra: Iterable[type[Probe]] = (),
) -> Outcome:
    """Check a target in a fresh interpreter with this one's `sys.path`, flags and working directory.

    Args:
        target: the target's name, not a glob.
        settings: how to check.
        timeout_s: seconds after which the worker is ended and the outcome is `error`.
        plugins: modules of pytest's plugins, which are refused as targets.
        extra: third-party probes, which the worker imports.

    Returns:
        The report; if the worker did not finish, its outcome is `error`, with the reason.
    """
    begun_s = time.perf_counter()
    try:
        exchange = Exchange()
    except OSError as error:
        why = f"the worker could not be started: no file for its job: {error.strerror or error}"
        return Outcome(_failed(target, settings, why, 0.0), "")
    try:
        content = {
            "path": interpreter.search_path(),
            "module": _INSIDE,
            "target": target,
            "settings": {name: getattr(settings, name) for name in Settings.__slots__},
            "plugins": plugins,
            "probes": [f"{probe.__module__}:{probe.__qualname__}" for probe in extra],
            "result": str(exchange.result),
            "early": str(exchange.early),
            "timeout_s": timeout_s,
            "coverage": measuring.configuration(),
        }
        ending = _started(exchange, content, timeout_s)
        answer = exchange.answer(is_early=False) if ending.is_answer else b""
        answer = answer or exchange.answer(is_early=True)
        text = exchange.printed()
        if ending.is_hang:
            text, place = stacks.of_hang(text)
            ending = ending._replace(
                reason=f"{ending.reason}, at {place}" if place is not None else ending.reason
            )
    finally:
        exchange.close()
    answered = _report(answer) if answer else ending.reason
    if isinstance(answered, str):
        return Outcome(_failed(target, settings, answered, time.perf_counter() - begun_s), text)
    return Outcome(answered, text)


class _Ending(NamedTuple):
    """How a worker ended. Only one that ended by itself has answered: a fork of it may have written as well."""

    reason: str
    """Why there is no report, unless there is one."""
    is_answer: bool = False
    is_hang: bool = False


def _started(exchange: Exchange, content: dict[str, Any], timeout_s: float) -> _Ending:
    """Start the worker and wait for its end."""
    try:
        tether = Tether()
    except OSError as error:
        return _Ending(f"the worker could not be started: {error.strerror or error}")
    try:
        exchange.job.write_text(json.dumps({**content, "tether": tether.descriptor}), encoding="utf-8")
        return _wait(exchange, tether, timeout_s)
    except OSError as error:
        return _Ending(f"the worker could not be started: {error.strerror or error}")
    finally:
        tether.close()


def _wait(exchange: Exchange, tether: Tether, timeout_s: float) -> _Ending:
    """Run the worker until it ends, or end it."""
    mark = orphans.token()
    started = orphans.Marked(mark)
    process = subprocess.Popen(  # noqa: S603 - our own interpreter with our own code
        interpreter.command(str(exchange.job)),
        stdin=subprocess.DEVNULL,
        stdout=exchange.output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        pass_fds=(tether.descriptor,) if os.name == "posix" else (),
        env={**os.environ, orphans.VARIABLE: mark},
    )
    tether.hand_over()
    try:
        if not _has_ended(process, timeout_s):
            _stop(process)
            _end_all(started)
            return _Ending(f"timed out after {timeout_s:g} s (--reload-leak-timeout)", is_hang=True)
        status = process.wait()
    except BaseException:
        _end_group(process)
        process.wait()
        _end_all(started)
        raise
    _end_group(process)
    _end_all(started)
    if status < 0:
        return _Ending(f"the worker was killed by {_signal_name(-status)}")
    if status == CANNOT_ANSWER:
        return _Ending(
            "the worker could not write its answer: the temporary folder is full, the target changed its user, or it "
            "may open no more files"
        )
    return _Ending(f"the worker exited with status {status} before the check finished", is_answer=status == 0)


def _has_ended(process: subprocess.Popen[bytes], timeout_s: float) -> bool:
    """Wait for a process. `Popen.wait` with a timeout polls every 50 ms, most of the time of a short check."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except (
        AttributeError,
        OSError,
    ):  # before Linux 5.3, elsewhere, or where a filter of system calls refuses it
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True
    try:
        # Not `select`, which takes no descriptor above 1023.
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            return bool(selector.select(timeout_s))
    finally:
        os.close(descriptor)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a worker that hangs. `SIGABRT` comes first, so that `faulthandler` prints where it hung."""
    process.send_signal(signal.SIGABRT)
    try:
        process.wait(2)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _end_group(process)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End what the target left running: the worker leads its own session, which identifies its children."""
    if hasattr(os, "killpg"):
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return
    elif process.poll() is None:
        process.kill()


def _end_all(started: orphans.Marked) -> None:
    """End the children that left the worker's session as well, as daemons do."""
    for pid in started.running():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def _signal_name(number: int) -> str:
    try:
        return f"signal {signal.Signals(number).name}"
    except ValueError:
        return f"signal {number}"


def _report(answer: bytes) -> Report | str:
    """The report in a worker's answer, or why there is none."""
    try:
        data = marshal.loads(answer)  # noqa: S302 - our own worker wrote it
        if "usage" not in data:
            return str(data["failed"]) if "failed" in data else jsonfile.from_dict(data)
    except (EOFError, ValueError, TypeError, KeyError):
        return "the worker's answer is damaged: the target may have written into it"
    raise UsageError(data["usage"])


def _failed(target: str, settings: Settings, reason: str, duration_s: float) -> Report:
    return Report(
        target=target,
        nodeid=settings.nodeid,
        strategy=settings.strategy,
        rounds=settings.rounds,
        warmup=settings.warmup,
        outcome="error",
        reason=reason,
        duration_s=round(duration_s, 6),
        reload_s=0.0,
        error=reason,
    )
