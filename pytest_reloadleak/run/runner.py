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
    """Called when the target is loaded, with the unit that will be reloaded."""
    reloaded: Callable[[], None] = lambda: None
    """Called after each reload, before the exercise: refreshes the test module's bindings."""
    loaded: Callable[[], Any] | None = None
    """Called after that, and before the exercise: does what the host does with a fresh plugin. It may be a coroutine
    function."""
    ended: Callable[[], Any] | None = None
    """Called when the check is over, before anything is put back: ends the host. It may be a coroutine function."""
    unloaded: Callable[[], None] = lambda: None
    """Called after the last generation is dropped: restores the test module's bindings."""
    spared: Callable[[], Iterable[dict[str, Any]]] = list
    """Namespaces of the caller, whose bindings to the original generation are no leak."""
    helpers: Callable[[], Iterable[str]] = list
    """Names of modules that only the tests import: of what they hold, a report says so."""
    roots: Callable[[], list[Root]] = list
    """Further roots with names that a reader knows, such as fixtures."""
    given: Callable[[], Given | None] = lambda: None
    """What the host gives to the plugin's own hooks, for cures."""
    hook: str = ""
    """Where a cure goes, as the end of a sentence; empty where the target's imports tell."""
    undone: tuple[tuple[str, str], ...] = ()
    """How what the host holds is released: patterns of holders' paths, with what to do."""
    keepers: Callable[[], Noise] = Noise
    """What the runner and its plugins keep until the test ends and cannot release."""
    own: list[object] = field(default_factory=list)
    """The tool's own objects that keep the original generation for the test; they are not holders."""
    progress: Callable[[int, str], None] = lambda *_: None
    """Called when a step begins, with the number of the round and what is done."""
    plugins: tuple[str, ...] = ()
    """Modules of pytest's plugins, which are refused as targets."""
    probes: tuple[type[Probe], ...] = ()
    """Third-party probes."""
    is_interruptible: bool = True
    """Whether a `KeyboardInterrupt` comes from the user, to end the whole run, and not from the target."""
    puts_settings_back: bool = True
    """Whether the settings of the process are put back: others run in it later, and no code of the test reloads."""
    recognises_patches: bool = True
    """Whether the functions of all modules are noted before the target is loaded, so that patches can be told."""
