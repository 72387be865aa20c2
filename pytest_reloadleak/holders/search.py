"""Define what a sweep looks for, where it starts, and whose references do not count."""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_reloadleak.generations.first_pass import FirstPass
from pytest_reloadleak.generations.ledger import Ledger
from pytest_reloadleak.generations.original import Original
from pytest_reloadleak.heap import foreign, own_objects
from pytest_reloadleak.holders import roots
from pytest_reloadleak.holders.retention import GRACE
from pytest_reloadleak.holders.runner_noise import Noise, debuggers
from pytest_reloadleak.holders.sweep import Cause, Root, Sweep

if TYPE_CHECKING:
    from pytest_reloadleak.cures.names import Given  # only what leaks needs it


class Known(NamedTuple):
    """One reference that a diagnosis found, with the objects on its path."""

    root: Root
    path: tuple[Any, ...]
    """Objects from the root's value to the sink, both included."""
    sinks: frozenset[int]
    """Ids of the retained objects of the same generation that the same holder has, the sink included."""
    generations: frozenset[int]
    """The generations that it keeps alive."""


@dataclass(slots=True, eq=False, repr=False)
class KnownHolder:
    """One holder that a diagnosis found, with its references."""

    cause: Cause | None
    references: list[Known]
    named: int
    """Position in the trace of the reference that is named."""
    at: int | None
    """Number of steps to the reference that is named; `None` if that is the last one before the held object."""
    tops: frozenset[int]
    """Ids of the objects that the named references lead to: in a chain, each path has another number of steps."""


class KnownEffect(NamedTuple):
    """One effect that a diagnosis counted, as values."""

    probe: str
    identity: tuple[int | str, ...]
    number: int
    """Its number among the effects with the same cause, as in `Root.effect`."""
    is_counted: bool


@dataclass(slots=True, eq=False, repr=False)
class Plan:
    """What a diagnosis found, with the objects, for the trial removal that follows. Lives until that is over."""

    holders: dict[int, KnownHolder] = field(default_factory=dict)
    """By the number of the retention."""
    effects: dict[Cause, list[KnownEffect]] = field(default_factory=dict)
    living: list[tuple[int, weakref.ref[Any]]] = field(default_factory=list)
    """Weak references to what is retained, with the generation."""

    def clear(self) -> None:
        """Let go of every object."""
        self.holders.clear()
        self.effects.clear()

    def watch(self, objects: Mapping[int, Any], born: Mapping[int, int], kept: int | None) -> None:
        """Refer weakly to the retained objects, except those of the generation that the check keeps."""
        for key, o in objects.items():
            if born[key] != kept:
                with suppress(TypeError):  # a dict, or an instance that has only slots
                    self.living.append((born[key], weakref.ref(o)))


