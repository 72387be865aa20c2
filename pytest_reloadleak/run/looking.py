"""Settle the process, take its numbers, and look for what old generations left behind."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from pytest_reloadleak.effects.observe import observe
from pytest_reloadleak.effects.probe import Probe
from pytest_reloadleak.effects.system.meter import Grown, Meter, may_have_grown
from pytest_reloadleak.heap import foreign, settle, unreadable
from pytest_reloadleak.heap.failure import failure_text
from pytest_reloadleak.heap.own_objects import caller_frames, caller_namespaces, untrace
from pytest_reloadleak.holders import patches
from pytest_reloadleak.holders.container_growth import Growing
from pytest_reloadleak.holders.retained import is_suspicious
from pytest_reloadleak.holders.retention import GRACE, UNLOADED, Diagnosis
from pytest_reloadleak.holders.search import Search
from pytest_reloadleak.run.explaining import Paths
from pytest_reloadleak.run.observations import Observations
from pytest_reloadleak.run.process_state import ProcessState
from pytest_reloadleak.run.record import Record
from pytest_reloadleak.run.subject import Subject
from pytest_reloadleak.settings import GROWTH, REFERENCES, Settings
from pytest_reloadleak.strategies.imports import duplicate_modules


class Looking:
    """Makes a run's observations: every method adds to them.

    Args:
        subject: what the run reloads.
        state: the state of the process when the run began.
        record: which generation was created when.
        observations: receives what is seen.
        settings: what to look for.
    """

    def __init__(
        self,
        subject: Subject,
        state: ProcessState,
        record: Record,
        observations: Observations,
        settings: Settings,
    ) -> None:
        self._subject = subject
        self._state = state
        self._record = record
        self._observations = observations
        self._settings = settings
        self.meter = Meter()
        self.paths: Paths = {}
        """The paths of what the second look found, until a round is traced. They hold the program's objects."""

    def settle(self) -> None:
        """Perform `Step.SETTLE`. A second pass does not wait between rounds: the first pass did."""
        self._before_settling()
        settle.settle(self._record.unfinished, self._subject.runner.release, is_patient=self._is_patient())
        self._settled()

    async def asettle(self, pause: Callable[[float], Any]) -> None:
        """Do as `settle` does, on the running loop."""
        is_patient = self._is_patient()
        self._before_settling()
        await settle.asettle(
            self._record.unfinished, self._subject.runner.release, pause, is_patient=is_patient
        )
        self._settled()

    def _before_settling(self) -> None:
        self._record.effects.note(self._record.generation)
        untrace(lambda o: patches.is_of(o, self._subject.unit.owns))

    def _is_patient(self) -> bool:
        return not self._observations.first.retentions

    def _settled(self) -> None:
        self._record.ledger.prune()
        self._record.effects.note(self._record.generation, is_idle=True)

    def take_baseline(self) -> None:
        """Take the numbers at the end of the warm-up."""
        self._observations.samples = [self.meter.sample(0, is_quick=True)]
        self._record.note_renewed()

    def take_first(self, rounds: int) -> None:
        """Take the numbers after the last round of the first pass, and look for what is retained.

        Args:
            rounds: how many rounds the first pass had.
        """
        seen = self._observations
        seen.samples.append(self.meter.sample(rounds, is_quick=True))
        seen.not_reloaded = tuple(sorted(set(self._not_reloaded())))
        seen.notes += [*duplicate_modules.notes(self._subject.unit), *self._state.frozen_note()]
        seen.first = self.look()

    def take_second(self) -> None:
        """Look again after the second pass, and keep the paths of what is found for the traced round."""
        self.paths = {}
        self._observations.second = self.look(paths=self.paths)

    def take_unloaded(self) -> None:
        """Look for what still pins a target that was unloaded."""
        self._observations.unloaded = self.look(UNLOADED)

    def _not_reloaded(self) -> list[str]:
        unit, strategy = self._subject.unit, self._subject.strategy
        same = [name for name in self._subject.loaded() if name not in self._record.executed]
        if strategy is None:
            return same
        try:
            return strategy.not_reloaded(unit, same)
        except Exception as error:  # noqa: BLE001 - asks for files, by functions that the target may have patched
            self._observations.notes.append(
                f"could not find out which modules kept their state: {foreign.exception_text(error)}"
            )
            return same

    def may_grow(self, rounds: int) -> bool:
        """Whether the process grew in the first pass although no old generation explains it.

        Args:
            rounds: how many rounds the first pass had.
        """
        seen = self._observations
        is_explained = any(len(r.generations) > 1 for r in seen.first.retentions)
        return (
            self._settings.looks_for(GROWTH)
            and not is_explained
            and may_have_grown(seen.samples[0], seen.samples[-1], rounds, len(self._subject.unit.loaded()))
        )

    def take_growth(self, growing: Growing) -> None:
        """Look for the containers that grew in each settled round.

        Args:
            growing: what was noted about containers in these rounds.
        """
        seen = self._observations
        seen.is_alone = settle.is_alone()
        search = self._search(GRACE)
        listed: set[int] = set()  # containers with a probe of their own are not judged by length
        for probe in self._record.effects.working():
            self._record.effects.guarded(probe, partial(_list_in, listed, probe))
        seen.accumulations = growing.found(search, listed)
        seen.explained = growing.explained
        if (self._settings.ignored or growing.notes) and not seen.accumulations:
            # What grew may be something ignored, or the test runner's.
            seen.grown = Grown()
        seen.notes += [note for note in growing.notes if note not in seen.notes]
        files = [dict.get(n, "__file__") for n in self._subject.namespaces().values()]
        seen.files = tuple(file for file in files if type(file) is str)

    def look(self, grace: int = GRACE, paths: Paths | None = None) -> Diagnosis:
        """Look at the heap and at the effects.

        Args:
            grace: how many generations before the newest one may be alive.
            paths: receives the paths of what is found.
        """
        record = self._record
        search = self._search(grace)
        search.paths = paths
        try:
            found = observe(search, record.effects, record.scope, record.first)
        except Exception as error:  # noqa: BLE001 - what else is known must reach the report
            search.lost.append(f"the search for holders ended early: {failure_text(error)}")
            found = Diagnosis()
        self._observations.note(*search.told)
        self._observations.blind = [*self._blind(), *search.lost]
        self._observations.note(*record.effects.collected, *found.notes, *unreadable.take())
        return found if self._settings.looks_for(REFERENCES) else found.of_effects()

    def is_suspicious(self) -> bool:
        """Whether any object of a generation that should be dead is alive: the basis of a clean verdict."""
        return is_suspicious(self._search(GRACE))

    def _search(self, grace: int) -> Search:
        record, runner = self._record, self._subject.runner
        return Search(
            ledger=record.ledger,
            original=record.original,
            target=self._subject.unit.target,
            namespaces=self._subject.namespaces() or dict(record.shared),
            rename=self._subject.unit.rename,
            spared={id(n) for n in [*caller_namespaces(), *runner.spared()]},
            helpers=runner.helpers,
            callers=caller_frames(),
            extra_roots=runner.roots(),
            keepers=runner.keepers,
            before=self._state.before,
            grace=grace,
            skip=[*self._own_objects(), *runner.own],
            ignored=self._ignored(),
        )

    def _own_objects(self) -> list[object]:
        """The parts of the run, which refer to the original generation and are not holders."""
        parts = [self, self._subject, self._state, self._record]
        return [*parts, *map(vars, (self, self._state, self._record)), self._state.transaction]

    def _ignored(self) -> list[Any]:
        found = []
        for path in self._settings.ignored:
            module, _, name = path.rpartition(".")
            namespace = foreign.module_dict(sys.modules.get(module)) or {}
            found += [namespace[name]] if name in namespace else []
        return found

    def _blind(self) -> list[str]:
        """What could not be checked, and why."""
        effects = self._record.effects
        reasons = {probe.name: probe.blind() for probe in effects.working()}
        raised = {name: f"it raised {why}" for name, why in effects.failed.items()}
        return [f"probe {name}: {why}" for name, why in {**reasons, **raised}.items() if why is not None]


def _list_in(listed: set[int], probe: Probe) -> None:
    listed.update(map(id, probe.containers()))
