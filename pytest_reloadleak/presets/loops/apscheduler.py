"""Check modules whose jobs APScheduler runs: a started and paused scheduler takes them, and keeps its thread."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from pytest_reloadleak.presets.preset import Hosted, Preset
from pytest_reloadleak.presets.source import Source


class Jobs(Hosted):
    """A module with jobs, and its scheduler."""

    def __init__(self, scheduler: object) -> None:
        super().__init__()
        self._own = ExitStack()
        self.host["scheduler"] = scheduler if scheduler is not None else self._started()

    def _started(self) -> object:
        """A scheduler whose thread runs, and runs no job."""
        try:
            background: Any = importlib.import_module("apscheduler.schedulers.background")
        except ImportError:
            # Version 4: a scheduler takes jobs when it is entered, and runs none before `start_...`.
            return self._own.enter_context(importlib.import_module("apscheduler").Scheduler())
        scheduler = background.BackgroundScheduler(daemon=True)
        scheduler.start(paused=True)
        self._own.callback(scheduler.shutdown)
        return scheduler

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

    def close(self) -> None:
        """End the scheduler that was made for the check, with its thread."""
        self._own.close()


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
        """Make a scheduler, or take the test's own. Its thread runs before the check begins."""
        del target, source
        return Jobs(options.get("scheduler"))
