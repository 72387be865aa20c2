"""Recognise the modules that matched a pattern before the check began: they are no generations of its target.

Another check, or the program itself, may have left them loaded, such as the application that leaked last. They belong
to the target only from the round on that executes them again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_reloadleak.strategies.imports.unit import Unit, is_glob, spec_of


class Earlier:
    """The modules that were loaded before, by id. The check's transaction keeps them alive, so no id is used again.

    Args:
        unit: the target's modules; only those that match a pattern count.
        modules: the entries of `sys.modules` when the check began.
    """

    def __init__(self, unit: Unit | None = None, modules: Mapping[Any, Any] | None = None) -> None:
        self._known: dict[str, tuple[int, int]] = {}
        if unit is not None and any(map(is_glob, (*unit.names, *unit.invented))):
            matching = {n: m for n, m in (modules or {}).items() if type(n) is str and unit.invents(n)}
            self._known = {name: (id(module), id(spec_of(module))) for name, module in matching.items()}

    def has(self, name: str, module: object) -> bool:
        """Whether a module was loaded before and has not been executed again. Each execution gives it a new spec."""
        return self._known.get(name) == (id(module), id(spec_of(module)))
