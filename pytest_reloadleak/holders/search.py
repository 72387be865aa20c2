"""What a search for holders looks at, and whose references do not count."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_reloadleak.generations.ledger import Ledger
from pytest_reloadleak.generations.original import Original
from pytest_reloadleak.holders.retention import GRACE
from pytest_reloadleak.holders.runner_noise import Noise
from pytest_reloadleak.holders.sweep import Cause, Root


@dataclass(slots=True, eq=False, repr=False)
class Search:
    """Whom to look at, and whose references do not count. Lives only while the heap is looked at."""

    ledger: Ledger
    original: Original
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
        return self.original.generation if self.original.containers else None

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
