"""Find containers that grow with settled rounds although their items belong to no generation.

A list of plain data holds no old code, so no birth shows that it is old. Its length does: the same container existed
before the first settled round, is longer after the last one, and longer again after the rounds that show who fills it.
This check reads every container of the heap, so it runs only after the process's own numbers have grown.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable, Container, Iterable, Mapping
from typing import Any, NamedTuple

from pytest_reloadleak.generations.instances import count_instances
from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import foreign, lengths, references
from pytest_reloadleak.heap.own_objects import is_frame_or_own_generator, is_of_tool
from pytest_reloadleak.holders.runner_noise import is_noise, notes
from pytest_reloadleak.holders.search import Search, sweep_of
from pytest_reloadleak.holders.sizes import own_size, owned_together
from pytest_reloadleak.holders.sweep import Arrival, Cause
from pytest_reloadleak.holders.trace import runner_cause, without_numbers
from pytest_reloadleak.model import Holder

_FEW = 100
"""The largest number of containers for `gc.get_referrers`, which compares each reference of the heap with each one."""

Frames = tuple[tuple[str, int], ...]
"""File and line of each frame, innermost first."""


class Accumulation(NamedTuple):
    """A container that settled rounds left longer."""

    holder: Holder
    trace: tuple[str, ...]
    per_round: float
    """Items added per round, on average."""
    is_tracked: bool
    """Whether the collector tracks any of the added items, unlike text, numbers and bytes."""
    bytes_per_round: float
    """Size of the items added per round, with everything that only they refer to."""
    bound: int | None
    """Maximum number of items; `None` if no limit is known."""
    frames: Frames = ()
    """The code that added items, or else the code that allocated the newest ones; empty if unknown."""
    is_targets: bool | None = None
    """Whether the target's own code adds items in each round; `None` if its lines were not watched."""
    is_only_targets: bool = False
    """Whether no other code was seen to add items."""
    is_emptied_later: bool = False
    """Whether a library removes its finished items later, at a time of its own."""
    unit: str = "item"
    """What is counted: `item`, or `byte` for a buffer."""
    is_plain: bool = False
    """Whether all added items are text, numbers or tuples of these."""
    has_instances: bool = False
    """Whether each round adds items that lead to a new instance of a class of the target, whichever code adds them."""


