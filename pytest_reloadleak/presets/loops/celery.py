"""Check modules with Celery's tasks: a worker's application finds them, beat plans them, and no broker is needed."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from pytest_reloadleak.presets.preset import Hosted, Preset
from pytest_reloadleak.presets.source import Source

_MARKS = ("shared_task", "task", "periodic_task")


class Tasks(Hosted):
    """A module with tasks, and the application whose worker imports it."""

    def __init__(self, app: object) -> None:
        super().__init__()
        self._given = [] if app is None else [app]
        if app is not None:
            self.host["app"] = app

    def load(self, module: Any) -> None:
        """Finish the applications, as a worker does: then each task has its entry, and `on_after_finalize` has run."""
        celery: Any = importlib.import_module("celery")
        apps = [value for value in list(vars(module).values()) if isinstance(value, celery.Celery)]
        for app in (*apps, *self._given, celery.current_app):
            app.finalize()
            app.loader.init_worker()
            list(app.tasks)
            self._plan(app)

    def _plan(self, app: Any) -> None:
        """Let a beat of this process read an application's schedule; it sends nothing."""
        name = f"beat of {app.main or 'the default application'}"
        if name not in self.host and app.conf.beat_schedule:
            beat: Any = importlib.import_module("celery.beat")
            self.host[name] = beat.Scheduler(app, lazy=True)
        if name in self.host:
            self.host[name].setup_schedule()  # type: ignore[attr-defined]  # the host has them


class Celery(Preset):
    """The preset `Celery`."""

    name = "Celery"
    modules = ("celery",)
    takes = ("app",)
    is_given = False
    undone = (
        (
            "*['beat_schedule'][*",
            "delete the entry in __reload_dispose__(data), as in del app.conf.beat_schedule[NAME], or keep its name",
        ),
    )
    hook = "__reload_dispose__(data): Celery calls no hook, since a worker that changes its code is started again"

    def fits(self, source: Source) -> bool:
        """Whether it has an application, tasks, a schedule, or receivers of Celery's signals."""
        if not source.imports("celery"):
            return source.is_decorated("app.task", "celery.task")
        registers = source.calls("connect", "add_periodic_task", "register_task")
        plans = source.imports("celery.schedules")
        return bool(source.assigned("Celery")) or source.is_decorated(*_MARKS) or registers or plans

    def open(self, target: str, source: Source, options: Mapping[str, object]) -> Tasks:
        """Import Celery, and take the test's own application. Shared tasks belong to the current one as well."""
        del target, source
        celery: Any = importlib.import_module("celery")
        celery.current_app.finalize()
        return Tasks(options.get("app"))
