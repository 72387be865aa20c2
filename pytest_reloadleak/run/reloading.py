"""The life of a run: take the state of the process, bear one generation after the other, put everything back."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib import import_module
from typing import Any

from pytest_reloadleak.effects.probe import Probe
from pytest_reloadleak.effects.system.process_numbers import prepare
from pytest_reloadleak.errors import RoundError, TargetError
from pytest_reloadleak.generations.ledger import Ledger
from pytest_reloadleak.generations.original import is_data_bound_elsewhere
from pytest_reloadleak.generations.unlisted_functions import retire
from pytest_reloadleak.heap import settle
from pytest_reloadleak.heap.failure import failure_text
from pytest_reloadleak.holders.patches import own_callables
from pytest_reloadleak.run.looking import Looking
from pytest_reloadleak.run.observations import Surroundings
from pytest_reloadleak.strategies.dispose import Disposal
from pytest_reloadleak.strategies.imports import bytecode, name_stamps
from pytest_reloadleak.strategies.imports.handover import given
from pytest_reloadleak.strategies.imports.locks import imports_locked
from pytest_reloadleak.strategies.imports.module_table import kept_table
from pytest_reloadleak.strategies.imports.transaction import Transaction
from pytest_reloadleak.strategies.imports.unit import Unit
from pytest_reloadleak.strategies.strategy import Strategy

_now_s = time.perf_counter
"""A private copy, as the target may patch what it likes."""


class Reloading(Looking):
    """A unit while it is reloaded: what happens between `begin` and `end`, in whatever order.

    Args:
        unit: the target.
        rounds: counted rounds.
        warmup: rounds before them.
        strategy: a built-in strategy, or `None` when the application reloads itself.
        surroundings: the test runner's part.
        probes: who looks for effects.
        unload: whether to drop the last generation after the last round, and look once more.
        disposal: the dispose hooks.
        dependents: modules to import with the target, since they depend on it and a program would have them loaded.
    """

    def __init__(  # noqa: PLR0913 - a run has this many parts
        self,
        unit: Unit,
        strategy: Strategy | None,
        surroundings: Surroundings,
        *,
        rounds: int,
        warmup: int,
        probes: Iterable[Probe] = (),
        unload: bool = False,
        disposal: Disposal | None = None,
        dependents: Iterable[str] = (),
    ) -> None:
        super().__init__(unit, strategy, surroundings, rounds=rounds, warmup=warmup, probes=probes)
        self.disposal = disposal or Disposal()
        self.is_unloaded_at_last = unload
        self._dependents = tuple(dependents)
        self._begun: Strategy | None = None
        self._gc_enabled = True
        self._names: list[str] = []

    def begin(self) -> None:
        """Take the state of the process, load the target if it is not, and note its first generation.

        Raises:
            RoundError: the target could not be imported.
        """
        prepare()
        self._gc_enabled = settle.is_enabled()
        self._frozen = settle.frozen_count()
        # An import under way is waited for: half of it would be put back.
        with imports_locked(self.unit.loaded()):
            self._transaction = Transaction.begin(self.unit)
        self._before = own_callables(self.unit.owns)
        self._births.begin(self._scope)
        self._births.note(None)
        if self.strategy is not None:
            with kept_table(self._transaction.table, "the import of the target"):
                self._load(self.strategy)
        self._births.note(self.generation)
        self._ledger = Ledger(self.unit.owns, self.unit.invents)
        self._park()
        self.disposal.born([*self.unit.loaded(), *self._proof()])
        if self.unit.loaded() or not self._is_loaded_here():
            self._note()
            if self.strategy is None or self.strategy.is_in_place:
                self._note_strays(list(self._namespaces().values()))
        self.surroundings.begun(self.unit)

    def _proof(self) -> set[str]:
        return self.strategy.proof() if self.strategy is not None else set()

    def _is_loaded_here(self) -> bool:
        return self.strategy is None or self.strategy.loads_here

    def _load(self, strategy: Strategy) -> None:
        """Import the target if it is not loaded, and whatever else the strategy reloads."""
        assert self._transaction is not None
        strategy.begin()
        self._begun = strategy
        for name in self.unit.names:
            if name not in sys.modules and strategy.loads_here:
                self._guarded("the target could not be imported", partial(import_module, name))
        for name in self._dependents if strategy.loads_here else ():
            self._guarded(
                f"{name}, which depends on the target, could not be imported", partial(import_module, name)
            )
        self._guarded("the target could not be imported", partial(self._widen, strategy))
        self._transaction.widen(self.unit)

    def _widen(self, strategy: Strategy) -> None:
        self.unit = strategy.widen(self.unit)

    def _park(self) -> None:
        """Keep the original generation, which may just have been loaded, in containers that are all known."""
        transaction = self._transaction
        assert transaction is not None
        loaded = self.unit.loaded()
        fresh = [name for name in loaded if name not in transaction.modules]
        if len(fresh) == len(loaded) and not is_data_bound_elsewhere(self._namespaces(), self.unit.owns):
            return  # nothing of it comes back, so it is judged like any other
        self._parked.entries = {id(sys.modules[name]) for name in loaded if name not in fresh}
        taken = [transaction]
        if fresh:
            taken.append(Transaction.begin(self.unit))
            # None of these comes back, so what waits for a module's end happens as it would.
            taken[-1].let_go(fresh)
        self._parked.namespaces = taken[-1].namespaces
        self._parked.containers = (
            [c for t in taken for c in (t.modules, t.attributes, t.namespaces)] if loaded else []
        )

    def end(self) -> None:
        """Put everything back, and let go of every object."""
        try:
            if self._transaction is not None:
                shared = [n for n, _ in self._parked.namespaces.values() if self._ledger.markers.is_shared(n)]
                if shared:
                    retire(self._ledger, shared, ours=1 + self._parked.count())  # this list
                self._transaction.roll_back()
        finally:
            self._transaction = None
            if self._begun is not None:
                self._begun.end()
            self._births.end()
        self.disposal.clear()
        self._shared.clear()
        self._parked.clear()
        self._ledger = Ledger(self.unit.owns)
        settle.put_back(self._gc_enabled)

    def module(self, name: str) -> Any:
        """What stands for a module of the target in the present round."""
        return self.strategy.module(name) if self.strategy is not None else sys.modules.get(name)

    def reload(self) -> None:
        """Perform `Step.RELOAD` with a built-in strategy.

        Raises:
            RoundError: the target's code raised, or nothing was reloaded.
        """
        assert self.strategy is not None
        with self.reloading():
            self._guarded("", partial(self._reload_with, self.strategy))

    def _reload_with(self, strategy: Strategy) -> None:
        with imports_locked(self._names):
            # Not all need be there: an import may just have failed.
            strategy.reload([name for name in self._names if name in sys.modules])

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """Around one reload, whoever does it: prepares it, times it, and asks for its proof."""
        with self._prepared():
            begun_s = _now_s()
            yield
            duration_s = _now_s() - begun_s
        self._after_reload(duration_s)

    def _prepared(self) -> ExitStack:
        """Prepare one reload; returns its context: the sources as they are, and what was handed over."""
        self._births.note(self.generation)
        self._names = self.unit.loaded()
        self._note_others(self._ledger.replaced([(name, sys.modules[name]) for name in self._names]))
        if self.strategy is None:
            name_stamps.stamp_specs(self._names)
        context = ExitStack()
        if self._transaction is not None:
            context.enter_context(kept_table(self._transaction.table, self.where(self.generation + 1)))
        context.enter_context(bytecode.fresh(self._names))
        heir = self.strategy.heir if self.strategy is not None else str
        context.enter_context(
            given({heir(name): data for name, data in self.disposal.handover(self._names).items()})
        )
        return context

    def _note_others(self, names: list[str]) -> None:
        """Note that this check is not the only one that reloads the target."""
        verb = "was" if len(names) == 1 else "were"
        note = f"{', '.join(names)} {verb} loaded anew between rounds, by somebody else than the reload that is checked"
        if names and note not in self.seen.notes:
            self.seen.notes.append(note)

    def _after_reload(self, duration_s: float) -> None:
        """Note the new generation and refresh who depends on it.

        Raises:
            RoundError: nothing was born.
        """
        self.seen.reload_s += duration_s
        self.generation += 1
        reborn = self._note() | self._proof()
        self._reborn |= reborn
        self.disposal.born(reborn)
        if not reborn:
            raise RoundError(
                f"{self.where(self.generation)}: the target was not reloaded: no new module, namespace, function, "
                f"class or code of {self.unit.target!r} was born; check what the reload really does"
            )
        self.surroundings.born()

    def where(self, generation: int) -> str:
        """The round that bears a generation, in words."""
        return f"round {generation}" if generation > 0 else f"warm-up round {generation + self.warmup}"

    def raised(self, text: str) -> str:
        """What is said when the reload that is under way raised."""
        return f"{self.where(self.generation + 1)}: the reload raised: {text}"

    def _guarded(self, what: str, action: Callable[[], object]) -> None:
        try:
            action()
        except RoundError:
            raise
        except TargetError as error:
            text = str(error)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and self.surroundings.is_interruptible:
                raise
            text = failure_text(error)
        else:
            return
        raise RoundError(f"{what}: {text}" if what else self.raised(text))
