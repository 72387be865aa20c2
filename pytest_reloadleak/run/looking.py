"""Settle the process, take its numbers, and look for what old generations left behind."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pytest_reloadleak.effects.observe import is_plainly_held, observe, suspect
from pytest_reloadleak.effects.system.meter import Grown, Meter, may_have_grown
from pytest_reloadleak.effects.system.process_numbers import Sample
from pytest_reloadleak.generations.first_pass import FirstPass
from pytest_reloadleak.generations.instances import references_to_classes
from pytest_reloadleak.growth import near
from pytest_reloadleak.growth.places import Places
from pytest_reloadleak.heap import foreign, settle, unreadable
from pytest_reloadleak.heap.failure import failure_text
from pytest_reloadleak.heap.own_objects import caller_frames, caller_namespaces, untrace
from pytest_reloadleak.holders import patches
from pytest_reloadleak.holders.container_growth import Growing
from pytest_reloadleak.holders.retained import is_suspicious
from pytest_reloadleak.holders.retention import GRACE, UNLOADED, Diagnosis
from pytest_reloadleak.holders.search import Plan, Search
from pytest_reloadleak.run.explaining import Paths
from pytest_reloadleak.run.observations import Observations
from pytest_reloadleak.run.process_state import ProcessState
from pytest_reloadleak.run.record import Record
from pytest_reloadleak.run.subject import Subject
from pytest_reloadleak.settings import FILES, GROWTH, REFERENCES, Settings
from pytest_reloadleak.strategies.imports import duplicate_modules

if TYPE_CHECKING:
    from pytest_reloadleak.cutting.proof import Trials


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
        self.meter = Meter(self._references)
        self.first_pass: FirstPass | None = None
        """The state after the first pass; `None` until then."""
        self.is_between = False
        """Whether more rounds follow without a look: then settling collects once and waits for nothing."""
        self.is_glance = False
        """Whether the next settling collects only young objects."""
        self._is_confirmed = False
        """Whether the last collection of the settling followed another one."""
        self.paths: Paths = {}
        """The paths that the last look found, kept for a traced round. They hold the program's objects."""
        self.trials: Trials | None = None
        """The removals of the holders that the last look found, if a proof follows."""
        self._living: list[tuple[int, weakref.ref[Any]]] = []
        """Weak references to what the last look found, with the generations."""
        self._judged = 0
        """The newest generation at the time of the last look of the run itself."""
        self._places: Places | None = None
        self.new_names: list[str] = []
        """Names that appeared in the file system during the first pass, whichever program made them."""

    def _references(self) -> int:
        namespaces = self._subject.namespaces().values()
        return near.references(namespaces) + references_to_classes(self._record.ledger, namespaces)

    def settle(self) -> None:
        """Perform `Step.SETTLE`. After a second pass, wait only for what was not alive after the first."""
        self._before_settling()
        release = self._subject.runner.release
        if self.is_glance:
            settle.glance(release)
            self._settled(0)
            return
        self._settled(settle.settle(self._unfinished, release, is_patient=self._is_patient))

    async def asettle(self, pause: Callable[[float], Any]) -> None:
        """Do as `settle` does, on the running loop."""
        self._before_settling()
        release = self._subject.runner.release
        if self.is_glance:
            await settle.aglance(release, pause)
            self._settled(0)
            return
        self._settled(await settle.asettle(self._unfinished, release, pause, is_patient=self._is_patient))

    def _unfinished(self) -> int:
        return 0 if self.is_between else self._record.unfinished()

    def _is_patient(self) -> bool:
        """Whether anything might still end. What was alive after the first pass will not."""
        return self.first_pass is None or self._record.unfinished(self.first_pass) > 0

    def _before_settling(self) -> None:
        self._record.effects.note(self._record.generation)
        untrace(lambda o: patches.is_of(o, self._subject.unit.owns))

    def _settled(self, collections: int) -> None:
        self._is_confirmed = collections > 1
        self._record.ledger.prune()
        self._record.effects.note(self._record.generation, is_idle=True)

    def take_baseline(self) -> None:
        """Take the numbers at the end of the warm-up."""
        if self._settings.looks_for(FILES) and self._subject.is_loaded_here:
            own = list(self._subject.namespaces().values())
            # This precedes the sample: the names of a full folder take more memory than a leak.
            self._places = Places([*own, *near.neighbours(own)], self._subject.files())
        self._observations.samples = [self.meter.sample(0, is_quick=True)]
        self._record.note_renewed()

    def conclude(self, sample: Sample, search: Search) -> None:
        """Note everything about the first pass except what is retained."""
        seen = self._observations
        seen.samples.append(sample)
        seen.not_reloaded = tuple(sorted(set(self._not_reloaded())))
        seen.notes += [*duplicate_modules.notes(self._subject.unit), *self._state.frozen_note()]
        self._note_blindness(search)
        if self._places is not None:
            self.new_names = self._places.new(max(self._settings.rounds - 1, 3))

    def end_first_pass(self, rounds: int) -> None:
        """Take the numbers after the last round of the first pass, and find out whether anything is retained.

        Args:
            rounds: how many rounds the first pass had.
        """
        sample = self.meter.sample(rounds, is_quick=True)
        search = self.search(GRACE)
        record = self._record
        try:
            self.first_pass = suspect(search, record.effects, record.scope, record.first_loaded)
        except Exception:  # noqa: BLE001 - what cannot be read now is reported by the look that follows
            current = record.ledger.current
            self.first_pass = FirstPass(record.first, current, search.limit, is_suspicious=True)
        self.conclude(sample, search)

    def end_only_pass(self, rounds: int) -> None:
        """End a run of one pass, such as a watched block: look at once if anything is retained."""
        self.end_first_pass(rounds)
        if self.is_suspicious():
            self._observations.found = self.look()

    def is_suspicious(self) -> bool:
        """Whether the first pass left anything that calls for a look at the heap."""
        return self.first_pass is not None and self.first_pass.is_suspicious

    def is_false_alarm(self) -> bool:
        """Whether a look finds no holder for the only suspected generation, so that more rounds would be wasted."""
        known = self.first_pass
        if known is None or known.effects or len(known.alive) > 1:
            return False
        record, looks_for = self._record, self._settings.looks_for
        if looks_for(REFERENCES) and is_plainly_held(
            self.search(GRACE), record.effects, record.scope, record.first_loaded
        ):
            return False
        return not self.look().retentions

    def take_look(self) -> None:
        """Look for what is retained after the second pass, and keep its paths for the traced round."""
        self.paths = {}
        plan = Plan() if self._settings.proves and not self._settings.unload else None
        self._observations.found = self.look(paths=self.paths, plan=plan)

    def take_unloaded(self) -> None:
        """Look for what still pins a target that was unloaded."""
        self._observations.unloaded = self.look(UNLOADED, plan=Plan() if self._settings.proves else None)

    def _not_reloaded(self) -> list[str]:
        unit, strategy = self._subject.unit, self._subject.strategy
        same = [name for name in self._subject.loaded() if name not in self._record.executed]
        if strategy is None:
            return same
        try:
            return strategy.not_reloaded(unit, same)
        except Exception as error:  # noqa: BLE001 - asks for files, by functions that the target may have patched
            text = f"could not find out which modules kept their state: {foreign.exception_text(error)}"
            self._observations.notes.append(text)
            return same

    def may_grow(self, rounds: int) -> bool:
        """Whether the process grew in the first pass although no old generation explains it.

        Args:
            rounds: how many rounds the first pass had.
        """
        seen, known = self._observations, self.first_pass
        assert known is not None
        modules = len(self._subject.unit.loaded())
        is_explained = len(known.alive) > 1 or any(len(births) > 1 for births in known.effects.values())
        return (
            self._settings.looks_for(GROWTH)
            and not is_explained
            and may_have_grown(
                seen.samples[0], seen.samples[-1], rounds, modules, seen.native_steps[-rounds:]
            )
        )

    def take_growth(self, growing: Growing) -> None:
        """Look for the containers that grew in each settled round.

        Args:
            growing: the lengths of containers that were noted in these rounds.
        """
        seen = self._observations
        seen.is_alone = settle.is_alone()
        search = self.search(GRACE)
        listed, emptied = self._record.effects.unjudged()
        seen.accumulations = growing.found(search, listed - emptied, emptied)
        seen.explained, seen.accounted = growing.explained, growing.accounted
        if (self._settings.ignored or growing.notes) and not seen.accumulations:
            # What grew may be something ignored, or the test runner's.
            seen.grown = Grown()
        seen.notes += [note for note in growing.notes if note not in seen.notes]
        seen.files = self._subject.files()

    def look(self, grace: int = GRACE, paths: Paths | None = None, plan: Plan | None = None) -> Diagnosis:
        """Look at the heap and at the effects.

        Args:
            grace: number of generations before the newest one that may be alive.
            paths: receives the paths that are found; `None` if nobody needs them.
            plan: receives what a trial removal needs; `None` if none follows.
        """
        record = self._record
        search = self.search(grace)
        search.paths, search.plan = paths, plan
        try:
            found = observe(search, record.effects, record.scope, record.first_loaded)
        except Exception as error:  # noqa: BLE001 - what else is known must reach the report
            search.lost.append(f"the search for holders ended early: {failure_text(error)}")
            found = Diagnosis()
        if found.retentions:
            from pytest_reloadleak.cures.writing import hook_of  # only what leaks needs a cure

            found = found._replace(hook=self._subject.runner.hook or hook_of(search.namespaces))
        self._note_blindness(search)
        self._observations.note(*search.told, *found.notes)
        found = found if self._settings.looks_for(REFERENCES) else found.of_effects()
        if plan is not None:
            from pytest_reloadleak.cutting.proof import Trials  # a clean check has nothing to prove

            self.trials = Trials(plan, found, record.scope.owns, record.effects.working())
            self._living = plan.living
            if grace == GRACE:
                self._judged = record.generation
        return found

    def alive(self) -> set[int]:
        """Generations with an object that the last look found and that is certainly alive."""
        return {generation for generation, reference in self._living if reference() is not None}

    def _count_living(self) -> int:
        return sum(reference() is not None for _, reference in self._living)

    def look_aside(self) -> tuple[Diagnosis, Trials]:
        """Settle and look again after a trial removal, without adding to the observations.

        Returns:
            What was found among the generations that the last look judged, and what another removal needs.

        Raises:
            LookupError: something could not be seen, so something that was not found may exist.
        """
        self._before_settling()
        release = self._subject.runner.release
        self._settled(settle.settle(self._count_living, release, is_patient=lambda: False))
        seen = self._observations
        blind, notes = seen.blind, list(seen.notes)
        grace = UNLOADED if self._record.is_unloaded else GRACE + self._record.generation - self._judged
        try:
            found = self.look(grace, plan=Plan())
            if len(seen.blind) > len(blind):
                raise LookupError(seen.blind[-1])
            assert self.trials is not None
            return found, self.trials
        finally:
            seen.blind, seen.notes = blind, notes

    def is_any_alive(self) -> bool:
        """Whether any object of a generation that should be dead is alive: the basis of a clean verdict."""
        return is_suspicious(self.search(GRACE))

    def _note_blindness(self, search: Search) -> None:
        """Note what could not be observed, and the effects that the probes saw end."""
        self._observations.blind = [*self._record.effects.blind(), *search.lost]
        self._observations.note(*self._record.effects.collected, *unreadable.take())

    def search(self, grace: int) -> Search:
        """The search of a look at the present process; `grace` as for `look`."""
        record, runner = self._record, self._subject.runner
        return Search(
            ledger=record.ledger,
            original=record.original,
            target=self._subject.unit.target,
            namespaces=self._subject.namespaces() or dict(record.shared),
            given=runner.given(),
            rename=self._subject.unit.rename,
            spared={id(n) for n in [*caller_namespaces(), *runner.spared()]},
            helpers=runner.helpers,
            callers=caller_frames(),
            extra_roots=runner.roots(),
            keepers=runner.keepers,
            before=self._state.before,
            first_pass=self.first_pass if grace == GRACE and self._has_second_pass() else None,
            grace=grace,
            is_confirmed=self._is_confirmed,
            skip=[*self._own_objects(), *runner.own],
            ignored=self._ignored(),
        )

    def _has_second_pass(self) -> bool:
        return self.first_pass is not None and self._record.generation > self.first_pass.current

    def _own_objects(self) -> list[object]:
        """The parts of the run, which refer to the original generation and are not holders."""
        parts: list[object] = [self, self._subject, self._state, self._record, self._observations]
        parts += [*map(vars, (self, self._state, self._record)), self._state.transaction]
        return [*parts, self._observations.native_steps]  # a list that grows with each round

    def _ignored(self) -> list[Any]:
        found = []
        for path in self._settings.ignored:
            module, _, name = path.rpartition(".")
            namespace = foreign.module_dict(sys.modules.get(module)) or {}
            found += [namespace[name]] if name in namespace else []
        return found
