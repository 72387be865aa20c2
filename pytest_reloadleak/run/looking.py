"""What a run notes, and how it settles and looks at what is left: the state of the process under a check."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from pytest_reloadleak.effects.effect_ledger import Births
from pytest_reloadleak.effects.observe import observe, unfinished
from pytest_reloadleak.effects.probe import Probe, Scope
from pytest_reloadleak.effects.system.meter import Grown, Meter, may_have_grown
from pytest_reloadleak.generations.ledger import Ledger
from pytest_reloadleak.generations.original import Parked
from pytest_reloadleak.generations.unlisted_functions import note_strays
from pytest_reloadleak.heap import foreign, settle
from pytest_reloadleak.holders.container_growth import Growing
from pytest_reloadleak.holders.diagnosis import caller_frames, caller_namespaces
from pytest_reloadleak.holders.retained import is_suspicious
from pytest_reloadleak.holders.search import GRACE, UNLOADED, Look, Scene
from pytest_reloadleak.run.observations import Seen, Surroundings
from pytest_reloadleak.strategies.imports import duplicate_modules
from pytest_reloadleak.strategies.imports.transaction import Transaction
from pytest_reloadleak.strategies.imports.unit import Unit
from pytest_reloadleak.strategies.strategy import Strategy


class Looking:
    """Who is noted, settled and looked at in a run; the protocol is `rounds.Run`'s.

    Args:
        unit: the target.
        strategy: a built-in strategy, or `None` when the application reloads itself.
        surroundings: the test runner's part.
        rounds: counted rounds.
        warmup: rounds before them.
        probes: who looks for effects.
    """

    def __init__(  # noqa: PLR0913 - a run has this many parts
        self,
        unit: Unit,
        strategy: Strategy | None,
        surroundings: Surroundings,
        *,
        rounds: int,
        warmup: int,
        probes: Iterable[Probe],
    ) -> None:
        self.unit = unit
        self.rounds = rounds
        self.warmup = warmup
        self.strategy = strategy
        self.surroundings = surroundings
        self.seen = Seen()
        self.generation = -warmup
        self.looks_at_references = True
        self.looks_at_growth = True
        self.ignored: tuple[str, ...] = ()
        """Attributes of modules of which the values are not entered."""
        self._ledger = Ledger(lambda _: False)
        self._parked = Parked(-warmup)
        self._births = Births(list(probes))
        self._scope = Scope(
            lambda name: self.unit.owns(name),  # noqa: PLW0108 - the unit is widened when the run begins
            lambda: self.generation,
            lambda text: self.unit.rename(text),  # noqa: PLW0108 - as above
            lambda o: self._ledger.born(o),  # noqa: PLW0108 - the ledger is replaced at the end
        )
        self._transaction: Transaction | None = None
        self._reborn: set[str] = set()
        self._frozen = 0
        self._is_unloaded = False
        self._shared: dict[str, dict[str, Any]] = {}
        self._before: dict[str, frozenset[str]] = {}
        self._meter = Meter()

    def _note(self) -> set[str]:
        names = self.unit.loaded()
        return self._ledger.note(self.generation, [(name, sys.modules[name]) for name in names])

    def waited_for(self) -> int:
        """How many things that should be dead are alive: what settling waits for."""
        if not self._ledger.births:
            return 0
        kept = self._parked.generation if self._parked.containers else None
        limit = self._ledger.current - (UNLOADED if self._is_unloaded else GRACE)
        return self._ledger.older(limit, but=kept) + unfinished(
            self._births, self._scope, -self.warmup, limit
        )

    def settle(self) -> None:
        """Perform `Step.SETTLE`. Between the rounds of a second pass nobody is waited for: the first pass did."""
        self._births.note(self.generation)
        settle.settle(self.waited_for, self.surroundings.release, is_patient=not self.seen.first.retentions)
        self._settled()

    async def asettle(self, pause: Callable[[float], Any]) -> None:
        """`settle` on the running loop."""
        is_patient = not self.seen.first.retentions
        self._births.note(self.generation)
        await settle.asettle(self.waited_for, self.surroundings.release, pause, is_patient=is_patient)
        self._settled()

    def _settled(self) -> None:
        self._ledger.prune()
        self._births.note(self.generation, is_idle=True)

    def take_baseline(self) -> None:
        """Take the numbers at the end of the warm-up."""
        self.seen.samples = [self._meter.sample(0, is_quick=True)]
        self._note_strays([n for n in self._namespaces().values() if self._ledger.is_renewed(n)])

    def _note_strays(self, namespaces: list[dict[str, Any]]) -> None:
        if namespaces:
            note_strays(self._ledger, namespaces, ours=1 + self._parked.count())  # this list

    def take_look(self) -> None:
        """Take the numbers after the last round, and look at the heap."""
        self.seen.samples.append(self._meter.sample(self.rounds, is_quick=True))
        self.seen.not_reloaded = tuple(sorted(set(self._not_reloaded())))
        self.seen.notes += duplicate_modules.notes(self.unit)
        frozen = settle.frozen_count()
        if frozen:
            since = f", {frozen - self._frozen} of them during the check" if frozen > self._frozen else ""
            self.seen.notes.append(
                f"the program froze {frozen} objects with gc.freeze(){since}: what is among them is never collected"
            )
        self.seen.first = self.look()

    def _not_reloaded(self) -> list[str]:
        same = [name for name in self.unit.loaded() if name not in self._reborn]
        if self.strategy is None:
            return same
        try:
            return self.strategy.not_reloaded(self.unit, same)
        except Exception as error:  # noqa: BLE001 - files are asked for, by functions that the target may have patched
            self.seen.notes.append(
                f"which modules kept their state is not known: {foreign.exception_text(error)}"
            )
            return same

    def may_grow(self) -> bool:
        """Whether the process has grown, and no old generation explains it: asked when the first pass is over."""
        is_explained = any(len(r.generations) > 1 for r in self.seen.first.retentions)
        return (
            self.looks_at_growth
            and not is_explained
            and may_have_grown(
                self.seen.samples[0], self.seen.samples[-1], self.rounds, len(self.unit.loaded())
            )
        )

    def take_growth(self, growing: Growing) -> None:
        """See who has what each settled round left larger."""
        self.seen.is_alone = settle.is_alone()
        scene = self._scene(GRACE)
        listed: set[int] = set()  # what has a probe of its own is not judged by its length
        for probe in self._births.working():
            self._births.guarded(probe, partial(_list_in, listed, probe))
        self.seen.accumulations = growing.found(scene, listed)
        if (self.ignored or growing.notes) and not self.seen.accumulations:
            # It may as well be what is to be ignored, or the test runner's, that grew.
            self.seen.grown = Grown()
        self.seen.notes += [note for note in growing.notes if note not in self.seen.notes]
        files = [dict.get(n, "__file__") for n in self._namespaces().values()]
        self.seen.files = tuple(file for file in files if type(file) is str)

    def look(self, grace: int = GRACE) -> Look:
        """Look at the heap and at the effects as they are now.

        Args:
            grace: how many generations before the newest one may be alive.
        """
        scene = self._scene(grace)
        seen = observe(scene, self._births, self._scope, -self.warmup)
        self.seen.blind = self._blind()
        found = (*self._births.collected, *seen.notes)
        self.seen.notes += [note for note in dict.fromkeys(found) if note not in self.seen.notes]
        return seen if self.looks_at_references else seen.of_effects()

    def is_suspicious(self) -> bool:
        """Whether a generation that should be gone has anything alive: what a clean verdict rests upon."""
        return is_suspicious(self._scene(GRACE))

    def _scene(self, grace: int) -> Scene:
        return Scene(
            ledger=self._ledger,
            parked=self._parked,
            target=self.unit.target,
            namespaces=self._namespaces() or dict(self._shared),
            rename=self.unit.rename,
            spared={id(n) for n in [*caller_namespaces(), *self.surroundings.spared()]},
            callers=caller_frames(),
            extra_roots=self.surroundings.roots(),
            keepers=self.surroundings.keepers,
            before=self._before,
            grace=grace,
            skip=[self, self.__dict__, self._transaction, *self.surroundings.own],
            ignored=self._ignored(),
        )

    def _ignored(self) -> list[Any]:
        found = []
        for path in self.ignored:
            module, _, name = path.rpartition(".")
            namespace = foreign.module_dict(sys.modules.get(module)) or {}
            found += [namespace[name]] if name in namespace else []
        return found

    def _blind(self) -> list[str]:
        """What could not be looked at, and why."""
        reasons = {probe.name: probe.blind() for probe in self._births.working()}
        raised = {name: f"it raised {why}" for name, why in self._births.failed.items()}
        return [f"probe {name}: {why}" for name, why in {**reasons, **raised}.items() if why is not None]

    def _namespaces(self) -> dict[str, dict[str, Any]]:
        found = {name: foreign.module_dict(sys.modules[name]) for name in self.unit.loaded()}
        return {name: namespace for name, namespace in found.items() if namespace is not None}


def _list_in(listed: set[int], probe: Probe) -> None:
    listed.update(map(id, probe.containers()))
