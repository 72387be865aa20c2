"""What the tests of rows and scenarios share: a program of small modules, measured in this process and put back."""

from __future__ import annotations

import contextlib
import contextvars
import gc
import importlib
import importlib.machinery
import importlib.util
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

from cases import run

from pytest_reloadleak import Report
from pytest_reloadleak.check import Check, settings_for
from pytest_reloadleak.report.jsonfile import to_dict
from pytest_reloadleak.strategies.dependencies.project import Project
from pytest_reloadleak.strategies.dispose import Disposal

ROUNDS = 2
GENERATIONS = 1 + 1 + ROUNDS
"""The first one, that of the warm-up, and those that are counted."""
IN_PROCESS = ("reload", "decache", "reimport", "cascade")
"""Strategies under which the target keeps its name in this process."""
ANEW = IN_PROCESS[1:]
"""Those that make new modules."""

HOST = """\
import threading

listeners = []
log = []
table = {}
slot = None
stopping = threading.Event()
undo = []
fds = []

def loop():
    import asyncio

    if "loop" not in table:
        table["loop"] = asyncio.new_event_loop()
    return table["loop"]

def stop_loop():
    import asyncio

    tasks = asyncio.all_tasks(loop())
    for task in tasks:
        task.cancel()
    if tasks:
        loop().run_until_complete(asyncio.wait(tasks))
    loop().close()
"""
"""A module that stays. At the end of the test `stopping` ends all threads, what `undo` has is called, and `fds` and the
loop are closed."""


class Program:
    """Modules in a directory of their own, which is the working directory, and so the project."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._times = 0
        self.write({"host": HOST})
        self.host: Any = importlib.import_module("host")

    def write(self, files: dict[str, str]) -> None:
        """Write modules by their dotted names. Each edit has a time of its own, so that Python sees it."""
        self._times += 1
        for name, source in files.items():
            run.write(self.directory, {name: dedent(source)})
            path = self.directory.joinpath(*name.split(".")).with_suffix(".py")
            at_s = 1_700_000_000 + 10 * self._times
            os.utime(path, (at_s, at_s))
        importlib.invalidate_caches()

    def load(self, files: dict[str, str], *names: str) -> Any:
        """Write modules, and import some; returns the last of them."""
        self.write(files)
        return [importlib.import_module(name) for name in names or list(files)[-1:]][-1]

    def measure(
        self,
        *targets: str,
        exercise: Callable[[Callable[[str], Any]], object] | None = None,
        rounds: int = ROUNDS,
        dispose: Any = None,
        **keywords: Any,
    ) -> Report:
        """Check targets that are reloaded together, in a context of its own. The host may log what it sees.

        Args:
            targets: the targets; `app` if there is none.
            exercise: called in each round with a function that gives the fresh module of a name.
            rounds: counted rounds.
            dispose: as for `measure_reload`.
            keywords: likewise.
        """
        looks_for = {"probes": run.BESIDES_GROWTH, **keywords}
        settings = settings_for(rounds=rounds, project=Project(str(self.directory)), **looks_for)
        disposal = Disposal(dispose)
        check = Check(targets or ("app",), settings, reload=keywords.get("reload"), disposal=disposal)
        body = None if exercise is None else lambda: exercise(check.run.subject.module)
        return contextvars.copy_context().run(check.perform, body)


@contextlib.contextmanager
def program(directory: Path) -> Iterator[Program]:
    """A program; afterwards no module, thread or registration of it is left."""
    before = set(threading.enumerate())
    home = Path.cwd()
    os.chdir(directory)
    try:
        with run.importable(directory):
            it = Program(directory)
            try:
                yield it
            finally:
                it.host.stopping.set()
                for undo in reversed(it.host.undo):
                    undo()
                for fd in it.host.fds:
                    os.close(fd)
                if "loop" in it.host.table:
                    it.host.stop_loop()
                gc.collect()  # ends the threads of pools that are garbage
                for thread in set(threading.enumerate()) - before:
                    if isinstance(thread, threading.Timer):
                        thread.cancel()
                    thread.join(5)
    finally:
        os.chdir(home)


def found(report: Report) -> list[tuple[str, str, str]]:
    """Kind, growth and holder of each finding."""
    return [(f.kind, f.growth, f.holder.path if f.holder else "") for f in report.findings]


def checks(*reports: Report) -> list[dict[str, Any]]:
    """Reports as the entries of the JSON report."""
    return [json.loads(json.dumps(to_dict(report))) for report in reports]


def versions(name: str) -> tuple[object, object]:
    """The present module of a name, and its namespace."""
    return sys.modules[name], vars(sys.modules[name])


COUNTER = """\
value = 0

def bump():
    global value
    value += 1
    return value
"""
"""A module with state of its own."""