class Growing:
    """Watches the lengths of the process's containers. Holds ids and numbers only."""

    def __init__(self) -> None:
        self._first: dict[int, int] = {}
        """Lengths before the first round, by id, of the containers that grew so far."""
        self._last: dict[int, int] = {}
        self._rounds = -1
        self._frames: dict[int, Frames] = {}
        self._shares: dict[int, tuple[int, int]] = {}
        """How many items the target's code and other code added in the watched rounds, by id."""
        self._watched_rounds = 0
        self._held: list[Any] = []
        """The containers that grew. They are held between the notes, so that finding them again needs no search of the
        heap; a search for holders releases them first."""
        self._owners: set[int] = set()
        """Ids of the objects that refer to the grown untracked dicts, so that only one search covers the whole heap."""
        self.notes: tuple[str, ...] = ()
        """Notes on containers of the test runner that grow, which is no leak."""
        self.accounted: tuple[Frames, ...] = ()
        """The code that fills the containers of the test runner."""
        self.explained = 0.0
        """Tracked objects per round that only the containers found keep alive, all together."""

    def note(self, rounds: int) -> None:
        """Record the lengths after some more settled rounds; 0 records the state before all rounds.

        Afterwards this holds the containers that grew, until `release` or `found`.
        """
        if rounds:
            self._held = lengths.longer(self._last)
            self._keep(rounds, [(o, lengths.length(o)) for o in self._held])
        else:
            self._first = self._last = lengths.every()
            self._rounds = 0

    def note_traced(self, rounds: int, frames_of: Callable[[Iterable[object]], Frames]) -> None:
        """Record several rounds at once, and where the newest items were allocated.

        One call covers them all, since walking the heap creates a number for each object, which takes ten times as long
        while allocations are traced.

        Args:
            rounds: number of rounds.
            frames_of: returns where the first traced object among the given ones was allocated.
        """
        for o, length in self._keep_grown(rounds):
            added = _newest(o, length - self._first[id(o)])
            inner = [part for item in added for part in gc.get_referents(item)]
            self._frames[id(o)] = frames_of([*reversed(added), *inner])

    def candidates(self) -> list[tuple[Any, Callable[[Any], int]]]:
        """The containers that were longer at each note, with functions that read lengths; the largest growth first."""
        known, first = self._last, self._first
        self._held = [o for o, _ in self._present()]
        ordered = sorted(self._held, key=lambda o: first[id(o)] - known[id(o)])
        kinds = ((o, lengths.kind_of(type(o))) for o in ordered)
        return [(o, kind.length) for o, kind in kinds if kind is not None]

    def release(self) -> None:
        """Let go of the containers."""
        self._held = []

    def note_shares(self, rounds: int, shares: Mapping[int, tuple[int, int, Frames]]) -> None:
        """Record several rounds at once, and which code added items in them.

        Args:
            rounds: number of rounds.
            shares: by container, the number of items that the target's code added, the number that other code added,
                and the frames.
        """
        grown = self._keep_grown(rounds)
        self._shares = {id(o): shares[id(o)][:2] for o, _ in grown if id(o) in shares}
        self._frames |= {key: share[2] for key, share in shares.items() if share[2]}
        self._watched_rounds = rounds

    def _keep_grown(self, rounds: int) -> list[tuple[Any, int]]:
        """Drop the containers that did not grow in these rounds, and return the others with their lengths."""
        known = self._last
        found = [(o, length) for o, length in self._present() if length > known[id(o)]]
        self._keep(rounds, found)
        return found

    def _present(self) -> list[tuple[Any, int]]:
        """The containers that grew so far, with their present lengths."""
        if self._held:
            return [(o, lengths.length(o)) for o in self._held if id(o) in self._last]
        return list(lengths.of_ids(self._last, self._owners))

    def _keep(self, rounds: int, found: list[tuple[Any, int]]) -> None:
        self._last = {id(o): length for o, length in found}
        self._first = {key: self._first[key] for key in self._last}
        self._rounds += rounds

    def found(
        self, search: Search, listed: Container[int], emptied: Container[int] = ()
    ) -> list[Accumulation]:
        """The containers that were longer at each note and that the program's own roots reach.

        Args:
            search: provides the roots, and the tool's own objects.
            listed: ids of containers that probes list; the probes know better to whom their entries belong.
            emptied: ids of containers whose library removes finished items later.
        """
        if self._rounds < 1:
            return []
        search.ask_runner()
        sinks = {id(o): o for o, _ in self._present()}
        self.release()
        own = [*search.own_objects(), self, self.__dict__, sinks]
        for key in sinks.keys() & set(map(id, own)):
            del sinks[key]
        sweep = sweep_of(search, own, sinks, wanted=_held_by_others(sinks))
        out: dict[tuple[str, ...], Accumulation] = {}
        noise: list[tuple[Cause, str]] = []
        grown: list[tuple[Any, int]] = []
        try:
            waiting = sweep.arrivals()
            seen: set[int] = set()
            while waiting:
                for arrival in waiting:
                    key = id(arrival.path[-1])
                    more = self._last[key] - self._first[key]
                    cause = _noise_cause(arrival, more, search)
                    if key not in seen and cause is not None:
                        noise.append((cause, "more items after each round"))
                        self.accounted += (self._frames.get(key, ()),)
                    elif not (key in seen or key in listed or _is_weak(arrival.path[-1], more)):
                        found = self._accumulation(arrival, more, search)
                        found = found._replace(is_emptied_later=key in emptied)
                        out.setdefault(found.trace, found)
                        grown.append((arrival.path[-1], more))
                    seen.add(key)
                sweep.enter(waiting)
                waiting = sweep.arrivals()
        finally:
            sweep.close()
            sinks.clear()
        self.notes = notes(noise)
        # Not before the sweep has ended: until then it refers to some of them too.
        added = [o for container, more in grown for o in _newest(container, more)]
        grown.clear()
        self.explained = round(owned_together(added) / self._rounds, 1)
        return sorted(out.values(), key=lambda a: (-a.bytes_per_round, a.trace))

    def _accumulation(self, arrival: Arrival, more: int, search: Search) -> Accumulation:
        container = arrival.path[-1]
        added = _newest(container, more)
        names = tuple(without_numbers(search.rename(name)) for _, name, _ in references.folded(arrival.path))
        root = arrival.root
        kind = lengths.kind_of(type(container))
        is_buffer = kind is not None and kind.is_buffer
        size_bytes = more if is_buffer else own_size(added)[1]
        share = self._shares.get(id(container))
        return Accumulation(
            holder=Holder(
                root=root.kind,
                path=f"{search.rename(root.path)}{''.join(names)}{'' if is_buffer else '[*]'}",
                type=foreign.type_name(container),
            ),
            trace=(search.rename(root.label), *names, *([] if is_buffer else ["[*]"])),
            per_round=round(more / self._rounds, 2),
            is_tracked=any(gc.is_tracked(o) for o in added),
            bytes_per_round=round(size_bytes / self._rounds, 1),
            bound=_bound(arrival.path),
            frames=self._frames.get(id(container), ()),
            is_targets=share[0] >= self._watched_rounds if share is not None else None,
            is_plain=all(map(foreign.is_atom, added)),
            unit="byte" if is_buffer else "item",
            is_only_targets=share is not None and share[1] <= 0,
            has_instances=count_instances(added, search.ledger.owns_class) >= self._rounds,
        )


