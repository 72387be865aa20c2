"""The protocol of a run: warm up, settle, rounds, settle, look; and everything back. No judgement.

A run is a list of steps (`Run.steps`) that somebody performs: at once, on an event loop, or spread over a loop that
the user writes. The order of the steps is the same for all of them, and stands in one place.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator

from pytest_reloadleak.effects.system.allocations import frames_of, tracing
from pytest_reloadleak.effects.system.meter import grown
from pytest_reloadleak.effects.system.process_numbers import Sample
from pytest_reloadleak.heap.failure import failure_text
from pytest_reloadleak.holders.container_growth import Growing
from pytest_reloadleak.holders.search import GRACE, UNLOADED
from pytest_reloadleak.run.reloading import Reloading
from pytest_reloadleak.strategies.dispose import Call
from pytest_reloadleak.strategies.imports.unload import unload
from pytest_reloadleak.strategies.strategy import children_first

_TRACED = 2
"""Rounds in which allocations are traced, once it is known that something accumulates."""
_LEAST_FOR_GROWTH = 3
"""Settled rounds that must all have left the process larger: fewer may be chance."""


class Step(enum.Enum):
    """What a performer of a run has to do next."""

    DISPOSE = enum.auto()
    RELOAD = enum.auto()
    EXERCISE = enum.auto()
    SETTLE = enum.auto()


class Run(Reloading):
    """One run of a unit; the arguments are those of `Reloading`."""

    def steps(self) -> Iterator[Step]:
        """The steps of the whole run, the second pass included if the first one found something."""
        yield from self._some_rounds(self.warmup)
        yield Step.SETTLE
        self.take_baseline()
        yield from self._some_rounds(self.rounds)
        if self.is_too_short():  # then even a leak would be within the grace, so go on for as long as that
            yield from self._some_rounds(GRACE)
        yield Step.SETTLE
        self.take_look()
        if self.may_grow():
            yield from self._pass_for_growth()
        elif self.seen.first.retentions:
            yield from self._second_pass()
        yield Step.DISPOSE
        if self.is_unloaded_at_last:
            self.unload()
            yield Step.SETTLE
            self.seen.unloaded = self.look(UNLOADED)

    def unload(self) -> None:
        """Drop the last generation. There is nobody whom it could hand anything to."""
        self.disposal.handover(self.unit.loaded())
        # A namespace that all generations share is the original one, which the check keeps if it has to put it back.
        if self._parked.count():
            self._shared = {
                name: n for name, n in self._namespaces().items() if self._ledger.markers.is_shared(n)
            }
        self._is_unloaded = True
        if self.strategy is not None:
            self.strategy.unload(self.unit.loaded())
        else:
            unload(self.unit.loaded())
        self.surroundings.unloaded()

    def is_too_short(self) -> bool:
        """Whether no generation is old enough yet to be judged."""
        return self.generation + self.warmup <= GRACE

    def _some_rounds(self, count: int) -> Iterator[Step]:
        for _ in range(count):
            yield Step.DISPOSE
            yield Step.RELOAD
            yield Step.EXERCISE

    def _second_pass(self) -> Iterator[Step]:
        yield from self._settled_rounds(self.rounds, lambda: None)
        self.seen.second = self.look()

    def _pass_for_growth(self) -> Iterator[Step]:
        """A second pass that watches what the process's numbers may grow by."""
        growing, before, modules = Growing(), self.seen.samples, len(self.unit.loaded())
        if self.seen.first.retentions:
            yield from self._settled_rounds(self.rounds, growing.note)
            self.seen.second = self.look()
        else:
            # One round more: what the first look left in caches of the libraries that it asked goes with it.
            yield from self._some_rounds(1)
            yield from self._settled_rounds(
                max(self.rounds, _LEAST_FOR_GROWTH),
                growing.note,
                lambda samples: bool(grown(samples, modules)),
            )
        if self.seen.samples is not before:
            self.seen.grown = grown(self.seen.samples, modules)
        if not self.seen.grown:
            return
        with tracing():
            yield Step.SETTLE  # empties the interpreter's free lists: what comes from there is not traced
            for _ in range(_TRACED):
                yield from self._some_rounds(1)
                yield Step.SETTLE
            growing.note_traced(_TRACED, frames_of)
        self.take_growth(growing)

    def _settled_rounds(
        self,
        count: int,
        note: Callable[[], None],
        goes_on: Callable[[list[Sample]], bool] = lambda _: True,
    ) -> Iterator[Step]:
        """Rounds that are each settled, and noted; their numbers become the report's series.

        Args:
            count: how many at most.
            note: called after each, and before the first.
            goes_on: whether their numbers so far leave a question that the next round could answer. If not, the rounds
                end, and the first pass's numbers remain the report's.
        """
        yield Step.SETTLE  # what the look itself took is gone then
        samples = [self._meter.sample(0)]
        self._meter.unseen(note)
        for number in range(1, count + 1):
            yield from self._some_rounds(1)
            yield Step.SETTLE
            samples.append(self._meter.sample(number))
            if not goes_on(samples):
                return
            self._meter.unseen(note)
        self.seen.samples = samples

    def disposers(self) -> list[Call]:
        """The hooks to be called for `Step.DISPOSE`, each once, whatever the others do: see `disposed`."""
        loaded = self.unit.loaded()
        names = self.strategy.outgoing(loaded) if self.strategy is not None else children_first(loaded)
        return self.disposal.calls(names, self.unit.names, self.module)

    def disposed(self, call: Call, error: BaseException | None) -> None:
        """Note how a hook ended."""
        if error is not None:
            self.disposal.raised(self.generation, call, failure_text(error))

    def failures(self) -> list[str]:
        """What went wrong when generations were disposed."""
        elsewhere = self.strategy.failures if self.strategy is not None else []
        return list(dict.fromkeys((*self.disposal.errors, *elsewhere)))

    def never_disposed(self) -> list[str]:
        """Modules that kept their state and have a dispose hook of their own, which nobody called."""
        return self.disposal.never_called(self.seen.not_reloaded) if self._is_loaded_here() else []
