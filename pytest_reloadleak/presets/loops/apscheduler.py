"""Check modules whose jobs APScheduler runs: a started and paused scheduler takes them, and keeps its thread."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from pytest_reloadleak.presets.preset import Hosted, Preset
from pytest_reloadleak.presets.source import Source


class Jobs(Hosted):
    """A module with jobs, and its scheduler."""

    def __init__(self, scheduler: object) -> None:
        super().__init__()
        self.host["scheduler"] = scheduler

    def load(self, module: Any) -> None:
        """Let the module add its jobs, as the program does with each module of jobs."""
        setup = vars(module).get("setup")
        if setup is not None:
            setup(self.host["scheduler"])

    def unload(self, module: Any) -> None:
        """Let it remove them."""
        teardown = vars(module).get("teardown")
        if teardown is not None:
            teardown(self.host["scheduler"])


class APScheduler(Preset):
    """The preset `APScheduler`."""

    name = "APScheduler"
    modules = ("apscheduler",)
    takes = ("scheduler",)
    hook = "teardown(scheduler) of the module, the counterpart of its setup(scheduler)"

    def fits(self, source: Source) -> bool:
        """Whether its `setup` takes a scheduler."""
        return source.takes("setup", "scheduler")

    def open(self, target: str, source: Source, options: Mapping[str, object]) -> Jobs:
        """Make a scheduler, or take the test's own. Its thread runs before the check begins, and runs no job."""
        del target, source
        given = options.get("scheduler")
        return Jobs(given if given is not None else _scheduler())


def _scheduler() -> object:
    """A scheduler of the installed version: 4 has one class for threads, and 3 calls it `BackgroundScheduler`."""
    try:
        background: Any = importlib.import_module("apscheduler.schedulers.background")
    except ImportError:
        library: Any = importlib.import_module("apscheduler")
        scheduler = library.Scheduler()
        scheduler.__enter__()
        return scheduler
    scheduler = background.BackgroundScheduler(daemon=True)
    scheduler.start(paused=True)
    return scheduler
