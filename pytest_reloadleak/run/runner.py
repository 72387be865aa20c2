"""Define what the test runner contributes to a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_reloadleak.effects.probe import Probe
from pytest_reloadleak.holders.runner_noise import Noise
from pytest_reloadleak.holders.sweep import Root
from pytest_reloadleak.strategies.imports.unit import Unit

if TYPE_CHECKING:
    from pytest_reloadleak.cures.names import Given  # only what leaks needs it


@dataclass(slots=True, eq=False, repr=False)
class Runner:
    """What the test runner contributes to a run. The defaults suit a run without one."""

    release: Callable[[], None] = lambda: None
    """Releases the program's objects that the runner itself keeps: log records, recorded warnings."""
    begun: Callable[[Unit], None] = lambda _: None
    """Called with the unit that will be reloaded, when the target is loaded."""
    reloaded: Callable[[], None] = lambda: None
    """Called after each reload, before the exercise: refreshes the test module's bindings."""
    loaded: Callable[[], Any] | None = None
    """Called after `reloaded` and before the exercise: does what the host does with a fresh plugin. It may be a
    coroutine function."""
    ended: Callable[[], Any] | None = None
    """Called when the check is over, before anything is put back: ends the host. It may be a coroutine function."""
    unloaded: Callable[[], None] = lambda: None
    """Called after the last generation is dropped: restores the test module's bindings."""
    spared: Callable[[], Iterable[dict[str, Any]]] = list
    """Namespaces of the caller, whose bindings to the original generation are no leak."""
    helpers: Callable[[], Iterable[str]] = list
    """Returns the names of modules that only the tests import: a report says so of holders there."""
    roots: Callable[[], list[Root]] = list
    """Returns further roots with names that a reader knows, such as fixtures."""
    given: Callable[[], Given | None] = lambda: None
    """Returns the arguments that the host passes to the plugin's own hooks, for cures."""
    hook: str = ""
    """The place for a cure, as the end of a sentence; empty if the target's imports show it."""
    undone: tuple[tuple[str, str], ...] = ()
    """Patterns of holders' paths in the host, each with what to do to release the reference."""
    keepers: Callable[[], Noise] = Noise
    """Returns what the runner and its plugins keep until the test ends and cannot release."""
    own: list[object] = field(default_factory=list)
    """The tool's own objects that keep the original generation for the test. They are not holders."""
    progress: Callable[[int, str], None] = lambda *_: None
    """Called when a step begins, with the number of the round and what is done."""
    plugins: tuple[str, ...] = ()
    """Modules of pytest's plugins, which are refused as targets."""
    probes: tuple[type[Probe], ...] = ()
    """Third-party probes."""
    is_interruptible: bool = True
    """Whether a `KeyboardInterrupt` comes from the user and ends the whole run, and does not come from the target."""
    puts_settings_back: bool = True
    """Whether to put back the settings of the process, since others run in it later. Not if the test's code reloads."""
    recognises_patches: bool = True
    """Whether to note the functions of all modules before the target is loaded, so that patches can be recognised."""
