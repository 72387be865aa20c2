"""Whom to look at, and the values in which a look answers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from pytest_reloadleak.generations.ledger import Ledger
from pytest_reloadleak.generations.original import Parked
from pytest_reloadleak.holders.runner_noise import Noise
from pytest_reloadleak.holders.sweep import Cause, Root
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
    """Ids of those of `Scene.consequences` that it keeps."""
    also_retains: tuple[str, ...] = ()
    """What the effect keeps alive of old generations."""
    advice: str = ""
    cache: tuple[str, int] | None = None
    """Module and `maxsize` of the `lru_cache` through which it is held; `None` if it is held by no bounded one."""
    alike: tuple[int, int] | None = None
    """How many old objects, of how many generations, all holders of its type have of what it holds. Of several paths to
    a holder each look takes one, so there may be more below a path without there being more at all."""


class Look(NamedTuple):
    """What one look saw."""

    generations: tuple[int, ...] = ()
    """Judged generations of which something is alive that should not be."""
    retentions: tuple[Retention, ...] = ()
    consequences: Mapping[Cause, set[int]] = MappingProxyType({})
    """Ids of those of `Scene.consequences` that effects keep without an old object in between."""

    skew: str | None = None
    """Which module sees which generation, where they differ."""
    current: int = 0
    """The newest generation."""
    notes: tuple[str, ...] = ()
    """What the test runner keeps, which is no leak."""

    def of_effects(self) -> Look:
        """What was seen of effects alone."""
        return self._replace(
            retentions=tuple(
                r for r in self.retentions if r.cause is not None and r.cause.kind != "patched-global"
            ),
        )


@dataclass(slots=True, eq=False, repr=False)
class Scene:
    """Whom to look at, and whose references do not count. Lives only while the heap is looked at."""

    ledger: Ledger
    parked: Parked
    target: str
    """The target's name."""
    namespaces: dict[str, dict[str, Any]]
    """The target's present namespaces by module name."""
    rename: Callable[[str], str]
    """The stable form of a text in which module names occur."""
    spared: set[int] = field(default_factory=set)
    """Ids of namespaces whose bindings of the original generation are the caller's own business: the test module's,
    and those of the frames that called the check."""
    callers: set[int] = field(default_factory=set)
    """Ids of the frames that called the check: their locals are likewise their own business."""
    extra_roots: list[Root] = field(default_factory=list)
    keepers: Callable[[], Noise] = Noise
    """Asks the test runner what it and its plugins keep until the test is over; a pass over the heap."""
    noise: Noise = field(default_factory=Noise)
    """What they answered, once somebody had to know: see `ask_runner`."""
    is_runner_asked: bool = False
    skip: list[Any] = field(default_factory=list)
    """The tool's own objects, which are not entered."""
    ignored: list[Any] = field(default_factory=list)
    """Objects of the program's that are not entered, since what they hold is expected."""
    effects: list[Root] = field(default_factory=list)
    """Effects that may be the target's."""
    has_findings: bool = False
    """Whether some of them are findings already, whatever they keep; the others matter only if something is kept."""
    consequences: set[int] = field(default_factory=set)
    """Ids of what owns an effect that ends with it."""
    containers: list[Any] = field(default_factory=list)
    """What merely lists effects, and is no holder of what it lists."""
    of_effects: set[int] = field(default_factory=set)
    """Idents of the threads whose frames belong to an effect."""
    watched: dict[int, Cause] = field(default_factory=dict)
    """Ids of what was registered where nothing can be listed."""
    before: Mapping[str, Collection[str]] = field(default_factory=dict)
    """Names of each module's functions and classes from before the target was first loaded."""
    slots: dict[str, Cause] = field(default_factory=dict)
    """What the target put into registries where only one thing can stand, by the name of what it put there. An older
    one of that name, which the present one calls, is there because of it."""
    patches: dict[str, Cause] | None = None
    """Likewise what it put into attributes of others; `None` as long as nobody asked, since to tell takes long."""
    grace: int = GRACE
    """Rounds by which a generation may outlive its replacement; -1 if the last one must be gone too."""

    @property
    def limit(self) -> int:
        """Generations before this one are judged."""
        return self.ledger.current - self.grace

    @property
    def kept(self) -> int | None:
        """The generation that the check keeps, or `None` when it keeps none."""
        return self.parked.generation if self.parked.containers else None

    @property
    def shared(self) -> list[dict[str, Any]]:
        """The namespaces that several generations share."""
        return [n for n in self.namespaces.values() if self.ledger.markers.is_shared(n)]

    def ask_runner(self) -> Noise:
        """What the test runner and its plugins keep; they are asked once a look."""
        if not self.is_runner_asked:
            self.noise, self.is_runner_asked = self.keepers(), True
        return self.noise

    def own_objects(self) -> list[Any]:
        """The tool's objects from which the program's can be reached."""
        parked = self.parked
        own: list[Any] = [self, parked, parked.containers, parked.namespaces, *parked.containers, *self.skip]
        own += [self.ignored, *self.ignored, *self.noise.own_objects()]
        return own + [part for pair in parked.namespaces.values() for part in (pair, pair[1])]
