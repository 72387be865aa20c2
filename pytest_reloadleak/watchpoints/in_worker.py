"""Trace the lines of a generation that runs in a worker, and record those that make something that outlives the worker.

A worker leaves nothing in the process of the check: only files, shared memory and processes can outlive it. Each is
written to a file when it appears, so that the record survives a worker that is killed.
"""

from __future__ import annotations

import atexit
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pytest_reloadleak.effects.probe import Identity, Scope
from pytest_reloadleak.effects.system import children
from pytest_reloadleak.holders.retention import Place, Stack
from pytest_reloadleak.strategies.dependencies.project import Project
from pytest_reloadleak.strategies.imports.unit import Unit
from pytest_reloadleak.strategies.workers import leftovers, serving
from pytest_reloadleak.watchpoints.births import Blame
from pytest_reloadleak.watchpoints.observer import Observer
from pytest_reloadleak.watchpoints.stacks import Ranks
from pytest_reloadleak.watchpoints.tracers import tracer

MODULE = __name__
"""The module that a traced worker runs, in place of `serving`."""

_open, _write, _close, _getpid = os.open, os.write, os.close, os.getpid
_encode, _path = json.dumps, Path
Recorded = dict[tuple[object, ...], Stack]
"""The stack that made each effect, by identity."""


def job(project: Project, most_s: float) -> dict[str, Any]:
    """The instructions of a traced worker, in addition to those of every worker.

    Args:
        project: what is first-party.
        most_s: seconds that all looks together may take.
    """
    return {"root": project.root, "test_files": project.test_files, "most_s": most_s}


def recorded(file: str) -> tuple[Recorded, str | None]:
    """What a worker recorded, and the reason why it did not trace to its end; `None` if it gave none.

    Args:
        file: the file; it may be missing.
    """
    births: Recorded = {}
    failure: str | None = "the worker ended before it could tell its lines"
    try:
        lines = _path(file).read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        try:
            identity, content, is_own = json.loads(line)
        except ValueError:  # two processes wrote at once
            continue
        if identity is None:
            failure = content
        elif is_own or tuple(identity) not in births:
            births[tuple(identity)] = tuple(Place(*place) for place in content)
    return births, failure


def main(job: dict[str, Any]) -> None:
    """Serve as any worker does, with the lines traced.

    Args:
        job: see `job`; also `targets`, and `told`, the file to write to.
    """
    unit, project = Unit(tuple(job["targets"])), Project(job["root"], tuple(job["test_files"]))
    folder, made = Path(os.environ["TMPDIR"]), list[str]()
    known = frozenset(leftovers.files(folder, ()))
    processes = children.Children()
    processes.begin(Scope(unit.owns, int))
    watches = [
        _Written(job["told"], lambda: leftovers.identities(folder, known, made)),
        _Written(job["told"], processes.identities),
    ]
    observer = Observer(watches, Ranks(unit.owns, project.rank), job["most_s"])
    lines = tracer(observer)
    failure = lines.start()

    def end() -> None:
        why = failure or lines.stop() or observer.failure
        observer.end()
        _append(job["told"], None, why)

    atexit.register(end)  # registered before the target's hooks, so it runs after them
    serving.main(job, made)


class _Written:
    """Records each new entry that a function lists, with the stack that made it."""

    def __init__(self, file: str, identities: Callable[[], Iterable[Identity]]) -> None:
        self._file = file
        self._identities = identities
        self._process = _getpid()
        self._before = frozenset(identities())

    def look(self, blame: Blame, returned: object = None) -> None:
        """Note the entries that are new since the last look."""
        del returned
        if _getpid() != self._process:
            self._process = _getpid()
            self._note_fork(blame)
        now = frozenset(self._identities())
        for identity in now - self._before:
            _append(self._file, identity, blame())
        self._before = now

    def _note_fork(self, blame: Blame) -> None:
        """Note that this process was forked: the parent of a daemon may have ended before it could record that."""
        for identity in children.dated([self._process]).items():
            _append(self._file, identity, blame(), is_own=True)

    def close(self) -> None:
        """Nothing to do: identities hold no object."""


def _append(
    file: str, identity: Identity | None, content: Stack | str | None, *, is_own: bool = False
) -> None:
    line = f"{_encode([identity, content, is_own])}\n".encode()
    number = _open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        _write(number, line)
    finally:
        _close(number)
