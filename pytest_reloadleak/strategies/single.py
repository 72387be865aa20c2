"""What the strategies have in common that reload the target alone, and nobody whom it depends on."""

from __future__ import annotations

from pytest_reloadleak.strategies.dependencies.importers import bound
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
        """Also first-party modules that the unit depends on, directly or not: a reload that looks whole is not.

        "Transitive staleness", reload facts, row 21. They are told from what names are bound to, which costs next to
        nothing; sources are not read for it.
        """
        found: dict[str, None] = {}
        waiting = unit.loaded()
        while waiting:
            for name in bound(waiting.pop()):
                if name not in found and not unit.owns(name) and self._project.owns(name):
                    found[name] = None
                    waiting.append(name)
        return [*same, *found]
