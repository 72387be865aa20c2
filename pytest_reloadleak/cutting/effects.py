"""Remove effects: find each one again by its identity, and end it in the way that suits its kind."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable
from functools import partial
from typing import Any

from pytest_reloadleak.cutting import hidden, loops, processes, registrations, threads
from pytest_reloadleak.cutting.cut import CannotCutError, Cut
from pytest_reloadleak.effects.loops.loop_probe import Loops
from pytest_reloadleak.effects.probe import Effect, Identity, Probe
from pytest_reloadleak.effects.registries.listed import Registrations
from pytest_reloadleak.effects.registries.watched import Watched
from pytest_reloadleak.effects.system.children import Children
from pytest_reloadleak.effects.system.descriptors import Descriptors
from pytest_reloadleak.effects.system.threads import Threads
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.holders.search import Known, KnownEffect, Plan
from pytest_reloadleak.holders.sweep import Cause


class Effects:
    """Makes the removals of effects.

    Args:
        plan: what the diagnosis found.
        probes: the probes that saw the effects.
    """

    def __init__(self, plan: Plan, probes: Iterable[Probe]) -> None:
        self._plan = plan
        self._probes = {probe.name: probe for probe in probes}
        self._present: dict[str, dict[Identity, Effect]] = {}

    def close(self) -> None:
        """Let go of every object."""
        self._present.clear()

    def cuts(self, cause: Cause, references: Iterable[Known]) -> list[Cut]:
        """The removals of all effects with a cause that count or keep something old.

        Args:
            cause: the cause.
            references: the references from the effects to old generations.

        Raises:
            CannotCutError: one of them cannot be removed.
        """
        kept: dict[int, set[int]] = {}
        seen: list[Any] = []
        for root, path, _, generations in references:
            if root.cause == cause:
                kept.setdefault(root.effect, set()).update(generations)
                seen += path
        # Equal texts of a list are numbered by position, so the last one is removed first.
        known = [e for e in self._plan.effects.get(cause, ()) if e.is_counted or e.number in kept]
        cuts = []
        for effect in sorted(known, key=lambda e: tuple(map(str, e.identity)), reverse=True):
            generations = frozenset(kept.get(effect.number, ()))
            cuts.append(self._cut(effect, cause, generations, seen))
        timers = [o for o in seen if issubclass(type(o), threading.Timer)]
        if timers:  # each may be over by then, and the next timer's thread may have its ident
            called = threads.functions_of(timers)
            cuts.insert(0, Cut(partial(threads.cancel, called), frozenset().union(*kept.values())))
        return cuts

    def _cut(self, known: KnownEffect, cause: Cause, generations: frozenset[int], seen: list[Any]) -> Cut:
        probe, identity = self._probes[known.probe], known.identity
        if type(probe) is Watched:
            if identity[0] == "before":
                return Cut(partial(hidden.remove_older, int(identity[1])), generations)
            shared = hidden.is_shared(probe, identity[0])
            return Cut(hidden.removal(probe, identity[0], seen), generations, shared)
        if type(probe) is Registrations:
            return Cut(
                partial(registrations.remove, identity),
                generations,
                registrations.is_whole(cause.registry, cause.path),
            )
        if type(probe) is Children:
            return Cut(partial(_end_child, int(identity[0])), generations)
        effect = self._effect(probe, identity)
        if effect is None and cause.root == "timer":  # it has run since, and may have set the next one
            alike = [e for e in self._present[probe.name].values() if e.cause == cause]
            return Cut(partial(_each, [_removal(probe, e, cause) for e in alike]), generations)
        if effect is None:  # it has ended since
            return Cut(_nothing, generations)
        return Cut(_removal(probe, effect, cause), generations)

    def _effect(self, probe: Probe, identity: Identity) -> Effect | None:
        if probe.name not in self._present:
            probe.identities()  # a new look: the probe for loops searches the heap once in each
            self._present[probe.name] = {effect.identity: effect for effect in probe.effects()}
        return self._present[probe.name].get(identity)


def _removal(probe: Probe, effect: Effect, cause: Cause) -> Any:
    """A function that ends an effect of a thread, loop or descriptor. It refers to the effect's objects weakly."""
    if type(probe) is Threads:
        ident = int(effect.identity[0])
        return partial(threads.stop, ident, weakref.ref(effect.values[0]) if effect.identity[1] else None)
    if type(probe) is Loops:
        return loops.removal(effect.values[0], cause.path)
    if type(probe) is Descriptors:
        return partial(
            processes.close,
            int(effect.identity[0]),
            [r for o in effect.values if (r := foreign.weak_reference(o))],
        )
    raise CannotCutError(f"there is no known way to end what the probe {probe.name} sees")


def _end_child(pid: int) -> None:
    loops.close_child(pid)
    processes.end(pid)


def _each(removals: Iterable[Any]) -> None:
    for remove in removals:
        remove()


def _nothing() -> None:
    """Do nothing."""
