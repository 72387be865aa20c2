"""Define the results of a search for holders, as values that hold no object of the program."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from pytest_reloadleak.holders.sweep import Cause
from pytest_reloadleak.model import Cost, Held, Holder

GRACE = 1
"""Rounds by which a generation may outlive its replacement: code may still be running (Erlang's two generations)."""
UNLOADED = -1
"""The grace of an unloaded target: even its last generation must be gone."""


class Place(NamedTuple):
    """One line of a stack."""

    file: str
    line: int
    function: str
    rank: int | None
    """0 for the target's code, 1 for other first-party code, 2 for other code of the project; `None` for any other."""


Stack = tuple[Place, ...]
"""The innermost line first."""


class Later(NamedTuple):
    """What a second pass added to a holder."""

    items: int = 0
    generations: frozenset[int] = frozenset()
    rounds: int = 0


class Retention(NamedTuple):
    """One holder of old generations; all references with the same trace, over all generations, are one."""

    holder: Holder
    held: Held
    trace: tuple[str, ...]
    generations: tuple[int, ...]
    """Judged generations that this holder keeps alive, directly or through one another. After a second pass, those that
    it kept after the first one, to which the other numbers apply as well."""
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
    """The effect that keeps the objects, if one does; then `items` are effects."""
    is_certain: bool = True
    """Whether it certainly belongs to the target; otherwise it is a finding only if each round adds more."""
    rounds: int = 0
    """Number of rounds that created parts of it which still exist."""
    details: tuple[str, ...] = ()
    consequences: frozenset[int] = frozenset()
    """The ids in `Search.consequences` that it keeps."""
    owns: frozenset[int | tuple[str, int]] = frozenset()
    """The effects in `Search.effect_marks` that belong to the objects through which it holds old generations."""
    also_retains: tuple[str, ...] = ()
    """Objects of old generations that the effect keeps alive."""
    advice: str = ""
    cure: str | None = None
    """As `Finding.cure`; `cost` is as `Finding.cost`."""
    owner_cure: str | None = None
    """Python that also removes the owner of an effect from its holder."""
    cost: Cost | None = None
    stacks: tuple[Stack, ...] = ()
    """The stacks that made such references in the traced round, in order."""
    site_reason: str | None = None
    """Why there are no stacks; `None` if there are some, or if there was no traced round."""
    cache: tuple[str, int] | None = None
    """Module and `maxsize` of the `lru_cache` through which it is held; `None` without a bounded cache."""
    number: int | None = None
    """Its number in the diagnosis; `None` for an effect that keeps nothing."""
    together: tuple[int, ...] = ()
    """Numbers of the other retentions that keep some of these generations: only without all of them these die."""
    later: Later | None = None
    """What the second pass added; `None` where there was none."""
    present: frozenset[int] = frozenset()
    """The generations that the holder has now in place of `generations`, if it has dropped some of these."""


class Table(NamedTuple):
    """A container that holds an effect's object for each of several generations."""

    path: str
    """As `Holder.path`: `host.threads[*]`."""
    cure: str | None
    """Python that removes the present generation's object from it."""


class EffectOwners(NamedTuple):
    """What keeps or owns the objects of effects, by the effects' cause."""

    tables: Mapping[Cause, tuple[Table, ...]] = MappingProxyType({})
    """The tables of the program that keep them."""
    pools: Mapping[Cause, int] = MappingProxyType({})
    """The pools of the target that own them; each has a number."""


class Diagnosis(NamedTuple):
    """What one diagnosis found."""

    generations: tuple[int, ...] = ()
    """Judged generations of which something is retained."""
    retentions: tuple[Retention, ...] = ()
    consequences: Mapping[Cause, set[int]] = MappingProxyType({})
    """The ids in `Search.consequences` that effects keep without an old object in between."""
    skew: str | None = None
    """Which module sees which generation, if they differ."""
    current: int = 0
    """The newest generation."""
    effect_owners: EffectOwners = EffectOwners()
    """What keeps or owns the objects of effects."""
    notes: tuple[str, ...] = ()
    """What the test runner keeps, which is no leak."""
    hook: str = ""
    """The hook of the target's host for the cure; empty if the host is not known."""

    def of_effects(self) -> Diagnosis:
        """This diagnosis with its effects only, without patched globals."""
        return self._replace(
            retentions=tuple(
                r for r in self.retentions if r.cause is not None and r.cause.kind != "patched-global"
            ),
        )
