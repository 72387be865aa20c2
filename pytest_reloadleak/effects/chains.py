"""Count timers that set themselves again: how many run at once, as nothing of one is older than its last turn.

A timer that has run is gone, and the next one calls what the name means by then: after `importlib.reload`, the new
function. So neither its age nor its code shows that an old generation began it; but after each reload one more runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from pytest_reloadleak.effects.attribution import is_owned
from pytest_reloadleak.effects.probe import Effect, Scope

_ROUNDS = 2
"""Rounds with more timers than ever before that a look is worth."""


class Chains:
    """The most timers that were pending at once, by what they call.

    Only young ones are dated, which were first seen in the present generation: the birth of any other shows its age.
    """

    def __init__(self) -> None:
        self._first: dict[str, list[int]] = {}
        """By name, the generation in which there first was one, in which there first were two, and so on."""

    def note(self, names: Iterable[str], generation: int) -> None:
        """Note the timers that are pending at a moment, each by its name."""
        for name, count in Counter(names).items():
            known = self._first.setdefault(name, [])
            known += [generation] * (count - len(known))

    @property
    def has_grown(self) -> bool:
        """Whether there were more and more of some timers."""
        return any(len(set(first)) > _ROUNDS for first in self._first.values())

    def dated(self, effects: Sequence[tuple[str, Effect]], scope: Scope) -> dict[int, Effect]:
        """The timers that earlier generations began, each with the one that did, by their numbers in `effects`.

        Args:
            effects: young timers, each with its name. Whether one calls older code is seen here.
            scope: what belongs to the target.
        """
        present: dict[str, list[int]] = {}
        out = {}
        current = scope.generation()
        for number, (name, effect) in enumerate(effects):
            own = next((o for o in effect.values if is_owned(o, scope.owns)), None)
            born = scope.born(own) if own is not None else None
            if born is None or born == current:
                present.setdefault(name, []).append(number)
            else:
                out[number] = replace(effect, generation=born)
        for name, numbers in present.items():
            left = self._left(name, len(numbers), current)
            for number, born in zip(reversed(numbers), left, strict=False):
                out[number] = replace(effects[number][1], generation=born)
        return out

    def _left(self, name: str, count: int, current: int) -> list[int]:
        """The generations that began those of `count` timers which are more than one generation begins."""
        first = self._first.get(name, [])
        # What one generation begins runs from its own round on; what is more is what the generations before it left.
        left = [born - 1 for born in first[:count] if born != first[0]]
        is_steady = bool(left) and 2 * len(set(left)) > current - first[0]
        return left if is_steady else []