def _noise_cause(arrival: Arrival, more: int, search: Search) -> Cause | None:
    """The part of the test runner that fills a container or keeps it until the test is over; `None` if none does."""
    cause = arrival.root.cause or search.noise.cause_of_kept(arrival.path[-1])
    cause = cause or search.noise.cause_of_items(_items(arrival.path[-1], more))
    cause = cause or search.noise.cause_of_place(arrival) or runner_cause(arrival, search)
    return cause if is_noise(cause) else None


def _held_by_others(containers: dict[int, Any]) -> set[int]:
    """Ids of the containers that a sweep may meet. For one that only the tool holds, it would enter the whole heap."""
    if len(containers) > _FEW:
        return set(containers)
    found = {key for key, o in containers.items() if not gc.is_tracked(o)}
    for o in gc.get_referrers(*containers.values()):
        is_own = is_frame_or_own_generator(o) or is_of_tool(foreign.class_module(type(o)))
        if o is not containers and not is_own:
            found.update(filter(containers.__contains__, map(id, gc.get_referents(o))))
    return found


def _items(container: Any, count: int) -> list[tuple[Any, ...]]:
    """The last items of an ordered container, or any items of an unordered one; pairs for a dict."""
    kind = lengths.kind_of(type(container))
    assert kind is not None
    return list(kind.items(container))[-count:]


def _newest(container: Any, count: int) -> list[Any]:
    """The objects added last: keys and values of a dict, items of any other container."""
    return [part for item in _items(container, count) for part in item]


def _is_weak(container: Any, count: int) -> bool:
    """Whether each of the newest items has a weak reference to a live object, as in the data of a `WeakSet`."""
    # Such an item goes when that object dies, so the growth lies with the holder that keeps the object alive.
    items = _items(container, count)
    return bool(items) and all(any(map(_refers, item)) for item in items)


def _refers(o: Any) -> bool:
    """Whether `o` is a weak reference to a live object."""
    return issubclass(type(o), weakref.ref) and weakref.ref.__call__(o) is not None


def _bound(path: tuple[Any, ...]) -> int | None:
    """The number of items to which its creator limited a container."""
    container = path[-1]
    if type(container) is deque:
        return container.maxlen
    return references.maxsize(path[-2]) if len(path) > 1 else None
