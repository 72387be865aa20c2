"""What accumulates that is of no generation: the containers that every settled round leaves larger, and who has them.

Lists of plain data hold no old code, so no birthday tells that they are old. What tells is their length, by identity: a
container that was there before the first settled round and is longer after each of them. That needs a look at every
container of the heap, so it is done only once the process's own numbers have grown.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from itertools import compress, filterfalse
from typing import Any, NamedTuple

from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import foreign, references
from pytest_reloadleak.holders import sweep_order
from pytest_reloadleak.holders.runner_noise import is_noise, notes
from pytest_reloadleak.holders.search import Search
from pytest_reloadleak.holders.sizes import own_size
from pytest_reloadleak.holders.sweep import Arrival, Cause
from pytest_reloadleak.holders.trace import runners, without_numbers
from pytest_reloadleak.model import Holder

_SLICE = 64
"""Objects that are asked at once for what they refer to."""


class _Kind(NamedTuple):
    """A type of container, and how it is asked without asking a subclass."""

    base: type
    length: Callable[[Any], int]
    items: Callable[[Any], Iterable[tuple[Any, ...]]]


_KINDS = (
    _Kind(dict, dict.__len__, dict.items),
    _Kind(list, list.__len__, lambda o: zip(list.__iter__(o), strict=True)),
    _Kind(set, set.__len__, lambda o: zip(set.__iter__(o), strict=True)),
    _Kind(deque, deque.__len__, lambda o: zip(deque.__iter__(o), strict=True)),
)


Frames = tuple[tuple[str, int], ...]
"""File and line of each frame, the innermost first."""


class Accumulation(NamedTuple):
    """A container that every settled round left larger."""

    holder: Holder
    trace: tuple[str, ...]
    per_round: float
    """Items that a round adds, on average."""
    is_tracked: bool
    """Whether what was added are objects that the collector tracks, rather than text, numbers, bytes."""
    bytes_per_round: float
    """Size of what a round adds, with what only that has."""
    objects_per_round: float
    """How many tracked objects that is."""
    bound: int | None
    """How many items it takes at most; `None` if nothing is known to limit it."""
    frames: Frames = ()
    """Where what was added last was allocated; empty if that is not known."""


class Growing:
    """Watches the lengths of the process's containers. It holds ids and numbers only."""

    def __init__(self) -> None:
        self._first: dict[int, int] = {}
        """Lengths before the first round, by id: of those that every round so far left larger."""
        self._last: dict[int, int] = {}
        self._rounds = -1
        self._frames: dict[int, Frames] = {}
        self._owners: set[int] = set()
        """Ids of who has the untracked dicts that grew, so that the heap need not be searched for them each time."""
        self.notes: tuple[str, ...] = ()
        """What of the test runner's each round left larger, which is no leak."""

    def note(self) -> None:
        """Note a settled round; the first call is the state before them."""
        if self._rounds < 0:
            self._first = self._last = {id(o): length for o, length in _containers()}
            self._rounds = 0
        else:
            self._longer(rounds=1)

    def note_traced(self, rounds: int, frames_of: Callable[[Iterable[object]], Frames]) -> None:
        """Note some rounds at once, and where what was added last was allocated.

        Once for all of them, as a look at the heap takes ten times as long while allocations are traced: it makes a
        number of each object.

        Args:
            rounds: how many there were.
            frames_of: tells where the first of some objects that was traced was allocated.
        """
        for o, length in self._longer(rounds):
            added = _newest(o, length - self._first[id(o)])
            inner = [part for item in added for part in gc.get_referents(item)]
            self._frames[id(o)] = frames_of([*reversed(added), *inner])

    def _longer(self, rounds: int) -> list[tuple[Any, int]]:
        """Keep those that are longer after so many more rounds."""
        known = self._last
        found = [(o, length) for o, length in _wanted(known, self._owners) if length > known[id(o)]]
        self._last = {id(o): length for o, length in found}
        self._first = {key: self._first[key] for key in self._last}
        self._rounds += rounds
        return found

    def found(self, search: Search, listed: Container[int]) -> list[Accumulation]:
        """Those that each round so far left larger, as far as the program's own roots lead to them.

        Args:
            search: for the roots, and the tool's own objects.
            listed: ids of those that probes list, who know better whose entries they have.
        """
        if self._rounds < 1:
            return []
        search.ask_runner()
        sinks = {id(o): o for o, _ in _wanted(self._last, self._owners)}
        own = [*search.own_objects(), self, self.__dict__, sinks]
        sweep = sweep_order.sweep_of(search, own, sinks)
        out: dict[tuple[str, ...], Accumulation] = {}
        theirs: list[tuple[Cause, str]] = []
        try:
            waiting = sweep.arrivals()
            seen: set[int] = set()
            while waiting:
                for arrival in waiting:
                    key = id(arrival.path[-1])
                    more = self._last[key] - self._first[key]
                    cause = _runners_cause(arrival, more, search)
                    if key not in seen and cause is not None:
                        theirs.append((cause, "more with each round"))
                    elif not (key in seen or key in listed or _is_weak(arrival.path[-1], more)):
                        found = self._told(arrival, more, search)
                        out.setdefault(found.trace, found)
                    seen.add(key)
                sweep.enter(waiting)
                waiting = sweep.arrivals()
        finally:
            sweep.close()
            sinks.clear()
        self.notes = notes(theirs)
        return sorted(out.values(), key=lambda a: (-a.bytes_per_round, a.trace))

    def _told(self, arrival: Arrival, more: int, search: Search) -> Accumulation:
        container = arrival.path[-1]
        added = _newest(container, more)
        names = tuple(without_numbers(search.rename(name)) for _, name, _ in references.folded(arrival.path))
        root = arrival.root
        objects, size_bytes = own_size(added)
        return Accumulation(
            holder=Holder(
                root=root.kind,
                path=f"{search.rename(root.path)}{''.join(names)}[*]",
                type=foreign.type_name(container),
            ),
            trace=(search.rename(root.label), *names, "[*]"),
            per_round=round(more / self._rounds, 2),
            is_tracked=any(gc.is_tracked(o) for o in added),
            bytes_per_round=round(size_bytes / self._rounds, 1),
            objects_per_round=round(objects / self._rounds, 1),
            bound=_bound(arrival.path),
            frames=self._frames.get(id(container), ()),
        )


