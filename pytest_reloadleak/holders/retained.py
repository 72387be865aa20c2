"""Find the live objects of old generations: check cheaply whether there are any, then gather them all."""

from __future__ import annotations

import types
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pytest_reloadleak.generations.birth import module_types
from pytest_reloadleak.generations.earlier_checks import is_left_over
from pytest_reloadleak.generations.ledger import Ledger
from pytest_reloadleak.generations.original import Suspicion
from pytest_reloadleak.generations.uncollected import are_garbage
from pytest_reloadleak.generations.unlisted_functions import unlisted
from pytest_reloadleak.generations.walk import site_of
from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.heap.levels.choice import Addresses, of_types, referring
from pytest_reloadleak.holders.search import Search

_FEW = 100
"""The largest number of objects for `gc.get_referrers`, which compares each reference of the heap with each one."""


@dataclass(slots=True, eq=False, repr=False)
class Retained:
    """Live objects of judged generations. Lives only during one diagnosis."""

    born: dict[int, int] = field(default_factory=dict)
    """Generation by object id."""
    objects: dict[int, Any] = field(default_factory=dict)
    """The objects by id: namespaces, modules, functions, classes and instances."""
    names: dict[int, str] = field(default_factory=dict)
    """Names of the plain data of the target among them, by id."""
    held_outside: set[int] = field(default_factory=set)
    """Ids of the original's objects whose reference counts show references from outside it."""
    ours: set[int] = field(default_factory=set)
    """Ids of the objects that only the check keeps alive, by the same count."""

    def add(self, o: Any, generation: int) -> None:
        """Record an object and its generation."""
        self.born[id(o)] = generation
        self.objects[id(o)] = o


def old_classes(ledger: Ledger, limit: int, kept: int | None) -> list[tuple[type, int]]:
    """Live classes of the unit that were created before generation `limit`."""
    # Walking the tree of live classes, not the heap, takes about 5 ms for 15,000 classes.
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
                if generation is not None and generation < limit and generation != kept:
                    out.append((cls, generation))
    return out


def is_suspicious(search: Search) -> bool:
    """Whether an object of a judged generation other than the original is alive; if none is, without a heap pass."""
    return any(True for _ in _alive(search))


def alive_generations(search: Search) -> frozenset[int]:
    """The judged generations other than the original with a live object; if there are none, without a heap pass."""
    return frozenset(_alive(search))


def _alive(search: Search) -> Iterator[int]:
    """The generations of the live objects of judged generations other than the original; numbers may repeat."""
    ledger, limit, kept = search.ledger, search.limit, search.kept
    ledger.markers.recover(thoroughly=True)
    yield from ledger.older(limit, but=kept)
    yield from (m.generation for m in ledger.markers.alive() if m.generation < limit and m.generation != kept)
    yield from (generation for _, generation in old_classes(ledger, limit, kept))
    if search.shared:
        yield from (generation for _, generation in _old_unlisted(search))


def is_clean(search: Search) -> bool:
    """Whether only garbage is left of the judged generations other than the original; never takes a heap pass."""
    ledger, limit, kept = search.ledger, search.limit, search.kept
    ledger.markers.recover(thoroughly=True)
    if search.shared and any(True for _ in _old_unlisted(search)):
        return False
    return are_garbage(ledger, limit, kept, [cls for cls, _ in old_classes(ledger, limit, kept)])


_CHECK_REFERENCES = 2
"""Containers of the check that hold a shared namespace at that moment: the search's, and the list of them."""


