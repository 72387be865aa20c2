"""Run one check in its own process, so that a crash, exit or hang of the target ends nothing else.

Parent and worker communicate through files, not pipes: a child that the target left running would inherit a pipe, and
the parent would wait for the pipe to close.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_reloadleak.effects.probe import Probe
from pytest_reloadleak.effects.system import orphans
from pytest_reloadleak.errors import UsageError
from pytest_reloadleak.model import Report
from pytest_reloadleak.report import jsonfile
from pytest_reloadleak.settings import Settings
from pytest_reloadleak.strategies.workers import interpreter

_INSIDE = "pytest_reloadleak.isolation.inside"
_OUTPUT_BYTES = 64 * 1024


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
    with tempfile.TemporaryDirectory(prefix="reloadleak-", ignore_cleanup_errors=True) as folder:
        job, result, output = (Path(folder, name) for name in ("job", "result", "output"))
        content = {
            "path": interpreter.search_path(),
            "module": _INSIDE,
            "target": target,
            "settings": {name: getattr(settings, name) for name in Settings.__slots__},
            "plugins": plugins,
            "probes": [f"{probe.__module__}:{probe.__qualname__}" for probe in extra],
            "result": str(result),
        }
        job.write_text(json.dumps(content), encoding="utf-8")
        with output.open("wb") as out:
            status = _wait(job, out, timeout_s)
        text = _tail(output)
        report = _report(result)
    return Outcome(report or _failed(target, settings, status, time.perf_counter() - begun_s), text)


def _wait(job: Path, out: Any, timeout_s: float) -> str:
    """Run the worker; returns how it ended, which explains a missing result."""
    mark = orphans.token()
    started = orphans.Marked(mark)
    process = subprocess.Popen(  # noqa: S603 - our own interpreter with our own code
        interpreter.command(str(job)),
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        env={**os.environ, orphans.VARIABLE: mark},
    )
    try:
        if not _has_ended(process, timeout_s):
            _stop(process)
            _end_all(started)
            return f"timed out after {timeout_s:g} s (--reload-leak-timeout)"
        status = process.wait()
    except BaseException:
        _end_group(process)
        process.wait()
        raise
    _end_group(process)
    _end_all(started)
    if status < 0:
        return f"the worker was killed by {_signal_name(-status)}"
    return f"the worker exited with status {status} before the check finished"


def _has_ended(process: subprocess.Popen[bytes], timeout_s: float) -> bool:
    """Wait for a process. `Popen.wait` with a timeout polls every 50 ms, most of the time of a short check."""
    if not hasattr(os, "pidfd_open"):
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True
    descriptor = os.pidfd_open(process.pid)
    try:
        return bool(select.select([descriptor], [], [], timeout_s)[0])
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


def _tail(output: Path) -> str:
    data = output.read_bytes()
    cut = f"... {len(data) - _OUTPUT_BYTES} earlier bytes are omitted\n" if len(data) > _OUTPUT_BYTES else ""
    return cut + data[-_OUTPUT_BYTES:].decode("utf-8", "replace")


def _report(result: Path) -> Report | None:
    try:
        data = json.loads(result.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if "usage" in data:
        raise UsageError(data["usage"])
    return jsonfile.from_dict(data)


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
