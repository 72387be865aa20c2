"""Create the strategies that a name alone describes, without an argument from the user."""

from __future__ import annotations

from pytest_reloadleak.settings import Settings
from pytest_reloadleak.strategies.alias import Alias, file_of
from pytest_reloadleak.strategies.cascade import Cascade
from pytest_reloadleak.strategies.decache import Decache
from pytest_reloadleak.strategies.dependencies.project import Project
from pytest_reloadleak.strategies.imports import targets
from pytest_reloadleak.strategies.reimport import Reimport
from pytest_reloadleak.strategies.reload import Reload
from pytest_reloadleak.strategies.strategy import Strategy


def make(settings: Settings) -> Strategy:
    """A new strategy for one check, by the name in its settings."""
    project = Project(settings.rootdir, settings.test_files)
    if settings.strategy == "cascade":
        return Cascade(project)
    if settings.strategy == "alias":
        return Alias(project)
    if settings.strategy == "worker":
        # Imported late, as subprocess and tempfile are slow to import.
        from pytest_reloadleak.strategies.workers.worker_strategy import Worker

        return Worker()
    simple = {"reload": Reload, "decache": Decache, "reimport": Reimport}
    return simple[settings.strategy](project)


def inapplicable(strategy: str, target: str) -> str | None:
    """Why a strategy cannot reload a target, in one sentence; `None` if it can."""
    if strategy != "alias":
        return None
    if file_of(targets.find(target)) is None:
        return "it has no file of its own to load under another name"
    return None
