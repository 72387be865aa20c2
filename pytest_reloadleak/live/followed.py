"""Follow one target of a running program: date its generations, find those that are alive, and name their holders."""

from __future__ import annotations

import sys
from itertools import count
from typing import Any

from pytest_reloadleak.effects.effect_ledger import EffectLedger
from pytest_reloadleak.effects.loops.loop_probe import Loops
from pytest_reloadleak.effects.observe import observe
from pytest_reloadleak.effects.probe import Scope
from pytest_reloadleak.effects.system.threads import Threads
from pytest_reloadleak.generations.ledger import Ledger
from pytest_reloadleak.generations.markers import MARKER, Markers
from pytest_reloadleak.generations.original import Original
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.holders.retained import alive_generations, is_clean
from pytest_reloadleak.holders.retention import GRACE
from pytest_reloadleak.holders.search import Search
from pytest_reloadleak.model import Report, StillAlive
from pytest_reloadleak.run.observations import Observations
from pytest_reloadleak.strategies.imports.unit import Unit
from pytest_reloadleak.verdict import judge

_numbers = count(1)


class Followed:
    """One target.

    Args:
        name: a module, or a package with its submodules.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._unit = Unit((name,))
        # Nested watches, and a check of the same target, need markers with other names.
        self._ledger = Ledger(self._unit.owns)
        self._ledger.markers = Markers(f"{MARKER}{next(_numbers)}__")
        self.generation = -1
        """Number of the current generation: 0 is the first that the watch has seen."""
        self.is_untold = False
        """Whether it has been reloaded since its last notification."""

    def entries(self) -> list[tuple[str, object]]:
        """Name and `sys.modules` entry of each loaded module."""
        return [(name, sys.modules[name]) for name in self._unit.loaded() if name in sys.modules]

    def note(self, outgoing: str | None = None) -> list[tuple[str, object]]:
        """Note a generation if there is a new one. Returns the modules that are new or were executed again.

        Args:
            outgoing: a module that is about to be executed again. IPython has emptied its namespace by then.
        """
        entries, ledger = self.entries(), self._ledger
        if any(name == outgoing and self._is_emptied(name, module) for name, module in entries):
            return []
        replaced = set(ledger.replaced(entries)) if ledger.births else {name for name, _ in entries}
        added = {name for name, _ in entries if not ledger.markers.count(name)}
        if replaced:
            self.generation += 1
            self.is_untold = self.generation > 0
        if replaced or added:
            ledger.note(self.generation, entries)
        return [(name, module) for name, module in entries if name in replaced or name in added]

    def _is_emptied(self, name: str, module: object) -> bool:
        """Whether a noted module has lost its marker, since the program emptied its namespace."""
        namespace, markers = foreign.module_dict(module), self._ledger.markers
        return namespace is not None and markers.count(name) > 0 and markers.of(namespace) is None

    def count_old(self) -> int:
        """The number of live objects of generations before the current one, garbage included. Cheap."""
        return sum(self._ledger.older(self.generation, but=None).values()) if self._ledger.births else 0

    def is_clean(self) -> bool:
        """Whether only garbage is left of these generations. The cost follows the size of the target."""
        search = self._search(0)
        if not search.shared and not self.count_old():
            return True
        return is_clean(search)

    def told(self, *, is_clean: bool) -> StillAlive:
        """The state to notify of, after garbage was freed. `is_clean` says that nothing else is left."""
        self.is_untold = False
        self._ledger.prune()
        alive = () if is_clean else tuple(sorted(alive_generations(self._search(0))))
        retained = tuple(generation for generation in alive if generation < self.generation - GRACE)
        return StillAlive(target=self.name, current=self.generation, generations=alive, retained=retained)

    def _search(self, grace: int) -> Search:
        return Search(
            ledger=self._ledger,
            original=Original(-1),
            target=self.name,
            namespaces=self._namespaces(),
            rename=self._unit.rename,
            skip=[self, vars(self)],
            grace=grace,
        )

    def report(self, grace: int) -> Report:
        """The holders of the old generations, after a search of the heap.

        Args:
            grace: number of generations before the current one that may be alive.
        """
        ledger, unit = self._ledger, self._unit
        search = self._search(grace)
        scope = Scope(unit.owns, lambda: self.generation, unit.rename, ledger.born)
        effects = EffectLedger([Threads(), Loops()])
        effects.begin(scope)
        try:
            effects.note(None)  # the watch did not see when they began, so their objects date them
            seen = Observations(found=observe(search, effects, scope, -1), blind=list(search.lost))
        finally:
            effects.end()
        rounds = max(self.generation, 1)
        verdict = judge.judge(self.name, rounds, seen, judge.Knowledge(is_shared=True))
        return Report(
            target=self.name,
            nodeid=None,
            strategy="watched",
            rounds=rounds,
            warmup=0,
            outcome=verdict.outcome,
            reason=verdict.reason,
            duration_s=0.0,
            reload_s=0.0,
            retained_generations=verdict.retained_generations,
            findings=verdict.findings,
            notes=verdict.notes,
        )

    def _namespaces(self) -> dict[str, dict[str, Any]]:
        found = {name: foreign.module_dict(module) for name, module in self.entries()}
        return {name: namespace for name, namespace in found.items() if namespace is not None}

    def end(self) -> None:
        """Remove the markers."""
        self._ledger.markers.remove()
