"""Number objects as they are first seen, so that one that has the address of a dead one is not taken for it."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pytest_reloadleak.model import Held


@dataclass(slots=True, eq=False, repr=False)
class Serial:
    """What is remembered of an object: values, and a weak reference."""

    number: int
    is_dated: bool
    """Whether it was first seen in a round. What a later look turned up may be older than that."""
    reference: weakref.ref[Any]
    name: str = ""
    held: Held | None = None
    """What of the target it was made of, when it was first seen."""


class Serials:
    """Numbers of the objects seen so far, of types that can be weakly referenced."""

    def __init__(self) -> None:
        self._known: dict[int, Serial] = {}
        self._numbers = itertools.count(1)

    def of(self, o: Any, *, is_dated: bool, first: Callable[[Serial], None] | None = None) -> Serial:
        """The number of an object.

        Args:
            o: the object.
            is_dated: whether a round is noted; counts for those that were not seen before.
            first: completes what is remembered of an object that was not seen before.
        """
        known = self._known.get(id(o))
        if known is not None and known.reference() is o:
            return known
        new = Serial(next(self._numbers), is_dated, weakref.ref(o))
        self._known[id(o)] = new
        if first is not None:
            first(new)
        return new

    def alive(self) -> list[tuple[Any, Serial]]:
        """Those that are still alive; the others are forgotten."""
        found = [(serial.reference(), serial) for serial in self._known.values()]
        alive = [(o, serial) for o, serial in found if o is not None]
        self._known = {id(o): serial for o, serial in alive}
        return alive

    def clear(self) -> None:
        """Forget all."""
        self._known.clear()
