"""What a probe is, and the values in which it answers. A probe observes; it never judges."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pytest_reloadleak.holders.sweep import Cause
from pytest_reloadleak.model import Held

Identity = tuple[int | str, ...]
"""What tells one effect from another for as long as it lives. No object: the tool holds nothing that it measures."""


@dataclass(slots=True, eq=False, repr=False)
class Effect:
    """One effect that is alive. Lives only while the process is looked at."""

    identity: Identity
    cause: Cause
    """Kind, registry and own name: effects with an equal one are one finding."""
    values: tuple[Any, ...] = ()
    """What the effect is made of, the effect itself first: swept for what it keeps alive, and asked whose it is."""
    also: tuple[Any, ...] = ()
    """What it refers to besides, such as the locals of its frames: swept, but others may reach it as well."""
    idents: frozenset[int] = frozenset()
    """The thread that the effect is: its frames' locals are its."""
    held: Held | None = None
    """What of the target it belongs to, where the probe knows more than `values` tell (a watched registration)."""
    generation: int | None = None
    """The generation that it belongs to, where the probe knows."""
    is_certain: bool = False
    """Whether the probe knows that the target made it."""
    ends_with_owner: bool = False
    """Whether it ends once nobody has `values[0]` any more, as a file that the collector closes: whoever keeps that is
    then the cause, and this its consequence."""
    bars: bool = True
    """Whether whoever reaches `values` by another way reaches them because of the effect. An entry that is also a
    global of some module is reached through that module."""
    details: tuple[str, ...] = ()
    """Further lines for the report, such as a thread's present stack."""
    advice: str = ""


class Scope(NamedTuple):
    """What a probe may ask of the run."""

    owns: Callable[[str], bool]
    """Whether a module name belongs to the target's unit."""
    generation: Callable[[], int]
    """The generation that was born last."""
    rename: Callable[[str], str] = str
    """The stable form of a text in which module names occur."""
    born: Callable[[object], int | None] = lambda _: None
    """The generation of an object of the target's; `None` if that is not known."""


class Probe:
    """Observes one kind of effect. Subclasses define at least `identities` and `effects`.

    The calls come in this order: `begin`, then per round `identities`, after the last round `effects` and
    `containers`, at last `end`, whatever happened before.
    """

    name = ""
    """As `probes=` and `--reload-leak-probes` spell it."""
    kinds: tuple[str, ...] = ()
    """Kinds of finding that it may lead to."""
    is_transient = False
    """Whether what it sees may end by itself within a moment, such as a thread that was told to stop."""

    judges_older = True
    """Whether an effect from before the run may be a finding: a thread that the first generation started. What such a
    thread is made of tells; a descriptor's number tells nothing."""

    def begin(self, scope: Scope) -> None:
        """Start to observe, before the target's first generation is loaded."""
        self.scope = scope

    def identities(self) -> Iterable[Identity]:
        """What is there now, as cheaply as can be: asked in each round."""
        return ()

    def effects(self) -> list[Effect]:
        """What is there now, in full."""
        return []

    def containers(self) -> Iterable[object]:
        """Objects that merely list the effects: not the holders of what they list."""
        return ()

    def watched(self) -> Mapping[int, Cause]:
        """Causes by the ids of what was registered where only C holds it."""
        return {}

    def collected(self, gone: Iterable[Identity]) -> Iterable[str]:
        """What to note of effects that were there when the process began to settle, and were not when it had."""
        del gone
        return ()

    def blind(self) -> str | None:
        """What it could not see and why, in one sentence; `None` if it saw all there is to see."""
        return None

    def end(self) -> None:
        """Undo whatever `begin` did, and let go of everything."""