def _runners_cause(arrival: Arrival, more: int, search: Search) -> Cause | None:
    """The part of what runs the tests that fills a container, or keeps it until the test is over."""
    cause = arrival.root.cause or search.noise.cause_of_kept(arrival.path[-1])
    cause = cause or search.noise.cause_of_items(_items(arrival.path[-1], more))
    cause = cause or search.noise.cause_of_place(arrival) or runners(arrival, search)
    return cause if is_noise(cause) else None


def _containers() -> Iterator[tuple[Any, int]]:
    """Lists, dicts, sets and deques with their lengths; of those that the collector does not track, dicts of atoms.

    One pair at a time: thousands of them would fill the interpreter's free lists, and look like growth.
    """
    kinds: dict[int, _Kind | None] = {}
    tracked = gc.get_objects()
    for o in tracked:
        cls = type(o)
        if id(cls) not in kinds:
            kinds[id(cls)] = _kind_of(cls)
        kind = kinds[id(cls)]
        if kind is not None and o is not tracked:
            yield o, kind.length(o)
    if _HAS_UNTRACKED_DICTS:
        for o in _untracked_dicts(tracked):
            yield o, len(o)


def _wanted(ids: Mapping[int, int], owners: set[int]) -> Iterator[tuple[Any, int]]:
    """Those of these ids.

    Args:
        ids: what is asked for.
        owners: ids of who may refer to those that are not tracked; empty if that is not known, and filled then.
    """
    tracked = gc.get_objects()
    missing = set(ids)
    for o in _with_ids(tracked, ids):
        kind = _kind_of(type(o))
        if kind is not None:
            missing.discard(id(o))
            yield o, kind.length(o)
    if not (_HAS_UNTRACKED_DICTS and missing):
        return
    near = _with_ids(tracked, owners) if owners else tracked
    for o in _untracked_dicts(near, missing, owners):
        yield o, len(o)


def _with_ids(objects: list[Any], ids: Container[int]) -> list[Any]:
    """Those objects that have one of some ids, picked without a line of Python for each."""
    return list(compress(objects, map(ids.__contains__, map(id, objects))))


_HAS_UNTRACKED_DICTS = not gc.is_tracked({})
"""Up to 3.13 the collector does not track a dict of nothing but atoms."""


def _untracked_dicts(
    tracked: list[Any], ids: set[int] | None = None, owners: set[int] | None = None
) -> Iterator[dict[Any, Any]]:
    """The dicts of atoms that tracked objects refer to; some more than once.

    Args:
        tracked: the objects.
        ids: of the dicts that are asked for; `None` for all.
        owners: takes the ids of those who have them.
    """
    askable = [o for o in tracked if not foreign.is_module(o)]
    for at in range(0, len(askable), _SLICE):
        some = askable[at : at + _SLICE]
        referents = gc.get_referents_of_all(*some)
        if ids is None:
            yield from (o for o in filterfalse(gc.is_tracked, referents) if type(o) is dict)
        elif not ids.isdisjoint(map(id, referents)):
            yield from (o for o in referents if id(o) in ids and type(o) is dict)
            if owners is not None:
                owners.update(id(o) for o in some if not ids.isdisjoint(map(id, gc.get_referents_of_all(o))))


def _kind_of(cls: type) -> _Kind | None:
    return next((kind for base in foreign.mro(cls) for kind in _KINDS if kind.base is base), None)


def _items(container: Any, count: int) -> list[tuple[Any, ...]]:
    """The last items, pairs of a dict, where the container has an order; else any."""
    kind = _kind_of(type(container))
    assert kind is not None
    return list(kind.items(container))[-count:]


def _newest(container: Any, count: int) -> list[Any]:
    """What was added last."""
    return [part for item in _items(container, count) for part in item]


def _is_weak(container: Any, count: int) -> bool:
    """Whether what was added last ends with something that is alive elsewhere: the data of a `WeakSet`.

    Whoever has that is the one who grows.
    """
    return all(any(map(_refers, item)) for item in _items(container, count))


def _refers(o: Any) -> bool:
    """Whether `o` is a weak reference to something that is alive."""
    return issubclass(type(o), weakref.ref) and weakref.ref.__call__(o) is not None


def _bound(path: tuple[Any, ...]) -> int | None:
    """The number of items to which a container is limited by who made it."""
    container = path[-1]
    if type(container) is deque:
        return container.maxlen
    return references.maxsize(path[-2]) if len(path) > 1 else None
