"""Check one target in this worker process, then end the process.

It is separate from `worker`, which starts it, to avoid that module's imports: they take most of a short check's time.
"""

from __future__ import annotations

import builtins
import contextlib
import importlib
import marshal
import os
import signal
import sys
from dataclasses import replace
from functools import partial
from typing import Any

from pytest_reloadleak.check import Check
from pytest_reloadleak.effects.probe import Probe
from pytest_reloadleak.errors import UsageError
from pytest_reloadleak.heap.failure import failure_text
from pytest_reloadleak.isolation import canaries, measuring, proving
from pytest_reloadleak.isolation.words import CANNOT_ANSWER, DOUBTFUL, FILES
from pytest_reloadleak.model import Report
from pytest_reloadleak.report import jsonfile
from pytest_reloadleak.run.runner import Runner
from pytest_reloadleak.settings import Settings
from pytest_reloadleak.strategies.dependencies.project import Project
from pytest_reloadleak.tether import fasten

# Private copies: the worker must report what it found even if the target has patched these.
# `marshal` is one builtin function; the encoder of `json` calls functions that a target may replace.
_encode = marshal.dumps
_open, _write_some, _close, _exit, _getpid = os.open, os.write, os.close, os._exit, os.getpid
_mkdir, _FLAGS = os.mkdir, os.O_WRONLY | os.O_CREAT | os.O_TRUNC


_PROOF_S = 10
"""Seconds that the trial removals may take. After that the system ends the process, and the report has no proofs."""
_alarm = vars(signal).get("setitimer")  # not on Windows, where the parent's time limit ends the process
_signal = signal.signal


def _end_in(seconds: float) -> None:
    """Let the system end this process after some seconds, whatever it does then; 0 cancels that."""
    if _alarm is not None:
        _signal(signal.SIGALRM, signal.SIG_DFL)
        _alarm(signal.ITIMER_REAL, seconds)


def _imported(name: str) -> type[Probe]:
    module, _, qualified = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in qualified.split("."):
        found = getattr(found, part)
    return found  # type: ignore[no-any-return]  # the parent checked that it is one


def _check(target: str, preset: str | None, settings: Settings, runner: Runner) -> Check:
    if preset is None:
        return Check([target], settings, runner=runner)
    from pytest_reloadleak.presets.catalogue import unpacked  # only who names a preset needs them
    from pytest_reloadleak.presets.hosting import Hosting

    return Hosting.of(unpacked(preset), target).check([target], settings, runner)


def main(job: dict[str, Any]) -> None:
    """Check the job's target, write the result, and exit at once.

    `os._exit`: a thread that the target left running must not keep a finished worker alive, and a check must not run
    the target's `atexit` hooks.
    """
    # One function, so that the check lives until the exit: freeing it earlier could run code of the target.
    import faulthandler

    faulthandler.enable()
    process = _getpid()
    fasten(job["tether"], job["timeout_s"])
    measuring.begin(job["coverage"])
    settings = replace(Settings(**job["settings"]), proves=True)
    try:
        runner = Runner(
            progress=partial(_say, job["progress"]),
            plugins=job["plugins"],
            probes=tuple(_imported(name) for name in job["probes"]),
            is_interruptible=False,
            puts_settings_back=False,
        )
        check = _check(job["target"], job["preset"], settings, runner)

        def keep(report: Report) -> None:
            """Write the report before the trial removals, so that it survives whatever they do to the process."""
            _end_fork_of(process)  # a fork must remove nothing: files and processes are not its own
            _write(job["early"], _encode(jsonfile.to_dict(report)))
            _end_in(_PROOF_S)

        files: list[str] = []

        def finish(report: Report) -> Report:
            """Note what is loaded, and prove the findings."""
            if job[FILES]:
                files.extend(measuring.loaded_files(Project(settings.rootdir, settings.test_files)))
            return proving.proven(check, keep, report)

        report = check.perform(finish=finish)
        _end_in(0)
        content = jsonfile.to_dict(_unless_unreliable(report))
        content[DOUBTFUL] = check.run.observations.is_doubtful
        content[FILES] = files
    except UsageError as error:
        content = {"usage": str(error)}
    except BaseException as error:  # noqa: BLE001 - whatever it is, the parent must learn it
        content = {"failed": _described(error)}
    _end_fork_of(process)
    status = 0
    try:
        _write(job["result"], _encode(content))
    except BaseException:  # noqa: BLE001 - the parent learns it from the status
        status = CANNOT_ANSWER
    measuring.flush()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # the target may have put anything there
            stream.flush()
    _exit(status)


def _say(file: str, number: int, phase: str) -> None:
    """Write the round and the phase to a file, for a parent that shows the progress."""
    with contextlib.suppress(Exception):  # whatever the target did to files, the check goes on
        descriptor = _open(file, _FLAGS, 0o600)
        _write_some(descriptor, f"{number} {phase}".encode())
        _close(descriptor)


_SPACE = vars(builtins)
_BUILTINS = dict(_SPACE)
_BUILTINS_PAIRS = tuple(_BUILTINS.items())


def _described(error: BaseException) -> str:
    """Why the check failed. Puts back the builtins that the target replaced, which the description needs."""
    # This makes no call, since the target may have replaced any function.
    replaced = [name for name, own in _BUILTINS_PAIRS if name not in _SPACE or _SPACE[name] is not own]
    for name in replaced:
        _SPACE[name] = _BUILTINS[name]
    text = f"the check itself failed: {type(error).__name__}"
    # The target may have broken imports, or the functions that format a failure.
    with contextlib.suppress(BaseException):
        text = f"the check itself failed: {_innermost(error)}{failure_text(error)}"
    if replaced:
        text += f"; the target replaced builtins: {', '.join(replaced)}"
    return text


def _end_fork_of(process: int) -> None:
    """End this process if the target forked it from the worker and it went on with the check: it must not answer."""
    if _getpid() != process:
        _exit(0)


def _innermost(error: BaseException) -> str:
    """The file and line at which an error was raised, for the report."""
    trace = error.__traceback__
    if trace is None:
        return ""
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}: "


def _unless_unreliable(report: Report) -> Report:
    """The report, made inconclusive if the canaries fail. They run last, since the target itself may break them."""
    if report.outcome not in {"clean", "leaking", "known"}:
        return report
    is_proven = bool(report.findings) and all(finding.proven for finding in report.findings)
    reason = canaries.defeated(was_clean=report.outcome == "clean", is_proven=is_proven)
    if reason is None:
        return report
    if canaries.FAILED in reason and any(finding.proof is not None for finding in report.findings):
        # Imports worked in all rounds. The trial removals broke what the target had put into the import system.
        why = f"after holders were removed on trial, {reason.partition(': ')[2]}"
        return replace(report, notes=(*report.notes, why))
    notes = (*report.notes, f"the unreliable outcome was {report.outcome}: {report.reason}")
    return replace(report, outcome="inconclusive", reason=reason, notes=notes)


def _write(file: str, content: bytes) -> None:
    """Write the answer with functions that the target cannot have patched. The target may have removed the folder."""
    try:
        descriptor = _open(file, _FLAGS, 0o600)
    except FileNotFoundError:
        _mkdir(file.rpartition("/")[0], 0o700)
        descriptor = _open(file, _FLAGS, 0o600)
    while content:
        content = content[_write_some(descriptor, content) :]
    _close(descriptor)
