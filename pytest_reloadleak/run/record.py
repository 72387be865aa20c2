"""Record which generation was created when, keeping none alive except the original."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from pytest_reloadleak.effects.effect_ledger import EffectLedger
from pytest_reloadleak.effects.observe import unfinished
from pytest_reloadleak.effects.probe import Probe, Scope
from pytest_reloadleak.generations.first_pass import FirstPass
from pytest_reloadleak.generations.ledger import Ledger
from pytest_reloadleak.generations.original import Original, is_data_bound_elsewhere
from pytest_reloadleak.generations.unlisted_functions import note_unlisted, retire
from pytest_reloadleak.holders.retention import GRACE, UNLOADED
from pytest_reloadleak.run.process_state import ProcessState
from pytest_reloadleak.run.subject import Subject
from pytest_reloadleak.strategies.imports.transaction import Transaction


class Record:
    """The generations of one run: the objects' ledger, the effects' ledger, and the original that the check keeps.

    Args:
        subject: what the run reloads.
        first: number of the generation that is loaded first.
        probes: the probes that look for effects.
    """

    def __init__(self, subject: Subject, first: int, probes: Iterable[Probe]) -> None:
        self._subject = subject
        self.first = first
        self.generation = first
        """Number of the current generation."""
        self.ledger = Ledger(lambda _: False)
        self.original = Original(first)
        self._put_back: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
        """The namespaces that the check puts back, with copies of their contents, by module name."""
        self.effects = EffectLedger(probes)
        self.scope = Scope(
            lambda name: subject.unit.owns(name),  # noqa: PLW0108 - the unit is widened at the start
            lambda: self.generation,
            lambda text: subject.unit.rename(text),  # noqa: PLW0108 - as above
            lambda o: self.ledger.born(o),  # noqa: PLW0108 - the ledger is replaced at the end
        )
        self._loaded_first: list[str] = []
        """Modules of the generation that is loaded first."""
        self.executed: set[str] = set()
        """Modules that some round executed again."""
        self.is_unloaded = False
        self.shared: dict[str, dict[str, Any]] = {}
        """Namespaces of an unloaded target that several generations share, by module name."""

    def begin(self) -> None:
        """Let the probes begin, and date the effects that exist before the run."""
        self.effects.begin(self.scope)
        if self._subject.strategy is not None:
            # The strategy's own probes begin even if the user did not choose them, since the strategy uses them.
            for probe in self._subject.strategy.probes():
                probe.scope = self.scope
        self.effects.note(None)

    def begin_generations(self, state: ProcessState) -> None:
        """Note the first generation, which may just have been loaded, and keep it if it must be put back."""
        subject = self._subject
        self.effects.note(self.generation)
        self.ledger = Ledger(subject.unit.owns, subject.unit.invents, is_in_place=subject.is_in_place)
        self._keep_original(state)
        self._loaded_first = subject.loaded()
        subject.disposal.note_executed([*subject.loaded(), *subject.proof()])
        if subject.loaded() or not subject.is_loaded_here:
            self.note()
            if subject.is_in_place:
                self._note_unlisted(list(subject.namespaces().values()))

    def _keep_original(self, state: ProcessState) -> None:
        """Keep the original generation in containers that are all known."""
        transaction, unit = state.transaction, self._subject.unit
        assert transaction is not None
        self._put_back = transaction.namespaces
        loaded = self._subject.loaded()
        fresh = [name for name in loaded if name not in transaction.modules]
        if len(fresh) == len(loaded) and not is_data_bound_elsewhere(self._subject.namespaces(), unit.owns):
            return  # no part of it is put back, so it is judged like any other
        self.original.entries = {id(sys.modules[name]) for name in loaded if name not in fresh}
        taken = [transaction]
        if fresh:
            taken.append(Transaction.begin(unit))
            # None of these is put back, so callbacks that wait for a module's end run as usual.
            taken[-1].let_go(fresh)
        self._put_back = taken[-1].namespaces
        mine = {
            name: kept for name, kept in self._put_back.items() if name in loaded or not unit.invents(name)
        }
        self.original.namespaces = mine
        held = [c for t in taken for c in (t.modules, t.attributes, t.namespaces)]
        self.original.containers = [*held, mine] if loaded else []

    def note(self) -> set[str]:
        """Note the current generation. Returns the modules that were executed again."""
        return self.ledger.note(self.generation, self._subject.entries())

    def next(self) -> set[str]:
        """Note that a reload has ended. Returns the modules that it executed again."""
        self.generation += 1
        executed = self.note() | self._subject.proof()
        self.executed |= executed
        self._subject.disposal.note_executed(executed)
        return executed

    def note_renewed(self) -> None:
        """Date the functions of namespaces that were executed again in place and that no walk saw."""
        self._note_unlisted([n for n in self._subject.namespaces().values() if self.ledger.is_renewed(n)])

    def _note_unlisted(self, namespaces: list[dict[str, Any]]) -> None:
        if namespaces:
            note_unlisted(self.ledger, namespaces, ours=1 + self.original.count())  # this list

    def unload(self) -> None:
        """Unload the target: from now on even its last generation should be dead."""
        # A namespace that all generations share is the original one, which the check keeps to put it back.
        if self.original.count():
            self.shared = {
                name: n for name, n in self._subject.namespaces().items() if self.ledger.markers.is_shared(n)
            }
        self.is_unloaded = True
        self._subject.unload()

    @property
    def first_loaded(self) -> int:
        """The first generation that exists. The application's own reload may be the first to load the target."""
        is_there = bool(self._loaded_first) or not self._subject.is_loaded_here
        return self.first if is_there else self.first + 1

    def is_too_short(self) -> bool:
        """Whether no generation is old enough to be judged yet."""
        return self.generation - self.first <= GRACE

    def lacks_rounds(self) -> bool:
        """Whether too few generations exist to judge, if the first one may stay beside the others or may not exist."""
        names = self._loaded_first
        is_replaced = any(name in self.executed or name not in sys.modules for name in names)
        is_judged = is_replaced or not self._subject.is_loaded_here
        return self.generation - self.first - (not is_judged) <= GRACE

    def unfinished(self, known: FirstPass | None = None) -> int:
        """The number of live objects and effects that should be dead. Settling waits for them.

        Args:
            known: the state after the first pass; `None` before. What was alive then is not waited for.
        """
        if not self.ledger.births:
            return 0
        kept = self.original.generation if self.original.containers else None
        limit = self.ledger.current - (UNLOADED if self.is_unloaded else GRACE)
        alive = self.ledger.older(limit, but=kept)
        if known is None:
            return sum(alive.values()) + unfinished(self.effects, self.scope, self.first, limit)
        new = sum(count for born, count in alive.items() if known.is_new(born, limit))
        return new + unfinished(self.effects, self.scope, self.first, limit, known.effects)

    def where(self, generation: int) -> str:
        """The round that creates a generation, as text."""
        return f"round {generation}" if generation > 0 else f"warm-up round {generation - self.first}"

    def retire(self) -> None:
        """Remember the functions that stay in namespaces that are put back: the next check must not judge them."""
        shared = [n for n, _ in self._put_back.values() if self.ledger.markers.is_shared(n)]
        if shared:
            ours = 1 + bool(self._put_back)  # this list
            retire(self.ledger, shared, ours, self.first)

    def clear(self) -> None:
        """Release every object."""
        self.shared.clear()
        self._put_back = {}
        self.original.clear()
        self.ledger = Ledger(self._subject.unit.owns)
