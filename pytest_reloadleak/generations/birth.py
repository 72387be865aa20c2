"""Define the record of what one round created."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pytest_reloadleak.generations.walk import Definitions

References = dict[int, "weakref.ref[Any]"]
"""Weak references by id. An id counts only while its reference is alive: another object may have it afterwards."""


@dataclass(slots=True, eq=False, repr=False)
class Birth:
    """What one round was seen to create, by weak references and ids only."""

    FUNCTIONS: ClassVar[int] = 0
    CODES: ClassVar[int] = 1
    CLASSES: ClassVar[int] = 2
    MODULES: ClassVar[int] = 3
    """Positions in `tables`."""

    generation: int
    functions: References = field(default_factory=dict)
    codes: References = field(default_factory=dict)
    classes: References = field(default_factory=dict)
    modules: References = field(default_factory=dict)

    def tables(self) -> tuple[References, ...]:
        """All four tables."""
        return self.functions, self.codes, self.classes, self.modules

    def given_to_proxies(self, found: Definitions) -> set[int]:
        """Ids of the classes and code of this birth that proxies keep in a module that was not executed again.

        A reloader of single classes or functions replaces each with a proxy. The proxy keeps the class or function that
        it replaced, to find the source again, and the newest version of it.
        """
        if not found.wrapped:
            return set()
        classes = {id(cls) for cls in found.classes if is_in(self.classes, cls)}
        codes = {id(code) for code in found.codes if is_in(self.codes, code)}
        return (classes | codes) & found.wrapped


@dataclass(slots=True, eq=False, repr=False)
class RoundClasses:
    """What is known about classes while a round is noted, by ids only."""

    own: dict[str, set[int]] = field(default_factory=dict)
    """The classes of each module whose code ran in the round, by module name."""
    made: set[int] = field(default_factory=set)
    """The classes that no earlier round saw."""


def is_in(known: References, o: object) -> bool:
    """Whether `o` is one of the known objects."""
    reference = known.get(id(o))
    return reference is not None and reference() is o


def living(known: References, newer: list[References]) -> int:
    """How many of the known objects are alive and not among the newer ones."""
    alive = (o for reference in known.values() if (o := reference()) is not None)
    return sum(1 for o in alive if not any(is_in(others, o) for others in newer))


def module_types(births: list[Birth]) -> set[int]:
    """Ids of the types of the unit's module objects: a module may give itself a class of its own."""
    modules = [reference() for birth in births for reference in birth.modules.values()]
    return {id(type(module)) for module in modules if module is not None}


def pruned(births: list[Birth], more: tuple[References, ...]) -> list[Birth]:
    """Drop dead objects from all tables, and from the births what later ones make needless.

    Args:
        births: all births in order, at least one. Their tables are changed.
        more: other tables of the same kind, which are changed as well.

    Returns:
        The births that are still needed.
    """
    for table in (*more, *(t for birth in births for t in birth.tables())):
        _drop(table, {key for key, reference in table.items() if reference() is None})
    _prune_between(births)
    # The first birth proves that there were others before the current one, which is the last.
    ends = {id(births[0]), id(births[-1])}
    return [birth for birth in births if id(birth) in ends or any(birth.tables())]


def _prune_between(births: list[Birth]) -> None:
    """Drop what the last round saw from all births between it and the first that saw it: it is current anyway."""
    last = births[-1].tables()
    known: tuple[set[int], ...] = tuple(set() for _ in last)
    for birth in births[:-1]:
        for seen, table, present in zip(known, birth.tables(), last, strict=True):
            both = table.keys() & present.keys()
            _drop(table, both & seen)
            seen.update(both)


def _drop(table: References, keys: set[int]) -> None:
    """Remove entries with the room that they take.

    A dict from which entries are deleted keeps its size. Five rounds of a module of 10,000 functions left 2 MB in such
    tables, which looked like a leak of the target.
    """
    if keys:
        rest = {key: reference for key, reference in table.items() if key not in keys}
        table.clear()
        table.update(rest)


class Firsts:
    """The births that first saw the objects of a table: a cache, since a long run has many births."""

    def __init__(self) -> None:
        self._known: dict[int, dict[int, tuple[weakref.ref[Any], int]]] = {}

    def clear(self) -> None:
        """Empty the cache. Call it when a birth is added, changed or removed."""
        self._known.clear()

    def of(self, o: object, births: list[Birth], table: int) -> int | None:
        """The generation that first saw an object; `None` if none did.

        Args:
            o: the object.
            births: all births in order, which stay the same until `clear`.
            table: position of the table in `Birth.tables`.
        """
        if table not in self._known:
            found = self._known[table] = {}
            for birth in births:
                for key, reference in birth.tables()[table].items():
                    # A dead reference does not date another object that has the same address now.
                    if key not in found and reference() is not None:
                        found[key] = (reference, birth.generation)
        known = self._known[table].get(id(o))
        return known[1] if known is not None and known[0]() is o else None
