"""Take the state of the process before the first reload, and put it back after the last one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, nullcontext

from pytest_reloadleak.heap import settle
from pytest_reloadleak.holders.patches import own_callables
from pytest_reloadleak.run.process_settings import ProcessSettings
from pytest_reloadleak.run.subject import Subject
from pytest_reloadleak.strategies.imports.locks import imports_locked
from pytest_reloadleak.strategies.imports.module_table import kept_table
from pytest_reloadleak.strategies.imports.transaction import Transaction
from pytest_reloadleak.strategies.strategy import Strategy


class ProcessState:
    """The state of the process at the start of a run: the import system, the unit's namespaces, the collector."""

    def __init__(self) -> None:
        self.transaction: Transaction | None = None
        self.before: Mapping[str, Collection[str]] = {}
        """Names of each module's functions and classes before the target was first loaded."""
        self._strategy: Strategy | None = None
        self._gc_enabled = True
        self._settings: ProcessSettings | None = None
        self._frozen = 0

    def take(self, subject: Subject) -> None:
        """Take the current state."""
        if subject.runner.recognises_patches:
            self.before = own_callables(subject.unit.owns)
        if subject.runner.puts_settings_back:
            spared = frozenset(map(id, subject.runner.spared()))
            self._settings = ProcessSettings(subject.unit.owns, self.before, spared)
        self._gc_enabled = settle.is_enabled()
        self._frozen = settle.frozen_count()
        # Wait for an import in another thread, since otherwise a half-finished module would be put back.
        with imports_locked(subject.unit.loaded()):
            self.transaction = Transaction.begin(subject.unit)

    def prepare(self, strategy: Strategy) -> None:
        """Let the strategy prepare; `put_back` ends it."""
        strategy.begin()
        self._strategy = strategy

    def kept_table(self, when: str) -> AbstractContextManager[None]:
        """A block within which `sys.modules` must stay the same object: see `module_table`."""
        if self.transaction is None:
            return nullcontext()
        return kept_table(self.transaction.table, when)

    def frozen_note(self) -> list[str]:
        """A note on objects that `gc.freeze` hides from every collection, if there are any."""
        count = settle.frozen_count()
        if not count:
            return []
        since = f", {count - self._frozen} of them during the check" if count > self._frozen else ""
        return [
            f"the program froze {count} objects with gc.freeze(){since}: frozen objects are never collected"
        ]

    def settings_note(self, told: Collection[str]) -> list[str]:
        """Notes on the settings that the rounds changed: what `put_back` puts back, and what it cannot.

        Args:
            told: the holders' paths of bounded findings. Putting these places back would hide the leak from the next
                check, so that a test would pass when it is run again.
        """
        if self._settings is None:
            return []
        self._settings.leave(told)
        changed, lost = self._settings.changed(), self._settings.lost()
        notes = []
        if changed:
            notes.append(f"put back after the check, since its rounds changed them: {', '.join(changed)}")
        if lost:
            notes.append(
                f"stays after the check, since its rounds changed it and what was there is gone: {', '.join(lost)}; "
                "a dispose hook can restore it"
            )
        return notes

    def put_back(self) -> None:
        """Put the state back and release every object in it."""
        try:
            if self.transaction is not None:
                self.transaction.roll_back()
        finally:
            self.transaction = None
            if self._strategy is not None:
                self._strategy.end()
            if self._settings is not None:
                self._settings.put_back()
                self._settings = None
            if not self._frozen and settle.frozen_count():
                settle.unfreeze()
            settle.put_back(self._gc_enabled)
