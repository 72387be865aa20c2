"""Record in which round each effect was first seen. The ledger notes identities only, once per round."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from itertools import repeat

from pytest_reloadleak.effects.probe import Identity, Probe, Scope
from pytest_reloadleak.heap import foreign

FirstSeen = tuple[int | None, bool]
"""The generation during which an effect was first seen (`None`: before the run), and whether that was between rounds,
while the process settled."""

_UNKNOWN: FirstSeen = (None, False)

_QUIET_ROUNDS = 20
_ASKED_EACH = 5
"""After 20 noted rounds without a change, a probe is asked in one round of five. An effect that begins after that is
dated up to four rounds too late, once: then the probe is asked in each round again."""


class EffectLedger:
    """The births of the effects that some probes see.

    An identity (a descriptor's number, an object's address) can be used again. Its return is a new birth only if a note
    was taken while it was missing; otherwise the new effect is dated too early. So a date alone never makes a finding:
    the effect must belong to the target, or the number of effects must grow.
    """

    def __init__(self, probes: Iterable[Probe]) -> None:
        self._probes = tuple(probes)
        self._born: dict[str, dict[Identity, FirstSeen]] = {probe.name: {} for probe in self._probes}
        self._present: dict[str, object] = {}
        """The last result of each probe."""
        self._quiet = dict.fromkeys(self._born, 0)
        """For how many noted rounds in a row a probe has seen no change."""
        self._begun: list[Probe] = []
        self.failed: dict[str, str] = {}
        """By the name of a probe, the error after which it is no longer called."""
        self.collected: dict[str, None] = {}
        """The probes' notes about effects that ended only because the process settled, in order."""

    def begin(self, scope: Scope) -> None:
        """Start every probe."""
        for probe in self._probes:
            self._begun.append(probe)
            self.guarded(probe, partial(probe.begin, scope))

    def end(self) -> None:
        """End every probe that began, even if another one raises."""
        while self._begun:
            probe = self._begun.pop()
            self.guarded(probe, probe.end)

    def note(self, generation: int | None, *, is_idle: bool = False) -> None:
        """Date every new effect to `generation`.

        Args:
            generation: the current one; `None` before the first.
            is_idle: whether no round is under way, so that new effects hardly come from a round.
        """
        for probe in self.working():
            self.guarded(probe, partial(self._note, probe, (generation, is_idle)))

    def note_round(self, generation: int) -> None:
        """Date the new effects of a round that more rounds follow. Leaves out most probes that see no change."""
        for probe in self.working():
            if self._quiet[probe.name] < _QUIET_ROUNDS or generation % _ASKED_EACH == 0:
                self._quiet[probe.name] += 1
                self.guarded(probe, partial(self._note, probe, (generation, False)))

    def _note(self, probe: Probe, now: FirstSeen) -> None:
        before = self._born[probe.name]
        found = probe.identities()
        if type(found) is tuple and found is self._present.get(probe.name):
            return  # the same object: nothing is new, and nothing is gone
        self._present[probe.name] = found
        present = list(found)
        if now[1]:
            gone = before.keys() - set(present)
            ended = probe.collected(one for one in gone if before[one][0] is not None)
            self.collected.update(dict.fromkeys(ended))
        born = dict(zip(present, map(before.get, present, repeat(now)), strict=True))
        if born != before:
            self._quiet[probe.name] = 0
        self._born[probe.name] = born

    def guarded(self, probe: Probe, action: Callable[[], None]) -> None:
        """Run an action of a probe, which may be a third party's. A probe that raises is not called again."""
        try:
            action()
        except Exception as error:  # noqa: BLE001 - reported; it makes the check inconclusive
            self.failed[probe.name] = foreign.exception_text(error)

    def working(self) -> list[Probe]:
        """The probes that have not raised."""
        return [probe for probe in self._probes if probe.name not in self.failed]

    def born(self, probe: str, identity: Identity) -> FirstSeen:
        """When an effect was first seen."""
        return self._born[probe].get(identity, _UNKNOWN)

    def has_any(self, probe: Probe) -> bool:
        """Whether any effect first seen during the run is still there."""
        return probe.is_always_asked or any(born is not None for born, _ in self._born[probe.name].values())

    def has_older(self, probe: Probe, limit: int) -> bool:
        """Whether any effect first seen in a round before `limit` is still there."""
        return any(born is not None and born < limit for born, _ in self._born[probe.name].values())

    def unjudged(self) -> tuple[set[int], set[int]]:
        """Ids of containers whose length proves nothing: those that probes list, or that libraries empty later."""
        listed: set[int] = set()
        emptied: set[int] = set()

        def note(probe: Probe) -> None:
            listed.update(map(id, probe.containers()))
            emptied.update(map(id, probe.emptied_later()))

        for probe in self.working():
            self.guarded(probe, partial(note, probe))
        return listed, emptied

    def blind(self) -> list[str]:
        """What could not be checked, and why."""
        reasons = {probe.name: probe.blind() for probe in self.working()}
        raised = {name: f"it raised {why}" for name, why in self.failed.items()}
        return [f"probe {name}: {why}" for name, why in {**reasons, **raised}.items() if why is not None]
