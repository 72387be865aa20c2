"""Sub-interpreters: each has modules, and megabytes, of its own, and ends only when somebody destroys it.

They are asked of the module by which the program makes them, if it is loaded. Its name differs between versions, and
none of them is documented.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from pytest_reloadleak.effects.probe import Effect, Identity, Probe
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.holders.sweep import Cause

_MODULES = ("_interpreters", "_xxsubinterpreters")
_CAUSE = Cause("registration", "interpreters", "interpreters[*]", "interpreter", "interpreters")


class Interpreters(Probe):
    """Sub-interpreters that exist."""

    name = "subinterpreters"
    kinds = ("registration",)

    def identities(self) -> Iterable[Identity]:
        """Their numbers, none of which is given twice."""
        for module in _MODULES:
            list_all = (foreign.module_dict(sys.modules.get(module)) or {}).get("list_all")
            if list_all is not None:
                # Since 3.13 a pair: the number, and who made it.
                return [(int(one[0] if type(one) is tuple else one),) for one in list_all()]
        return ()

    def effects(self) -> list[Effect]:
        """Each but the main one."""
        return [_effect(number) for (number,) in self.identities() if number]


def _effect(number: int | str) -> Effect:
    return Effect(
        (number,),
        _CAUSE,
        details=(f"interpreter {number}",),
        advice="destroy the interpreter when the code that made it is unloaded",
    )