@dataclass(slots=True, eq=False, repr=False)
class Search:
    """What a sweep looks for, where it starts, and whose references do not count. Lives only during one diagnosis."""

    ledger: Ledger
    original: Original
    target: str
    """The target's name."""
    namespaces: dict[str, dict[str, Any]]
    """The target's present namespaces by module name."""
    rename: Callable[[str], str]
    """The stable form of a text in which module names occur."""
    given: Given | None = None
    """The arguments that the host passes to the target's hooks."""
    spared: set[int] = field(default_factory=set)
    """Ids of namespaces whose bindings of the original do not count: the test module's, and those of `callers`."""
    callers: set[int] = field(default_factory=set)
    """Ids of the frames that called the check; their locals do not count either."""
    extra_roots: list[Root] = field(default_factory=list)
    keepers: Callable[[], Noise] = Noise
    """Returns what the test runner and its plugins keep until the test is over. Takes a pass over the heap."""
    noise: Noise = field(default_factory=Noise)
    """The result of `keepers`; empty until `ask_runner` is called."""
    is_runner_asked: bool = False
    skip: list[Any] = field(default_factory=list)
    """The tool's own objects, which the sweep does not enter."""
    ignored: list[Any] = field(default_factory=list)
    """Objects of the program that the sweep does not enter, since their references are expected."""
    kept_alive: set[int] = field(default_factory=set)
    """Ids of effects that live only because the check keeps the original: they are no roots."""
    helpers: Callable[[], Iterable[str]] = list
    """Returns the names of helper modules, which belong to the tests."""
    told: dict[str, None] = field(default_factory=dict)
    """What the helper modules hold of the original, as notes in order: no findings, but useful to the reader."""
    ended: set[int] = field(default_factory=set)
    """Ids of the objects that finalizers of the original reach, and may remove from containers when it dies."""
    lost: list[str] = field(default_factory=list)
    """Holders that the diagnosis found but could not read, with the reason."""
    effects: list[Root] = field(default_factory=list)
    """Effects that may be the target's."""
    effect_objects: list[tuple[Cause, weakref.ref[Any]]] = field(default_factory=list)
    """The objects of effects, such as a thread, a task or an open file, including effects that end with their owner."""
    has_findings: bool = False
    """Whether some effects are findings whatever they keep alive. The others matter only if something is retained."""
    effect_marks: set[int | tuple[str, int]] = field(default_factory=set)
    """Ids of the objects of effects, and numbers of descriptors: see `holders.results.ownership`."""
    consequences: set[int] = field(default_factory=set)
    """Ids of the objects that own an effect which ends when they die."""
    containers: list[Any] = field(default_factory=list)
    """Containers that merely list effects: they do not count as holders."""
    of_effects: set[int] = field(default_factory=set)
    """Idents of the threads whose frames belong to an effect."""
    watched: dict[int, Cause] = field(default_factory=dict)
    """Causes for the objects, by id, in registries that cannot be listed."""
    before: Mapping[str, Collection[str]] = field(default_factory=dict)
    """Names of each module's functions and classes from before the target was first loaded."""
    slots: dict[str, Cause] = field(default_factory=dict)
    """Causes for the objects that the target put into registries with a single entry, by the object's name. The present
    object may call an older one of the same name, which then has the same cause."""
    patches: dict[str, Cause] | None = None
    """The same for attributes of other modules and classes; `None` until needed, since finding them takes long."""
    paths: dict[object, list[tuple[int, tuple[Any, ...]]]] | None = None
    """Receives what `grouping.paths_of` returns, with the objects; `None` where no traced round may follow."""
    first_pass: FirstPass | None = None
    """What was known after the first pass; `None` where no second one followed."""
    gained: dict[int, int] = field(default_factory=dict)
    """References that old objects have gained since, by id."""
    is_confirmed: bool = False
    """Whether the process settled by more than one collection."""
    plan: Plan | None = None
    """Receives what a trial removal needs; `None` if none follows."""
    grace: int = GRACE
    """Rounds by which a generation may outlive its replacement; -1 if the last one must be gone too."""

    def tell(self, module: str, holder: str, held: str) -> None:
        """Note what a module holds of the original, if it is one of the tests' helper modules."""
        if module in self.helpers():
            self.told[f"held by your tests: {holder} keeps {held} of before the check: not a leak"] = None

    @property
    def limit(self) -> int:
        """Generations before this one are judged."""
        return self.ledger.current - self.grace

    def reported(self, generation: int) -> int:
        """The number of a present generation in the report, which counts only the rounds of the first pass."""
        known = self.first_pass
        return generation if known is None else known.reported(generation, self.limit)

    @property
    def kept(self) -> int | None:
        """The generation that the check keeps, or `None` when it keeps none."""
        return self.original.generation if self.original.containers else None

    @property
    def shared(self) -> list[dict[str, Any]]:
        """The namespaces that several generations share."""
        return [n for n in self.namespaces.values() if self.ledger.markers.is_shared(n)]

    def set_again(self, path: Sequence[Any]) -> Cause | None:
        """The effect of a timer whose function has set the next one since: what the next one leads to belongs to it."""
        parts = set(map(id, path))
        causes = ((root.cause, id(root.value)) for root in self.effects if not root.is_further)
        return next(
            (c for c, key in causes if c is not None and c.kind == "live-timer" and key in parts), None
        )

    def timer_of(self, path: tuple[Any, ...], at: int, root: Root) -> Cause | None:
        """The effect of a running timer that the timer before it started after the probes had looked.

        The timer may be over by now. The place where the sweep found it shows that it ran when the sweep began.

        Args:
            path: the objects from the root's value to what the timer keeps.
            at: the position of the timer.
            root: where the path starts.
        """
        timer, running = path[at], vars(threading)["_active"]
        was_running = (at == 0 and root.kind in {"thread", "frame"}) or any(o is running for o in path[:at])
        if not was_running and not any(timer is thread for thread in list(running.values())):
            return None
        causes = {
            known.cause
            for known in self.effects
            if type(known.value) is type(timer) and known.cause is not None
        }
        found = [cause for cause in causes if cause.kind == "live-timer"]
        return found[0] if len(found) == 1 else None

    def lose(self, path: tuple[Any, ...], error: Exception) -> None:
        """Note that a holder could not be read. A check that then finds nothing is inconclusive.

        Args:
            path: the objects from the root to the retained one.
            error: what reading one of them raised.
        """
        kinds = " and ".join(foreign.type_name(o) for o in path[-2:])
        what = f"a holder was left out, as reading {kinds} raised {foreign.exception_text(error)}"
        if what not in self.lost:
            self.lost.append(what)

    def ask_runner(self) -> Noise:
        """What the test runner, its plugins and a debugger keep; computed once per search."""
        if not self.is_runner_asked:
            self.noise, self.is_runner_asked = self.keepers(), True
            self.noise.kept += debuggers()
        return self.noise

    def own_objects(self) -> list[Any]:
        """The tool's objects that lead to the program's."""
        original = self.original
        own: list[Any] = [
            self,
            original,
            original.containers,
            original.namespaces,
            *original.containers,
            *self.skip,
        ]
        own += [self.ignored, *self.ignored, *self.noise.own_objects()]
        return own + [part for pair in original.namespaces.values() for part in (pair, pair[1])]


