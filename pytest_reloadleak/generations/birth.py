"""What one round was seen to bear."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import Any

References = dict[int, "weakref.ref[Any]"]
"""Weak references by id. An id counts only while its reference is alive: another object may have it afterwards."""


@dataclass(slots=True, eq=False, repr=False)
class Birth:
    """What one round was seen to bear, by weak references and ids only."""

    generation: int
    functions: References = field(default_factory=dict)
    codes: References = field(default_factory=dict)
    classes: References = field(default_factory=dict)
    modules: References = field(default_factory=dict)

    def tables(self) -> tuple[References, ...]:
        """All of them."""
        return self.functions, self.codes, self.classes, self.modules


@dataclass(slots=True, eq=False, repr=False)
class Noted:
    """What is known of classes while a round is noted: ids only."""

    own: dict[str, set[int]] = field(default_factory=dict)
    """The classes that each module which was executed anew has itself."""
    made: set[int] = field(default_factory=set)
    """The classes that were seen for the first time."""


def is_in(known: References, o: object) -> bool:
    """Whether an object is one of those that are known."""
    reference = known.get(id(o))
    return reference is not None and reference() is o
