"""Number objects when they are first seen, so that a new object at the address of a dead one is not mistaken for it."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pytest_reloadleak.model import Held


@dataclass(slots=True, eq=False, repr=False)
class Serial:
    """What is remembered of an object: values and a weak reference."""

    number: int
    is_dated: bool
    """Whether a round saw it first. An object that only an inspection found may be older."""
    reference: weakref.ref[Any]
    name: str = ""
    held: Held | None = None
    """The target's object that it was made of when it was first seen."""
    generation: int | None = None
    """The newest generation at that time; `None` if no round saw it."""


class Serials:
    """Numbers of the objects seen so far. Their types must support weak references."""

    def __init__(self) -> None:
        self._known: dict[int, Serial] = {}
        self._numbers = itertools.count(1)

    def of(self, o: Any, *, is_dated: bool, first: Callable[[Serial], None] | None = None) -> Serial:
        """What is remembered of an object. For a new one, `is_dated` says if a round sees it, and `first` adds more."""
        known = self._known.get(id(o))
        if known is not None and known.reference() is o:
            return known
        new = Serial(next(self._numbers), is_dated, weakref.ref(o))
        self._known[id(o)] = new
        if first is not None:
            first(new)
        return new

    def alive(self) -> list[tuple[Any, Serial]]:
        """The objects that are still alive. Forgets the others."""
        found = [(serial.reference(), serial) for serial in self._known.values()]
        alive = [(o, serial) for o, serial in found if o is not None]
        self._known = {id(o): serial for o, serial in alive}
        return alive

    def clear(self) -> None:
        """Forget everything."""
        self._known.clear()
