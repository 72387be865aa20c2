"""What a search for holders answers, as values that hold no object of the program."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from pytest_reloadleak.holders.sweep import Cause
from pytest_reloadleak.model import Held, Holder

GRACE = 1
"""Rounds by which a generation may outlive its replacement: somebody may be mid-flight (Erlang's two generations)."""
UNLOADED = -1
"""The grace of a target that was unloaded: even its last generation must be gone."""


class Retention(NamedTuple):
    """One holder of old generations, grouped over generations: everything with the same trace is one."""

    holder: Holder
    held: Held
    trace: tuple[str, ...]
    generations: tuple[int, ...]
    """Judged generations that are alive through this holder, directly or through one another."""
    items: int
    """References from the holder to the target's old objects."""
    objects: int
    size_bytes: int
    is_sole: bool
    is_binding: bool
    """Whether the reference is a name bound once: a global, class attribute, default or closure."""
    is_within: bool
    """Whether the holder belongs to the target's current generation."""
    cause: Cause | None = None
    """The effect that keeps them, if it is one; then `items` are effects."""
    is_certain: bool = True
    """Whether it is known to be the target's; otherwise its number must grow in each round to make a finding."""
    rounds: int = 0
    """In how many rounds something of it was born that is still there."""
    details: tuple[str, ...] = ()
    consequences: frozenset[int] = frozenset()
    """Ids of those of `Search.consequences` that it keeps."""
    also_retains: tuple[str, ...] = ()
    """What the effect keeps alive of old generations."""
    advice: str = ""
    cache: tuple[str, int] | None = None
    """Module and `maxsize` of the `lru_cache` through which it is held; `None` if it is held by no bounded one."""
    alike: tuple[int, int] | None = None
    """How many old objects, of how many generations, all holders of its type have of what it holds. Of several paths to
    a holder each look takes one, so there may be more below a path without there being more at all."""


class Diagnosis(NamedTuple):
    """What one look saw."""

    generations: tuple[int, ...] = ()
    """Judged generations of which something is alive that should not be."""
    retentions: tuple[Retention, ...] = ()
    consequences: Mapping[Cause, set[int]] = MappingProxyType({})
    """Ids of those of `Search.consequences` that effects keep without an old object in between."""

    skew: str | None = None
    """Which module sees which generation, where they differ."""
    current: int = 0
    """The newest generation."""
    notes: tuple[str, ...] = ()
    """What the test runner keeps, which is no leak."""

    def of_effects(self) -> Diagnosis:
        """What was seen of effects alone."""
        return self._replace(
            retentions=tuple(
                r for r in self.retentions if r.cause is not None and r.cause.kind != "patched-global"
            ),
        )
