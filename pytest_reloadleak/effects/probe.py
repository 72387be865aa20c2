"""Define what a probe is, and the values that it returns. A probe observes; it never judges."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pytest_reloadleak.holders.retention import Stack
from pytest_reloadleak.holders.sweep import Cause
from pytest_reloadleak.model import Held

Identity = tuple[int | str, ...]
"""Distinguishes live effects. Contains no object: the tool must not keep alive what it measures."""


@dataclass(slots=True, eq=False, repr=False)
class Effect:
    """One live effect. Kept only while the process is inspected."""

    identity: Identity
    cause: Cause
    """Kind, registry and own name. Effects with equal causes are one finding."""
    values: tuple[Any, ...] = ()
    """The objects that make up the effect, its own first. The sweep starts here; one may be the target's object."""
    also: tuple[Any, ...] = ()
    """What else it refers to, such as the locals of its frames. The sweep starts here too; others may hold these."""
    idents: frozenset[int] = frozenset()
    """The ident of the thread that the effect is. The locals of its frames belong to the effect."""
    held: Held | None = None
    """The target's object that it belongs to, if the probe knows more than `values` shows (a watched registration)."""
    generation: int | None = None
    """The generation that it belongs to; `None` if the probe does not know it."""
    is_certain: bool = False
    """Whether the probe knows that the target made it."""
    ends_with_owner: bool = False
    """Whether it ends when `values[0]` dies, like an unclosed file: a consequence of what keeps that object alive."""
    watches: tuple[Any, ...] = ()
    """Objects whose death ends the effect, such as the object that a `weakref.finalize` watches."""
    bars: bool = True
    """Whether every other reference to `values` exists because of the effect. It does not for an entry that may also be
    a global of a module: that module reaches it on its own."""
    stack: Stack = ()
    """The stack that made it, if the probe knows; the innermost line is the target's."""
    details: tuple[str, ...] = ()
    """Further lines for the report, such as a thread's current stack."""
    advice: str = ""
    made_by: str = ""
    """The function that registered it, if its calls are watched, and the slot that the call filled."""
    slot: tuple[int | str, ...] = ()


class Scope(NamedTuple):
    """What a probe can find out about the run."""

    owns: Callable[[str], bool]
    """Whether a module name belongs to the target's unit."""
    generation: Callable[[], int]
    """The newest generation."""
    rename: Callable[[str], str] = str
    """The stable form of a text that contains module names."""
    born: Callable[[object], int | None] = lambda _: None
    """The generation of one of the target's objects; `None` if unknown."""


class Probe:
    """Observes one kind of effect. Subclasses define at least `identities` and `effects`.

    The calls come in this order: `begin`, `identities` in each round, `effects` and `containers` after the last round,
    and finally `end`, whatever happened before.
    """

    name = ""
    """The name for `probes=` and `--reload-leak-probes`."""
    kinds: tuple[str, ...] = ()
    """Kinds of finding that it may lead to."""
    is_transient = False
    """Whether its effects may soon end by themselves, such as a thread that was asked to stop."""
    is_always_asked = False
    """Whether some of its effects have no identity, so that `effects` is called although nothing is new."""
    judges_older = True
    """Whether effects from before the run may be findings: threads show their origin, descriptor numbers do not."""

    def begin(self, scope: Scope) -> None:
        """Start to observe, before the target's first generation is loaded."""
        self.scope = scope

    def identities(self) -> Iterable[Identity]:
        """The identities of the present effects. Called in most rounds, so it must be cheap.

        If it returns the same tuple as before, nothing has changed, and the tuple is not read.
        """
        return ()

    def glance(self, causes: Collection[Cause]) -> Iterable[Identity]:
        """The identities of the present effects of some causes. Called after each traced line, so it must be cheap."""
        del causes
        return self.identities()

    def effects(self) -> list[Effect]:
        """Describe the present effects."""
        return []

    def containers(self) -> Iterable[object]:
        """Objects that merely list the effects: they do not count as holders."""
        return ()

    def emptied_later(self) -> Iterable[object]:
        """Containers from which a library removes finished entries later, so that their length proves nothing."""
        return ()

    def watched(self) -> Mapping[int, Cause]:
        """The causes of registrations that only C code holds, by the ids of the registered objects."""
        return {}

    def collected(self, gone: Iterable[Identity]) -> Iterable[str]:
        """Notes about effects that existed when the process began to settle and were gone when it had settled."""
        del gone
        return ()

    def blind(self) -> str | None:
        """What the probe could not see and why, in one sentence; `None` if it saw everything."""
        return None

    def end(self) -> None:
        """Undo what `begin` did, and release everything."""
