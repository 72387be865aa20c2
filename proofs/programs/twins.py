"""Plugins of real hosts that leak, each with the place where the cure goes; `test_presets.py` checks all of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

PLUGIN = "plug"
"""The module's name. It may import `hub`, a module that stays, with a list `listeners`."""
_PLACE = re.compile(r"^( *)\{undo\}$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Twins:
    """A plugin of a host. In the host's own hook it has a line `{undo}`, where the printed cure goes."""

    preset: str
    needs: str
    """The module that must be installed, else the twins are skipped."""
    source: str
    path: str
    """How the holder's path begins."""
    line: int | None
    """The line of the source that made it; the first one, which is empty, counts. `None` if the host made it."""
    cure: str
    """What the cure must say."""
    by_hand: str = ""
    """The cure as a reader of the report writes it, where the report can only say in words what the host offers."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Other files beside the plugin's, such as the description that the host reads."""
    file: str = f"{PLUGIN}.py"
    is_found: bool = True
    """Whether `auto` finds the preset: not where a plugin need not import its host."""
    kind: str = "retained-generation"
    growth: str = "growing"
    after: Callable[[], object] = lambda: None
    """Called when the test is over: removes what the leaking plugin left in the process."""

    @property
    def leaking(self) -> str:
        """The source of the plugin that undoes nothing."""
        return self.cured("pass")

    def cured(self, cure: str) -> str:
        """The source with a cure in the hook."""
        return _PLACE.sub(lambda found: "\n".join(found[1] + line for line in cure.splitlines()), self.source)
