"""Reload the target: begin, create one generation after the other, and put everything back."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from importlib import import_module

from pytest_reloadleak.effects.system.process_numbers import native_bytes, prepare
from pytest_reloadleak.errors import RoundError, TargetError
from pytest_reloadleak.heap.failure import failure_text
from pytest_reloadleak.run.observations import Observations
from pytest_reloadleak.run.process_state import ProcessState
from pytest_reloadleak.run.record import Record
from pytest_reloadleak.run.subject import Subject
from pytest_reloadleak.strategies.imports import bytecode, name_stamps
from pytest_reloadleak.strategies.imports.earlier import Earlier
from pytest_reloadleak.strategies.imports.handover import given
from pytest_reloadleak.strategies.imports.locks import imports_locked
from pytest_reloadleak.strategies.strategy import Strategy

_now_s = time.perf_counter
"""A private copy, since the target may patch the original."""


class Reloading:
    """The reloads of one run, between `begin` and `end`.

    Args:
        subject: what is reloaded.
        state: the state of the process, taken and put back here.
        record: which generation was created when.
        observations: receives notes and times.
    """

    def __init__(
        self, subject: Subject, state: ProcessState, record: Record, observations: Observations
    ) -> None:
        self._subject = subject
        self._state = state
        self._record = record
        self._observations = observations
        self.is_measuring = True
        """Whether to note the memory from malloc after each reload, which takes as long as a small reload."""

    def begin(self) -> None:
        """Take the state of the process, load the target if it is not, and note its first generation.

        Raises:
            RoundError: the target could not be imported.
        """
        prepare()
        self._state.take(self._subject)
        self._record.begin()
        strategy = self._subject.strategy
        if strategy is not None:
            with self._state.kept_table("the import of the target"):
                self._load(strategy)
        assert self._state.transaction is not None
        self._subject.earlier = Earlier(self._subject.unit, self._state.transaction.modules)
        self._record.begin_generations(self._state)
        self._subject.runner.begun(self._subject.unit)

    def _load(self, strategy: Strategy) -> None:
        """Import the target if it is not loaded, and all other modules that the strategy reloads."""
        subject = self._subject
        self._state.prepare(strategy)
        for name in subject.unit.names:
            if name not in sys.modules and strategy.loads_here:
                self._guarded("the target could not be imported", partial(import_module, name))
        if strategy.loads_here:
            self._load_submodules()
        for name in subject.dependents if strategy.loads_here else ():
            self._guarded(
                f"{name}, which depends on the target, could not be imported", partial(import_module, name)
            )
        self._guarded("the target could not be imported", subject.widen)
        assert self._state.transaction is not None
        self._state.transaction.widen(subject.unit)

    def _load_submodules(self) -> None:
        """Import the modules below the target. Those that cannot be imported are noted with the reason."""
        unit = self._subject.unit
        for name in unit.submodules:
            try:
                self._guarded(
                    f"{name} was left out, since it could not be imported", partial(import_module, name)
                )
            except RoundError as error:  # noqa: PERF203 - each may fail
                self._observations.note(error.text)
        loaded = tuple(name for name in unit.submodules if name in sys.modules)
        self._subject.unit = replace(unit, submodules=loaded)
        if loaded:
            noun = "module" if len(loaded) == 1 else "modules"
            self._observations.note(f"{unit.target} was reloaded with {len(loaded)} {noun} below it")

    def settings_note(self, told: Collection[str]) -> list[str]:
        """Notes on the settings of the process that `end` will put back: see `ProcessState.settings_note`."""
        return self._state.settings_note(told)

    def end(self) -> None:
        """Put everything back and release every object."""
        try:
            if self._state.transaction is not None:
                self._record.retire()
        finally:
            try:
                self._state.put_back()
            finally:
                self._record.effects.end()
        self._subject.disposal.clear()
        self._record.clear()

    def reload(self) -> None:
        """Reload once with the built-in strategy.

        Raises:
            RoundError: the target's code raised, or nothing was reloaded.
        """
        strategy = self._subject.strategy
        assert strategy is not None
        with self.one() as names:
            self._guarded("", partial(_reload, strategy, names))

    @contextmanager
    def one(self) -> Iterator[list[str]]:
        """Prepare and time the reload in the block, and check that it happened.

        Yields:
            The outgoing modules, parents first.

        Raises:
            RoundError: nothing was reloaded.
        """
        names = self._subject.unit.loaded()
        with self._prepared(names):
            begun_s = _now_s()
            yield names
            self._observations.reload_s += _now_s() - begun_s
        if self.is_measuring:
            self._observations.native_steps.append(native_bytes() or 0)
        if not self._record.next():
            raise RoundError(
                f"{self._record.where(self._record.generation)}: the target was not reloaded: no new module, "
                f"namespace, function, class or code of {self._subject.unit.target!r} was created; check that the "
                "reload really executes it again"
            )
        self._subject.runner.reloaded()

    def _prepared(self, names: list[str]) -> ExitStack:
        """Prepare one reload. Returns its context: fresh bytecode, and the data that was handed over."""
        subject, record = self._subject, self._record
        record.effects.note_round(record.generation)
        self._note_others(record.ledger.replaced(subject.entries(names)))
        if subject.strategy is None:
            name_stamps.stamp_specs(names)
        context = ExitStack()
        context.enter_context(self._state.kept_table(record.where(record.generation + 1)))
        context.enter_context(bytecode.fresh(names))
        heir = subject.strategy.successor if subject.strategy is not None else str
        data = subject.disposal.handover(subject.loaded(names))
        context.enter_context(given({heir(name): content for name, content in data.items()}))
        return context

    def _note_others(self, names: list[str]) -> None:
        """Note that something other than this check reloads the target."""
        verb = "was" if len(names) == 1 else "were"
        if names:
            self._observations.note(
                f"{', '.join(names)} {verb} reloaded between rounds by something other than the reload being checked"
            )

    def raised(self, text: str) -> str:
        """The error text for a reload that raised."""
        return f"{self._record.where(self._record.generation + 1)}: the reload raised: {text}"

    def _guarded(self, what: str, action: Callable[[], object]) -> None:
        try:
            action()
        except RoundError:
            raise
        except TargetError as error:
            text = str(error)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and self._subject.runner.is_interruptible:
                raise
            text = failure_text(error)
        else:
            return
        raise RoundError(f"{what}: {text}" if what else self.raised(text))


def _reload(strategy: Strategy, names: list[str]) -> None:
    with imports_locked(names):
        # Some modules may be missing, since an import may just have failed.
        strategy.reload([name for name in names if name in sys.modules])
