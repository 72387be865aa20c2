"""Record what appeared while a round was traced, and the stack that made it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable
from typing import NamedTuple

from pytest_reloadleak.holders.retention import Stack

Blame = Callable[[], Stack]
"""Returns the stack that made what has just appeared; empty if no traced line was running."""


class Birth(NamedTuple):
    """A reference or effect that appeared, as values."""

    likeness: Hashable
    stack: Stack


class Births:
    """The references or effects that appeared since the traced round began and are still there."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: dict[tuple[object, ...], Birth] = {}

    def add(self, token: tuple[object, ...], likeness: Hashable, stack: Stack) -> None:
        """Note a birth."""
        self._found[token] = Birth(likeness, stack)

    def keep(self, present: Collection[tuple[object, ...]]) -> None:
        """Forget births that are no longer present: a file that one line opened and another closed is no leak."""
        for token in [token for token in self._found if token not in present]:
            del self._found[token]

    def items(self) -> list[tuple[tuple[object, ...], Birth]]:
        """All births that are still present, in the order in which they appeared."""
        return list(self._found.items())
