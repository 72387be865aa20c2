"""Which objects of old generations are alive? First whether there is any, cheaply; then all of them."""

from __future__ import annotations

import types
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pytest_reloadleak.generations.earlier_checks import is_left_over
from pytest_reloadleak.generations.ledger import Ledger
from pytest_reloadleak.generations.unlisted_functions import unlisted
from pytest_reloadleak.generations.walk import site_of
from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.holders.search import Search


@dataclass(slots=True, eq=False, repr=False)
class Retained:
    """Objects of judged generations that are alive. Lives only while the heap is looked at."""

    born: dict[int, int] = field(default_factory=dict)
    """Generation by object id."""
    objects: dict[int, Any] = field(default_factory=dict)
    """The objects by id: namespaces, modules, functions, classes and instances."""

    names: dict[int, str] = field(default_factory=dict)
    """Names of those that are plain data of the target, by id."""

    held_outside: set[int] = field(default_factory=set)
    """Ids of the original generation's objects to which something outside of it refers, as the arithmetic has it."""

    ours: set[int] = field(default_factory=set)
    """Ids of what nobody but the check keeps alive, by the same arithmetic."""

    def add(self, o: Any, generation: int) -> None:
        """Take an object in."""
        self.born[id(o)] = generation
        self.objects[id(o)] = o


def old_classes(ledger: Ledger, limit: int, but: int | None) -> list[tuple[type, int]]:
    """Classes of the unit that are alive and were born before generation `limit`.

    Walks the tree of live classes rather than the heap: about 5 ms where there are 15,000 of them.
    """
    out = []
    seen: set[int] = set()
    stack: list[type] = [object]
    while stack:
        for cls in foreign.subclasses(stack.pop()):
            if id(cls) in seen:
                continue
            seen.add(id(cls))
            stack.append(cls)
            if ledger.owns_class(cls):
                generation = ledger.born(cls)
                if generation is not None and generation < limit and generation != but:
                    out.append((cls, generation))
    return out


def is_suspicious(search: Search) -> bool:
    """Whether any judged generation has something alive, without a pass over the heap when none has.

    The original generation is judged elsewhere.
    """
    ledger, limit, but = search.ledger, search.limit, search.kept
    if ledger.older(limit, but=but) or any(
        m.generation < limit and m.generation != but for m in ledger.markers.alive()
    ):
        return True
    if old_classes(ledger, limit, but):
        return True
    return bool(search.shared) and any(True for _ in _old_unlisted(search))


_OURS = 2
"""Containers of the check that hold a shared namespace while it looks: the search's, and a list of the shared."""


def _old_unlisted(search: Search) -> Iterator[tuple[types.FunctionType, int]]:
    """Old functions among those that no walk saw.

    A `def` is one code object per execution of the module, so as many live code objects of one definition as there are
    live generations of it. Where nothing dates them, all but two are old: the newest and the one within the grace.
    """
    ledger, limit, but = search.ledger, search.limit, search.kept
    undated: dict[tuple[object, ...], dict[int, list[types.FunctionType]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for function in unlisted(ledger, search.shared, _OURS + search.original.count()):
        generation = ledger.born(function)
        if generation is None:
            code = function.__code__
            undated[site_of(code)][id(code)].append(function)
        elif generation < limit and generation != but:
            yield function, generation
    for by_code in undated.values():
        old = list(by_code.values())[: len(by_code) - 1 - search.grace]
        for age, functions in enumerate(reversed(old), start=1):
            for function in functions:
                yield function, limit - age


def gather(search: Search, original: list[Any] | None) -> Retained:
    """Every live object of the judged generations: one pass over the heap.

    Args:
        search: whom to look at.
        original: the original generation's own objects as far as known if it is to be judged, else `None`.
    """
    ledger, limit, but = search.ledger, search.limit, search.kept
    retained = Retained()
    for o in original or ():
        retained.add(o, ledger.births[0].generation)
    for namespace, generation in _old_namespaces(ledger, limit, but):
        retained.add(namespace, generation)
    for cls, generation in [*old_classes(ledger, limit, but), *ledger.live_classes(limit, but)]:
        retained.add(cls, generation)
    for function, generation in _old_unlisted(search) if search.shared else ():
        retained.add(function, generation)
    homes = set(map(id, search.shared))
    known = -1
    while known < len(known_classes := [o for o in retained.objects.values() if foreign.is_class(o)]):
        # Classes that a `__del__` resurrected show in this pass, their instances in the next.
        known = len(known_classes)
        for o in _candidates(retained, ledger, homes):
            found = _dated(o, retained, ledger, homes)
            if (
                found is not None
                and found < limit
                and (found != but or (original is not None and not is_left_over(o)))
            ):
                retained.add(o, found)
    return retained


def _old_namespaces(ledger: Ledger, limit: int, but: int | None) -> Iterator[tuple[dict[str, Any], int]]:
    markers = [m for m in ledger.markers.alive() if m.generation < limit and m.generation != but]
    for o in gc.get_referrers(*markers) if markers else ():
        marker = ledger.markers.of(o)
        if (
            marker is not None
            and marker.generation < limit
            and marker.generation != but
            and ledger.markers.is_home(o)
        ):
            yield o, marker.generation


def _candidates(retained: Retained, ledger: Ledger, shared: set[int]) -> list[Any]:
    """What `_dated` may date, and little else: the only pass over the whole heap.

    Most of what has one of these types is a function, and of those nearly all have nothing to do with the target.
    """
    homes, codes = shared | retained.born.keys(), ledger.codes()
    kinds = {
        id(types.FunctionType),
        id(types.ModuleType),
        id(type),
        *ledger.module_types(),
        *retained.objects,
    }
    function = types.FunctionType
    return [
        o
        for o in gc.get_objects()
        if id(type(o)) in kinds
        and (type(o) is not function or id(o.__code__) in codes or id(o.__globals__) in homes)
    ]


def _dated(o: Any, retained: Retained, ledger: Ledger, shared: set[int]) -> int | None:
    """Generation of a function, module or instance; `None` if it is not the unit's, or known already."""
    if id(o) in retained.born:
        return None
    if type(o) is types.FunctionType:
        home = id(o.__globals__)
        return ledger.born(o) if home in shared or ledger.knows_code(o) else retained.born.get(home)
    if foreign.is_class(o):
        return ledger.born(o) if ledger.owns_class(o) else None
    of_class = retained.born.get(id(type(o)))
    return of_class if of_class is not None else retained.born.get(id(foreign.module_dict(o)))
