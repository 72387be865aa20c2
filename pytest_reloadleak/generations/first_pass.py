"""Remember what was alive when the first pass ended, to divide between the passes what a later diagnosis finds.

Each object of a holder was created in one round. So one diagnosis after the second pass shows both what the holder had
after the first pass and what it took in the second. Two kinds of holders need more than these birthdays. A holder that
drops its oldest objects, such as a list of the last four, no longer has those of the first pass; its present objects
then stand for those that were equally old at that time. A holder that takes the same old object again in each round
takes nothing younger; the reference counts of the old objects show this.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from pytest_reloadleak.generations.ledger import Ledger
from pytest_reloadleak.heap import collector as gc


@dataclass(frozen=True, slots=True)
class FirstPass:
    """What the ledgers knew when the first pass had settled."""

    first: int
    """The generation that was loaded first."""
    current: int
    """The newest generation of that time."""
    limit: int
    """Generations before this one were judged."""
    alive: frozenset[int] = frozenset()
    """The judged generations of which an object was alive."""
    effects: Mapping[Any, frozenset[int]] = field(default_factory=lambda: MappingProxyType({}))
    """The effects that counted, with the generations in which they were born."""
    references: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))
    """The reference counts of the judged functions and classes that were alive, by id."""
    is_suspicious: bool = False
    """Whether anything calls for a look at the heap."""

    def share(
        self, generations: Iterable[int], limit: int, gone: Collection[int], cause: Hashable = None
    ) -> dict[int, int] | None:
        """The generations that a holder had after the first pass, each with its number in the report.

        Args:
            generations: the generations that it has now.
            limit: generations before this one are judged now.
            gone: the generations that were alive after the first pass and have died since.
            cause: the effect that the holder is, if a probe saw one.

        Returns:
            Numbers in the report by present generation, without those that the second pass added; `None` if the holder
            had nothing after the first pass.
        """
        now = sorted(generations)
        early = {g: g for g in now if g < self.limit}
        takes_each = bool(now) and now == list(range(now[0], limit))
        if early and not (takes_each and any(generation < now[0] for generation in gone)):
            return early
        if cause is not None and cause not in self.effects:
            return early or None
        alive = self.alive | self.effects.get(cause, frozenset()) if cause is not None else self.alive
        shift = limit - self.limit
        shifted = {g: g - shift for g in now if g - shift >= self.first}
        return shifted if shifted and alive.issuperset(shifted.values()) else early or None

    def gained(self, ledger: Ledger) -> dict[int, int]:
        """The number of references that functions and classes of the first pass gained since, by id; without zeros."""
        now = references(ledger, self.limit)
        more = {key: count - self.references.get(key, count) for key, count in now.items()}
        return {key: count for key, count in more.items() if count > 0}

    def reported(self, generation: int, limit: int) -> int:
        """The number of a present generation in the report; those of the second pass stand for those of the first."""
        return generation if generation < self.limit else generation - (limit - self.limit)

    def is_new(self, generation: int, limit: int) -> bool:
        """Whether a live generation has no counterpart in the first pass, so that it may still die when it settles."""
        return generation not in self.alive and generation - (limit - self.limit) not in self.alive


def references(ledger: Ledger, limit: int) -> dict[int, int]:
    """The reference counts of the functions and classes from before generation `limit` that are alive, by id."""
    found = {}
    for birth in ledger.births:
        for table in (birth.functions, birth.classes) if birth.generation < limit else ():
            for key, reference in table.items():
                o = reference()
                if o is not None:
                    found[key] = gc.getrefcount(o)
    return found
