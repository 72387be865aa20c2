"""What the test runner contributes to a run, and what a run saw."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from pytest_reloadleak.effects.system.meter import Grown
from pytest_reloadleak.effects.system.process_numbers import Sample
from pytest_reloadleak.holders.container_growth import Accumulation
from pytest_reloadleak.holders.runner_noise import Noise
from pytest_reloadleak.holders.search import Look
from pytest_reloadleak.holders.sweep import Root
from pytest_reloadleak.strategies.imports.unit import Unit


@dataclass(slots=True, eq=False, repr=False)
class Surroundings:
    """What the test runner contributes to a run. The defaults suit a run without one."""

    release: Callable[[], None] = lambda: None
    """Lets go of what the runner itself keeps of the program's objects: log records, recorded warnings."""
    begun: Callable[[Unit], None] = lambda _: None
    """Called when the target is loaded, with all that will be reloaded."""
    born: Callable[[], None] = lambda: None
    """Called after each reload, before the exercise: refreshes the test module's bindings."""
    unloaded: Callable[[], None] = lambda: None
    """Called when the last generation was dropped: puts the test module's bindings back."""
    spared: Callable[[], Iterable[dict[str, Any]]] = list
    """Namespaces whose bindings of the original generation are the caller's own."""
    roots: Callable[[], list[Root]] = list
    """Further roots with names that a reader knows, such as fixtures."""
    keepers: Callable[[], Noise] = Noise
    """What the runner and its plugins keep until the test is over, and cannot let go of."""
    own: list[object] = field(default_factory=list)
    """Objects of the tool's that hold the original generation for the test, and are no holders."""
    is_interruptible: bool = True
    """Whether a `KeyboardInterrupt` is the user's, who wants the whole run to end, or else the target's doing."""


@dataclass(slots=True, eq=False, repr=False)
class Seen:
    """What a run saw: values only."""

    first: Look = field(default_factory=Look)
    second: Look | None = None
    unloaded: Look | None = None
    """What was left when the target had been unloaded; `None` if that was not asked for."""
    blind: list[str] = field(default_factory=list)
    """What could not be looked at, and why."""
    samples: list[Sample] = field(default_factory=list)
    grown: Grown = field(default_factory=Grown)
    """What every round of the second pass left of the process's numbers."""
    accumulations: list[Accumulation] = field(default_factory=list)
    """What these rounds left larger, if the numbers grew."""
    files: tuple[str, ...] = ()
    """The target's source files, if they did."""
    is_alone: bool = True
    """Whether no other thread ran then."""
    not_reloaded: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    reload_s: float = 0.0
