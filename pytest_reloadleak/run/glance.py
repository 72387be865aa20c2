"""End a clean pass over a large heap with a glance: collect only young objects, and count what is left.

A full collection at the end of a pass takes as long as everything else. All objects of the rounds are young, except one
generation that the baseline's collection made old. So a glance is enough if it leaves no doubt; otherwise a full
collection follows, as on a small heap.
"""

from __future__ import annotations

from pytest_reloadleak.effects.observe import suspect
from pytest_reloadleak.effects.system.meter import may_have_grown
from pytest_reloadleak.effects.system.process_numbers import Sample
from pytest_reloadleak.generations.first_pass import FirstPass
from pytest_reloadleak.heap import settle
from pytest_reloadleak.holders.retained import is_clean
from pytest_reloadleak.holders.retention import GRACE
from pytest_reloadleak.run.looking import Looking
from pytest_reloadleak.run.record import Record
from pytest_reloadleak.run.subject import Subject
from pytest_reloadleak.settings import GROWTH, Settings

_LEAST = 4
"""Rounds of a pass that may end with a glance: in fewer, too few generations are judged."""


class Glance:
    """The glance of one run.

    Args:
        subject: what the run reloads.
        record: which generation was created when.
        settings: what to look for.
        looks: the looks of the same run, which take over in case of doubt.
    """

    def __init__(self, subject: Subject, record: Record, settings: Settings, looks: Looking) -> None:
        self._subject = subject
        self._record = record
        self._settings = settings
        self._looks = looks
        self._before: Sample | None = None

    def pays(self, rounds: int) -> bool:
        """Whether a glance after some rounds is worth it: only if a collection takes long."""
        return rounds >= _LEAST and settle.HAS_AGES and self._looks.meter.is_large()

    def take_reference(self) -> None:
        """Take the numbers after the first round, whose outgoing generation only a full collection frees.

        That generation still exists at the glance. So these numbers must include it, unlike the baseline's.
        """
        settle.collect_youngest()
        settle.fill_free_lists()
        self._before = self._looks.meter.sample(1, is_quick=True)

    def shows_clean(self, rounds: int) -> bool:
        """End the pass, settled by a glance, if no old generation lives, nothing grew, and no effect is left.

        Args:
            rounds: how many rounds the pass had.

        Returns:
            False in case of doubt. Then the pass has not ended, and a full collection must follow.
        """
        record, looks, before = self._record, self._looks, self._before
        assert before is not None
        settle.fill_free_lists()
        now = looks.meter.sample(rounds, is_quick=True)
        modules = len(self._subject.unit.loaded())
        if self._settings.looks_for(GROWTH) and may_have_grown(before, now, rounds - 1, modules):
            return False
        search = looks.search(GRACE)
        try:
            known = suspect(search, record.effects, record.scope, record.first_loaded)
            if known.effects or search.kept in known.alive or not is_clean(search):
                return False
        except Exception:  # noqa: BLE001 - what cannot be read now is reported by the look that follows
            return False
        looks.first_pass = FirstPass(record.first, record.ledger.current, search.limit)
        looks.conclude(now, search)
        return True
