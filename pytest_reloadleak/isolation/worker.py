"""Run one check in its own process, so that a crash, exit or hang of the target ends nothing else.

Parent and worker communicate through files, not pipes: a child that the target left running would inherit a pipe, and
the parent would wait for the pipe to close. Only an answer of the started process counts, and only if it ends well.
"""

from __future__ import annotations

import contextlib
import json
import marshal
import os
import signal
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, get_args

from pytest_reloadleak.effects.probe import Probe
from pytest_reloadleak.effects.system import orphans
from pytest_reloadleak.errors import UsageError
from pytest_reloadleak.isolation import measuring, stacks
from pytest_reloadleak.isolation.conditions import CURRENT_TEST
from pytest_reloadleak.isolation.exchange import Exchange
from pytest_reloadleak.isolation.processes import Fresh, end_group, stop, waited_s, why_not_started
from pytest_reloadleak.isolation.server import Forked, Server, ServerEndedError, is_readable, taken_over
from pytest_reloadleak.isolation.words import CANNOT_ANSWER, CANNOT_START, DOUBTFUL, FILES
from pytest_reloadleak.model import Outcome as Outcomes
from pytest_reloadleak.model import Report
from pytest_reloadleak.report import jsonfile
from pytest_reloadleak.settings import Settings
from pytest_reloadleak.strategies.workers import interpreter
from pytest_reloadleak.tether import Tether

_INSIDE = "pytest_reloadleak.isolation.inside"
_DAMAGED = "the worker's answer is damaged: the target may have written into it"
_STARVED = 0.2
"""From this share of its time spent waiting for a processor, a worker is starved."""


class CannotForkError(Exception):
    """A fork could not be made equal to a fresh interpreter."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a worker."""

    report: Report
    output: str
    """The output of the target; only its end if it is long."""
    is_hang: bool = False
    """Whether the worker was ended because its time was over."""
    is_starved: bool = False
    """Whether it spent much of that time waiting for a processor."""
    is_doubtful: bool = False
    """Whether something was left out because other programs on the machine do the same."""
    files: tuple[str, ...] = ()
    """The source files of the project's own modules that were loaded, if the job asks for them."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker checks."""

    target: str
    """The target's name, not a glob."""
    settings: Settings
    timeout_s: float
    """Seconds after which the worker is ended and the outcome is `error`."""
    plugins: tuple[str, ...] = ()
    """Modules of pytest's plugins, which are refused as targets."""
    extra: tuple[type[Probe], ...] = ()
    """Third-party probes, which the worker imports."""
    current_test: str | None = None
    """The value of pytest's environment variable for the running test."""
    wants_files: bool = False
    """Whether the parent needs the files on which the outcome depends."""
    preset: str | None = None
    """The preset whose host loads the target, as text from `presets.catalogue.packed`."""


def run(
    target: str,
    settings: Settings,
    timeout_s: float,
    plugins: tuple[str, ...] = (),
    extra: Iterable[type[Probe]] = (),
) -> Outcome:
    """Check a target in a fresh interpreter with this one's `sys.path`, flags and working directory.

    The arguments are those of `Job`.

    Returns:
        The report; if the worker did not finish, its outcome is `error`, with the reason.

    Raises:
        UsageError: the target does not exist or is refused.
    """
    current = os.environ.get(CURRENT_TEST)
    return Worker(Job(target, settings, timeout_s, plugins, tuple(extra), current)).outcome()


class _Ending(NamedTuple):
    """The end of a worker. Only the answer of a worker that ended by itself counts: a fork may have written too."""

    reason: str
    """Why there is no report; empty if there is one."""
    is_answer: bool = False
    is_hang: bool = False
    is_starved: bool = False


