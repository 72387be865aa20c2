"""Find sub-interpreters. Each has modules and megabytes of its own, and ends only when the program destroys it.

The module that creates them lists them, if it is loaded. Its name is undocumented and differs between versions.
"""

from __future__ import annotations

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
        """Their numbers. No number is used twice."""
        for module in _MODULES:
            list_all = foreign.namespace(module).get("list_all")
            if list_all is not None:
                # Since 3.13 a pair: the number, and what created it.
                return [(int(one[0] if type(one) is tuple else one),) for one in list_all()]
        return ()

    def effects(self) -> list[Effect]:
        """Every interpreter except the main one."""
        return [_effect(number) for (number,) in self.identities() if number]


def _effect(number: int | str) -> Effect:
    return Effect(
        (number,),
        _CAUSE,
        details=(f"interpreter {number}",),
        advice="destroy the interpreter on unload; nothing else does",
    )