def sweep_of(
    search: Search,
    own: Iterable[Any],
    sinks: dict[int, Any],
    *,
    is_enough: Callable[[set[int]], bool] = lambda _: False,
    wanted: set[int] | None = None,
) -> Sweep:
    """A sweep from all roots.

    Args:
        search: provides the effects, further roots, and the containers that merely list effects.
        own: the tool's objects, which the sweep does not enter.
        sinks: the objects to find, by id.
        is_enough: asked with the ids of those that were met: whether the sweep may end.
        wanted: ids of those of which one reference each is enough, roots among the sinks included.
    """
    barred = search.kept_alive.union(id(root.value) for root in search.effects if root.bars)
    groups = roots.collect(search.of_effects, barred, search.ledger.owns)
    withheld = {id(part) for root in groups[3] for part in (root.value, foreign.module_dict(root.value))}
    # A registered object that is also an effect is reported only as the effect.
    effects = {(root.kind, id(root.value)) for root in search.effects}
    groups[1] = [root for root in groups[1] if (root.kind, id(root.value)) not in effects]
    groups[0] = [*(root for root in search.extra_roots if not root.is_runner), *groups[0]]
    groups[-1] += [root for root in search.extra_roots if root.is_runner]
    # Effects come after the program's own roots, so that what both reach is found through the program. They come before
    # the test runner, whose traces explain the least.
    groups.insert(-1, search.effects)
    groups.insert(-1, search.noise.roots())
    groups[-1] += search.noise.runners()
    skip = {*map(id, own), *map(id, search.containers), id(search.containers), *own_objects.own_ids()}
    if wanted is not None:
        is_enough = (
            wanted | (sinks.keys() & {id(root.value) for group in groups for root in group})
        ).issubset
    return Sweep(groups, sinks, skip, {3: withheld}, is_enough=is_enough)


def is_timer(o: Any) -> bool:
    """Whether an object is a timer of `threading` or of an event loop."""
    asyncio = sys.modules.get("asyncio")
    kinds = (threading.Timer, *([vars(asyncio)["TimerHandle"]] if asyncio is not None else []))
    return any(issubclass(type(o), kind) for kind in kinds)
