"""Define the base of the strategies that reload the target alone, and none of its dependencies."""

from __future__ import annotations

from pytest_reloadleak.strategies.dependencies.importers import bound_modules
from pytest_reloadleak.strategies.dependencies.project import Project
from pytest_reloadleak.strategies.imports.unit import Unit
from pytest_reloadleak.strategies.strategy import Strategy


class Single(Strategy):
    """A strategy that reloads the unit and nothing else.

    Args:
        project: what is first-party.
    """

    def __init__(self, project: Project) -> None:
        super().__init__()
        self._project = project

    def not_reloaded(self, unit: Unit, same: list[str]) -> list[str]:
        """Includes the first-party modules that the unit depends on: without them the reload is not complete."""
        # This is "transitive staleness" (reload facts, row 21). Modules are found by what names are bound to, which
        # costs next to nothing; no sources are read.
        found: dict[str, None] = {}
        waiting = unit.loaded()
        while waiting:
            for name in bound_modules(waiting.pop()):
                if name not in found and not unit.owns(name) and self._project.owns(name):
                    found[name] = None
                    waiting.append(name)
        return [*same, *found]