class Worker:
    """One worker, from its start to its outcome.

    Args:
        job: what it checks.
        server: the server that forks it; without one, or if a fork would differ, it is a fresh interpreter.
    """

    def __init__(self, job: Job, server: Server | None = None) -> None:
        self.job = job
        self._begun_s = time.perf_counter()
        self._why = ""
        """Why it could not be started."""
        mark = orphans.token()
        self._environment = {CURRENT_TEST: job.current_test, orphans.VARIABLE: mark}
        self._started = orphans.Marked(mark)
        self._files = contextlib.ExitStack()
        self._process: Fresh | Forked | None = None
        try:
            self._exchange = Exchange()
            self._files.callback(self._exchange.close)
            self._tether = Tether()
            self._files.callback(self._tether.close)
            self._process = self._forked(server) or self._fresh()
            self._begun_s = time.perf_counter()  # the start of a server does not count against a worker
        except OSError as error:
            self._files.close()
            self._why = f"the worker could not be started: {why_not_started(error)}"
        except BaseException:
            self._files.close()
            raise

    def descriptor(self) -> int | None:
        """A descriptor that becomes readable when the worker has ended; `None` if there is none."""
        return self._process.descriptor() if self._process is not None else None

    def is_running(self) -> bool:
        """Whether it has begun and not ended."""
        return self._process is not None and not _has_ended(self._process, 0)

    def said(self) -> str:
        """The round and the phase that it is in; empty if it has not begun."""
        return self._exchange.said() if self._process is not None else ""

    def left_s(self) -> float:
        """The seconds until it is ended."""
        return max(self._begun_s + self.job.timeout_s - time.perf_counter(), 0.0)

    def outcome(self) -> Outcome:
        """Wait for its end, or end it when its time is over, and return the result.

        Raises:
            UsageError: the target does not exist or is refused.
            ServerEndedError: the server has ended, and the worker with it.
            CannotForkError: the worker has not begun.
        """
        if self._process is None:
            return failed(self.job, self._why)
        try:
            ending = self._ended(self._process)
            answer = self._exchange.answer(is_early=False) if ending.is_answer else b""
            answer = answer or self._exchange.answer(is_early=True)
            text = self._exchange.printed()
        finally:
            self._files.close()
        if ending.is_hang:
            text, place = stacks.of_hang(text)
            ending = ending._replace(
                reason=f"{ending.reason}, at {place}" if place is not None else ending.reason
            )
        answered = _report(answer) if answer else ending.reason
        if isinstance(answered, str):
            found = failed(self.job, answered, time.perf_counter() - self._begun_s, text)
            return replace(found, is_hang=ending.is_hang, is_starved=ending.is_starved)
        report, is_doubtful, files = answered
        return Outcome(report, text, ending.is_hang, ending.is_starved, is_doubtful, files)

    def cancel(self) -> None:
        """End it, with everything that it started."""
        if self._process is not None:
            self._end(self._process)
        self._files.close()

    # -- start --------------------------------------------------------------------------------------------------------

    def _content(self) -> dict[str, Any]:
        job, exchange = self.job, self._exchange
        return {
            "path": interpreter.search_path(),
            "module": _INSIDE,
            "target": job.target,
            "settings": {name: getattr(job.settings, name) for name in Settings.__slots__},
            "plugins": job.plugins,
            "preset": job.preset,
            "probes": [f"{probe.__module__}:{probe.__qualname__}" for probe in job.extra],
            "result": str(exchange.result),
            "early": str(exchange.early),
            "progress": str(exchange.progress),
            "timeout_s": job.timeout_s,
            "coverage": measuring.configuration(),
            FILES: job.wants_files,
            "tether": self._tether.descriptor,
        }

    def _forked(self, server: Server | None) -> Forked | None:
        """Start it as a fork; `None` if that is not possible."""
        if server is None or not server.fits():
            return None
        output = self._exchange.output.fileno()
        content = taken_over(self._content(), self._tether.descriptor, output, self._environment)
        self._exchange.job.write_text(json.dumps(content), encoding="utf-8")
        try:
            return server.fork(str(self._exchange.job))
        except BaseException as error:
            server.close()  # it may have forked a worker of unknown process id
            self._end_marked()
            if isinstance(error, ServerEndedError):
                return None
            raise

    def _fresh(self) -> Fresh:
        """Start it as a fresh interpreter."""
        self._exchange.job.write_text(json.dumps(self._content()), encoding="utf-8")
        process = Fresh(
            str(self._exchange.job), self._exchange.output, self._tether.descriptor, self._environment
        )
        self._tether.hold(-process.pid)  # it leads a session
        return process

    # -- end ----------------------------------------------------------------------------------------------------------

    def _ended(self, process: Fresh | Forked) -> _Ending:
        """Wait until it ends, or end it."""
        try:
            if not _has_ended(process, self.left_s()):
                is_starved = waited_s(process.pid) > _STARVED * self.job.timeout_s
                stop(process)
                self._end_marked()
                reason = f"timed out after {self.job.timeout_s:g} s (--reload-leak-timeout)"
                return _Ending(reason, is_hang=True, is_starved=is_starved)
            status = process.status()
        except BaseException:
            self._end(process)
            raise
        end_group(process)
        self._end_marked()
        process.release()
        if status == CANNOT_START and isinstance(process, Forked):
            raise CannotForkError
        return _of_status(status)

    def _end(self, process: Fresh | Forked) -> None:
        """End it at once, with everything that it started."""
        end_group(process)
        process.abandon()
        # Last: a fork that has just begun has no group, and goes on only if it has had its mark when its server ended.
        self._end_marked()

    def _end_marked(self) -> None:
        """End also the children that left the worker's session, as daemons do."""
        for pid in self._started.running():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _of_status(status: int) -> _Ending:
    """The end of a worker with some status."""
    if status < 0:
        return _Ending(f"the worker was killed by {_signal_name(-status)}")
    if status == CANNOT_ANSWER:
        return _Ending(
            "the worker could not write its answer: the temporary folder is full, the target changed its user, or it "
            "may open no more files"
        )
    return _Ending(f"the worker exited with status {status} before the check finished", is_answer=status == 0)


