"""Order the steps of a run: warm up, settle, rounds, settle, look; a second pass if something was found.

A run is a list of steps. They are performed at once, on an event loop, or spread over a loop in the user's test. The
order is the same for all three and is defined only here.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import partial

from pytest_reloadleak.effects.probe import Probe
from pytest_reloadleak.effects.system.allocations import frames_of, tracing
from pytest_reloadleak.effects.system.meter import grown
from pytest_reloadleak.effects.system.process_numbers import Sample
from pytest_reloadleak.growth import makers, survivors
from pytest_reloadleak.growth.by_type import ByType
from pytest_reloadleak.growth.fillers import Fillers
from pytest_reloadleak.growth.makers import Makers, with_cures
from pytest_reloadleak.growth.survivors import Surviving
from pytest_reloadleak.growth.target_lines import watching
from pytest_reloadleak.heap import foreign, settle
from pytest_reloadleak.holders.container_growth import Growing
from pytest_reloadleak.holders.retention import GRACE, Diagnosis
from pytest_reloadleak.run.explaining import Explaining
from pytest_reloadleak.run.glance import Glance
from pytest_reloadleak.run.looking import Looking
from pytest_reloadleak.run.observations import Observations, is_explained
from pytest_reloadleak.run.process_state import ProcessState
from pytest_reloadleak.run.record import Record
from pytest_reloadleak.run.reloading import Reloading
from pytest_reloadleak.run.subject import Subject
from pytest_reloadleak.settings import Settings

_WATCHED = 2
"""Rounds in which each line of the target is watched, once growth is known."""
_LEAST_FOR_GROWTH = 3
"""Settled rounds that must all leave the process larger: fewer may do so by chance."""


class Step(enum.Enum):
    """What the performer of a run does next."""

    DISPOSE = enum.auto()
    RELOAD = enum.auto()
    EXERCISE = enum.auto()
    TURN = enum.auto()
    SETTLE = enum.auto()


class Run:
    """One run: its parts, and the order of its steps.

    Args:
        subject: what is reloaded.
        settings: how many rounds, and what to look for.
        probes: the probes that look for effects.
    """

    def __init__(self, subject: Subject, settings: Settings, probes: Iterable[Probe] = ()) -> None:
        self.subject = subject
        self.settings = settings
        self.observations = Observations()
        state = ProcessState()
        self.record = Record(subject, -settings.warmup, probes)
        self.reloads = Reloading(subject, state, self.record, self.observations)
        self.explaining = Explaining(subject, self.record, self.observations, settings)
        self.looks = Looking(subject, state, self.record, self.observations, settings)
        self.glance = Glance(subject, self.record, settings, self.looks)

    def steps(self) -> Iterator[Step]:
        """The steps of the whole run, with a second pass if the first one found something."""
        rounds = self.settings.rounds
        yield from _rounds(self.settings.warmup)
        yield Step.SETTLE
        self.looks.take_baseline()
        is_clean = yield from self._first_pass(rounds)
        self.reloads.is_measuring = False
        if not is_clean and self.looks.may_grow(rounds):
            yield from self._pass_for_growth()
        elif self.looks.is_suspicious() and not self.looks.is_false_alarm():
            yield from self._second_pass(rounds)
            self.looks.take_look()
        if self.observations.found.retentions:
            yield from self._traced_round(self.observations.found)
        if self.looks.new_names:
            yield from self._rounds_for_files()
        yield Step.DISPOSE
        if self.settings.unload:
            self.record.unload()
            yield Step.SETTLE
            self.looks.take_unloaded()

    def _first_pass(self, rounds: int) -> Generator[Step, None, bool]:
        """The counted rounds; returns whether a glance at a large heap has shown that they are clean."""
        looks = self.looks
        if self.glance.pays(rounds):
            yield from _rounds(1)
            self.glance.take_reference()
            yield from _rounds(rounds - 1)
            looks.is_glance = True
            yield Step.SETTLE
            looks.is_glance = False
            if self.glance.shows_clean(rounds):
                return True
        else:
            yield from _rounds(rounds)
        while self.record.lacks_rounds():  # until then even a leak would be within the grace
            yield from _rounds(1)
        yield Step.SETTLE
        looks.end_first_pass(rounds)
        return False

    def _second_pass(self, rounds: int) -> Iterator[Step]:
        """As many rounds again. Birthdays show what each holder took in them, so nothing settles in between.

        If somebody reads the report's series and a collection is cheap, each round is settled for them.
        """
        meter = self.looks.meter
        if self.settings.has_series and meter.may_sample(rounds):
            yield from self._settled_rounds(rounds, by_type=ByType(rounds))
            return
        yield from _rounds(rounds)
        yield Step.SETTLE
        self.observations.samples = [
            self.observations.samples[-1]._replace(round=0),
            meter.sample(rounds, is_quick=True),
        ]

    def _pass_for_growth(self) -> Iterator[Step]:
        """A second pass that looks for the cause of the process's growth."""
        seen, modules = self.observations, len(self.subject.unit.loaded())
        growing, before = Growing(), seen.samples
        if self.looks.is_suspicious():
            yield from self._settled_rounds(self.settings.rounds, growing.note)
            growing.release()
            self.looks.take_look()
        else:
            if not self.looks.meter.is_large():
                # One extra round replaces what the first look left in the caches of the libraries that it called.
                yield from _rounds(1)
            yield from self._settled_rounds(
                max(self.settings.rounds, _LEAST_FOR_GROWTH),
                growing.note,
                lambda samples: bool(grown(samples, modules)),
            )
        if seen.samples is not before:
            seen.grown = grown(seen.samples, modules)
        if not seen.grown:
            return
        is_watched = yield from self._watched_rounds(growing)
        if is_watched:
            self.looks.take_growth(growing)
        growing.release()
        if not is_watched or not is_explained(seen):
            yield from self._traced_rounds(growing, has_fillers=is_watched)
        if not is_watched:
            self.looks.take_growth(growing)

    def _watched_rounds(self, growing: Growing) -> Generator[Step, None, bool]:
        """Rounds that show which code adds to the containers that grew. Returns whether they showed it."""
        if not self.subject.is_loaded_here:
            return False
        more = self.observations.grown
        fillers = Fillers(growing.candidates(), has_memory=bool(more.native_bytes or more.mapped_bytes))
        by_type = ByType(_WATCHED) if self.settings.has_series and not self.looks.meter.is_large() else None
        self._note_types(by_type, 0, is_sampled=False)
        with watching(self.record.scope.owns, fillers) as seen:
            for number in range(1, _WATCHED + 1):
                yield from _rounds(1)
                if by_type is not None or number == _WATCHED:
                    yield Step.SETTLE
                self._note_types(by_type, number, is_sampled=False)
        memory, shares = fillers.memory(), fillers.close()
        if seen.is_complete:
            self.observations.shares = memory
            growing.note_shares(_WATCHED, shares)
        return seen.is_complete

    def _traced_rounds(self, growing: Growing, *, has_fillers: bool) -> Iterator[Step]:
        """Rounds that show which allocations outlive them, and where new items come from if nothing else shows it."""
        surviving = Surviving(self.subject.files())
        with tracing():
            yield Step.SETTLE  # empties the free lists: objects from there are not traced
            for _ in range(survivors.ROUNDS):
                yield from _rounds(1)
                yield Step.SETTLE
                surviving.note()
            if not has_fillers:
                growing.note_traced(survivors.ROUNDS, frames_of)
        self.observations.survivors = tuple(surviving.found())

    def _traced_round(self, found: Diagnosis) -> Iterator[Step]:
        """One more round, whose lines are compared with what the last look found. The findings do not change."""
        self.looks.is_glance = settle.HAS_AGES
        with self.explaining.round(found, self.looks.paths):
            # A loop runs in its next turns what it was given. Only effects may end when the process settles.
            last = Step.SETTLE if any(r.cause is not None for r in found.retentions) else Step.TURN
            for step in (*_rounds(1), last):
                if not self.explaining.is_over:
                    yield step
        self.looks.is_glance = False

    def _rounds_for_files(self) -> Iterator[Step]:
        """Rounds that show which names in the file system the target makes, and which of them stay."""
        made = Makers(self.looks.new_names)
        with watching(self.record.scope.owns, made) as seen:
            for made.round in range(makers.ROUNDS):
                yield from _rounds(1)
                yield Step.SETTLE
        if seen.is_complete:
            self.observations.left = with_cures(made.found(), self.looks.search(GRACE))
            self.observations.is_doubtful = made.is_doubtful

    def _note_types(self, by_type: ByType | None, number: int, *, is_sampled: bool = True) -> None:
        """Count the objects of each type if that is due, unseen where samples follow."""
        if by_type is not None and by_type.is_due(number):
            note = partial(by_type.note, number, self.record.ledger.reference_count())
            try:
                self.looks.meter.unseen(note) if is_sampled else note()
            except Exception as error:  # noqa: BLE001 - a library reads every type of the program: no verdict needs it
                self.observations.note(
                    f"the objects of each type could not be counted: {foreign.exception_text(error)}"
                )
            self.observations.by_type = by_type.found()

    def _settled_rounds(
        self,
        count: int,
        note: Callable[[int], None] | None = None,
        goes_on: Callable[[list[Sample]], bool] = lambda _: True,
        by_type: ByType | None = None,
    ) -> Iterator[Step]:
        """Rounds whose numbers become the report's series. On a larger heap only the middle and the end are settled.

        Args:
            count: the largest number of rounds.
            note: called with 0 before the first round, and with the number of rounds after the last one.
            goes_on: whether the numbers so far leave a question that another round could answer. If not, the rounds
                end, and the report keeps the first pass's numbers.
            by_type: counts the objects of each type before the first round, in the middle, and after the last.
        """
        looks, meter = self.looks, self.looks.meter
        due = range(count + 1) if meter.may_sample(count) else (count // 2, count)
        looks.is_between = looks.is_suspicious()
        looks.is_glance = settle.HAS_AGES and meter.is_large() and not looks.is_suspicious()
        yield Step.SETTLE  # frees the young objects that the suspicion itself allocated
        looks.is_glance = False
        samples = [meter.sample(0)]
        self._note_types(by_type, 0)
        if note is not None:
            meter.unseen(partial(note, 0))
        for number in range(1, count + 1):
            looks.is_between = looks.is_suspicious() and number < count
            yield from _rounds(1)
            if number not in due:
                continue
            yield Step.SETTLE
            samples.append(meter.sample(number))
            self._note_types(by_type, number)
            if not goes_on(samples):
                return
        if note is not None:
            note(count)
        self.observations.samples = samples


def _rounds(count: int) -> Iterator[Step]:
    for _ in range(count):
        yield Step.DISPOSE
        yield Step.RELOAD
        yield Step.EXERCISE