def _old_unlisted(search: Search) -> Iterator[tuple[types.FunctionType, int]]:
    """Old functions among the unlisted ones."""
    # Each execution of the module creates one code object per `def`, so a definition has as many live code objects as
    # live generations. If nothing dates them, all but two are old: the newest, and the one within the grace.
    ledger, limit, kept = search.ledger, search.limit, search.kept
    undated: dict[tuple[object, ...], dict[int, list[types.FunctionType]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for function in unlisted(ledger, search.shared, _CHECK_REFERENCES + search.original.count()):
        generation = ledger.born(function)
        if generation is None:
            code = function.__code__
            undated[site_of(code)][id(code)].append(function)
        elif generation < limit and generation != kept:
            yield function, generation
    for by_code in undated.values():
        old = list(by_code.values())[: len(by_code) - 1 - search.grace]
        for age, functions in enumerate(reversed(old), start=1):
            for function in functions:
                yield function, limit - age


def gather(search: Search, original: list[Any] | None) -> Retained:
    """Gather every live object of the judged generations in one pass over the heap.

    Args:
        search: what to look for, and what to leave out.
        original: the known objects of the original generation if it is to be judged, else `None`.
    """
    ledger, limit, kept = search.ledger, search.limit, search.kept
    ledger.markers.recover(thoroughly=True)
    retained = Retained()
    for o in original or ():
        retained.add(o, ledger.births[0].generation)
    for namespace, generation in _old_namespaces(ledger, limit, kept):
        retained.add(namespace, generation)
    for cls, generation in [*old_classes(ledger, limit, kept), *ledger.live_classes(limit, kept)]:
        retained.add(cls, generation)
    for function, generation in _old_unlisted(search) if search.shared else ():
        retained.add(function, generation)
    homes = set(map(id, search.shared))
    known = -1
    while known < len(known_classes := [o for o in retained.objects.values() if foreign.is_class(o)]):
        # This pass finds classes that a `__del__` resurrected; the next one finds their instances.
        known = len(known_classes)
        for o in _candidates(retained, ledger, homes):
            found = _dated(o, retained, ledger, homes)
            if (
                found is not None
                and found < limit
                and (found != kept or (original is not None and not is_left_over(o)))
            ):
                retained.add(o, found)
    return retained


def gather_with(search: Search, suspicion: Suspicion | None) -> Retained:
    """Gather as `gather` does, with the parts of the original generation that are judged.

    Args:
        search: what to look for, and what to leave out.
        suspicion: parts of the original; `None` if the original is not judged.
    """
    retained = gather(search, suspicion.own if suspicion is not None else None)
    if suspicion is not None:
        for value in suspicion.values:
            retained.add(value, search.original.generation)
        retained.names.update(suspicion.data)
        retained.held_outside |= suspicion.outside
        retained.ours |= suspicion.ours
    return retained


def _old_namespaces(ledger: Ledger, limit: int, kept: int | None) -> Iterator[tuple[dict[str, Any], int]]:
    markers = [m for m in ledger.markers.alive() if m.generation < limit and m.generation != kept]
    for o in _referring(markers):
        marker = ledger.markers.of(o)
        if (
            marker is not None
            and marker.generation < limit
            and marker.generation != kept
            and ledger.markers.is_home(o)
        ):
            yield o, marker.generation


def _referring(markers: list[Any]) -> list[Any]:
    """The dicts that refer to markers, and perhaps other objects."""
    if len(markers) <= _FEW:
        return gc.get_referrers(*markers) if markers else []
    objects = gc.get_objects()
    dicts = of_types(objects, Addresses((id(dict),)))
    return [dicts[at] for at in referring(dicts, 0, len(dicts), Addresses(map(id, markers)))]


def _candidates(retained: Retained, ledger: Ledger, shared: set[int]) -> list[Any]:
    """Objects that `_dated` may date, and few others. This is the only pass over the whole heap."""
    # Most objects of these types are functions, nearly all of which have nothing to do with the target.
    homes, codes = shared | retained.born.keys(), ledger.codes()
    kinds = {
        id(types.FunctionType),
        id(types.ModuleType),
        id(type),
        *module_types(ledger.births),
        *retained.objects,
    }
    function = types.FunctionType
    objects = gc.get_objects()
    return [
        o
        for o in of_types(objects, Addresses(kinds))
        if type(o) is not function or id(o.__code__) in codes or id(o.__globals__) in homes
    ]


def _dated(o: Any, retained: Retained, ledger: Ledger, shared: set[int]) -> int | None:
    """Generation of a function, module or instance; `None` if it is not the unit's or is already recorded."""
    if id(o) in retained.born:
        return None
    if type(o) is types.FunctionType:
        home = id(o.__globals__)
        return ledger.born(o) if home in shared or ledger.knows_code(o) else retained.born.get(home)
    if foreign.is_class(o):
        return ledger.born(o) if ledger.owns_class(o) else None
    of_class = retained.born.get(id(type(o)))
    return of_class if of_class is not None else retained.born.get(id(foreign.module_dict(o)))