def _has_ended(process: Fresh | Forked, timeout_s: float) -> bool:
    """Wait for a process. Returns whether it has ended. `Popen.wait` would poll, which delays a short check."""
    descriptor = process.descriptor()
    if descriptor is not None:
        return is_readable(descriptor, timeout_s)
    try:
        process.status(timeout_s)
    except subprocess.TimeoutExpired:
        return False
    return True


def _signal_name(number: int) -> str:
    try:
        return f"signal {signal.Signals(number).name}"
    except ValueError:
        return f"signal {number}"


def _report(answer: bytes) -> tuple[Report, bool, tuple[str, ...]] | str:
    """The report in a worker's answer, whether it is doubtful, and the files; or why there is none."""
    try:
        data = marshal.loads(answer)  # noqa: S302 - our own worker wrote it
        usage = data.get("usage")
        if "failed" in data:
            return str(data["failed"])
        if usage is None:
            is_doubtful, files = bool(data.pop(DOUBTFUL, False)), tuple(map(str, data.pop(FILES, ())))
            report = jsonfile.from_dict(data)
            is_whole = jsonfile.to_dict(report) == data and report.outcome in get_args(Outcomes)
            return (report, is_doubtful, files) if is_whole else _DAMAGED
    except Exception:  # noqa: BLE001 - whatever bytes may stand there
        return _DAMAGED
    raise UsageError(str(usage))


def failed(job: Job, reason: str, duration_s: float = 0.0, text: str = "") -> Outcome:
    """The outcome of a worker that gave no answer.

    Args:
        job: what it should have checked.
        reason: why it gave none.
        duration_s: how long it ran.
        text: what the target printed.
    """
    settings = job.settings
    report = Report(
        target=job.target,
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
    return Outcome(report, text)
