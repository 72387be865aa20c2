"""Check one target in this worker process, then end the process.

Separate from `worker`, which starts it, to avoid that module's imports: for a small module, most of a check is imports.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
from dataclasses import replace
from typing import Any

from pytest_reloadleak.check import Check
from pytest_reloadleak.effects.probe import Probe
from pytest_reloadleak.errors import UsageError
from pytest_reloadleak.isolation import canaries
from pytest_reloadleak.model import Report
from pytest_reloadleak.report import jsonfile
from pytest_reloadleak.run.runner import Runner
from pytest_reloadleak.settings import Settings

# Private copies: the worker must report what it found even if the target has patched these.
_encode = json.JSONEncoder().encode
_open, _write_some, _close, _replace, _exit = os.open, os.write, os.close, os.replace, os._exit


def _imported(name: str) -> type[Probe]:
    module, _, qualified = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in qualified.split("."):
        found = getattr(found, part)
    return found  # type: ignore[no-any-return]  # the parent checked that it is one


def main(job: dict[str, Any]) -> None:
    """Check the job's target, write the result, and exit at once.

    `os._exit`: a thread that the target left running must not keep a finished worker alive, and a check must not run
    the target's `atexit` hooks.
    """
    import faulthandler

    faulthandler.enable()
    settings = Settings(**job["settings"])
    try:
        runner = Runner(
            plugins=job["plugins"],
            probes=tuple(_imported(name) for name in job["probes"]),
            is_interruptible=False,
        )
        report = _unless_unreliable(Check([job["target"]], settings, runner=runner).perform())
        content = jsonfile.to_dict(replace(report, nodeid=settings.nodeid))
    except UsageError as error:
        content = {"usage": str(error)}
    _write(job["result"], _encode(content).encode())
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # the target may have put anything there
            stream.flush()
    _exit(0)


def _unless_unreliable(report: Report) -> Report:
    """The report, made inconclusive if the canaries fail; they run last, since the target itself may break them."""
    if report.outcome not in {"clean", "leaking", "known"}:
        return report
    reason = canaries.defeated(was_clean=report.outcome == "clean")
    if reason is None:
        return report
    notes = (*report.notes, f"the unreliable outcome was {report.outcome}: {report.reason}")
    return replace(report, outcome="inconclusive", reason=reason, notes=notes)


def _write(file: str, content: bytes) -> None:
    """Write a file whole or not at all, by functions that the target cannot have patched."""
    descriptor = _open(f"{file}.part", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    while content:
        content = content[_write_some(descriptor, content) :]
    _close(descriptor)
    _replace(f"{file}.part", file)
