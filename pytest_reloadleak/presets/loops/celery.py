"""Check modules with Celery's tasks: a worker's application finds them, and no broker is needed."""

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
        if app is not None:
            self.host["app"] = app

    def load(self, module: Any) -> None:
        """Finish the applications, as a worker does: then each task has its entry, and `on_after_finalize` has run."""
        celery: Any = importlib.import_module("celery")
        apps = [value for value in list(vars(module).values()) if isinstance(value, celery.Celery)]
        for app in (*apps, *self.host.values(), celery.current_app):
            app.finalize()
            app.loader.init_worker()
            list(app.tasks)


class Celery(Preset):
    """The preset `Celery`."""

    name = "Celery"
    modules = ("celery",)
    takes = ("app",)
    is_given = False
    hook = "__reload_dispose__(data): Celery calls no hook, since a worker that changes its code is started again"

    def fits(self, source: Source) -> bool:
        """Whether it has an application, tasks, or receivers of Celery's signals."""
        if not source.imports("celery"):
            return source.is_decorated("app.task", "celery.task")
        registers = source.calls("connect", "add_periodic_task", "register_task")
        return bool(source.assigned("Celery")) or source.is_decorated(*_MARKS) or registers

    def open(self, target: str, source: Source, options: Mapping[str, object]) -> Tasks:
        """Import Celery, and take the test's own application. Shared tasks belong to the current one as well."""
        del target, source
        celery: Any = importlib.import_module("celery")
        celery.current_app.finalize()
        return Tasks(options.get("app"))
