"""In which round was an effect born? Identities alone are noted, once per round."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from pytest_reloadleak.effects.probe import Identity, Probe, Scope
from pytest_reloadleak.heap import foreign

Born = tuple[int | None, bool]
"""The generation in whose time an effect was first seen, `None` for before the run; and whether that was between the
rounds, while the process settled."""

_UNKNOWN: Born = (None, False)


class EffectLedger:
    """The births of what the probes see.

    An identity that is gone and comes back (a descriptor's number, the address of an object) is a new birth if it was
    missing when it was noted in between. One that is missed that way is dated too early, which is why a date alone
    never makes a finding: the effect must belong to the target, or their number must grow.

    Args:
        probes: who is asked.
    """

    def __init__(self, probes: Iterable[Probe]) -> None:
        self._probes = tuple(probes)
        self._born: dict[str, dict[Identity, Born]] = {probe.name: {} for probe in self._probes}
        self._begun: list[Probe] = []
        self.failed: dict[str, str] = {}
        """Why a probe was given up, by its name."""
        self.collected: dict[str, None] = {}
        """What the probes had to say of what ended only because the process settled."""

    def begin(self, scope: Scope) -> None:
        """Let every probe begin."""
        for probe in self._probes:
            self._begun.append(probe)
            self.guarded(probe, partial(probe.begin, scope))

    def end(self) -> None:
        """Let every probe that began end, whatever the others do."""
        while self._begun:
            probe = self._begun.pop()
            self.guarded(probe, probe.end)

    def note(self, generation: int | None, *, is_idle: bool = False) -> None:
        """What is new was born in the time of `generation`.

        Args:
            generation: the present one; `None` before the first.
            is_idle: whether no round was under way, so that what is new is hardly its doing.
        """
        for probe in self.working():
            self.guarded(probe, partial(self._note, probe, (generation, is_idle)))

    def _note(self, probe: Probe, now: Born) -> None:
        before = self._born[probe.name]
        present = list(probe.identities())
        if now[1]:
            gone = before.keys() - set(present)
            ended = probe.collected(one for one in gone if before[one][0] is not None)
            self.collected.update(dict.fromkeys(ended))
        self._born[probe.name] = {identity: before.get(identity, now) for identity in present}

    def guarded(self, probe: Probe, action: Callable[[], None]) -> None:
        """Let a probe, which may be a third party's, do something; one that raises is asked no more."""
        try:
            action()
        except Exception as error:  # noqa: BLE001 - it is reported, and makes the check inconclusive
            self.failed[probe.name] = foreign.exception_text(error)

    def working(self) -> list[Probe]:
        """The probes that have not raised."""
        return [probe for probe in self._probes if probe.name not in self.failed]

    def born(self, probe: str, identity: Identity) -> Born:
        """When an effect was first seen."""
        return self._born[probe].get(identity, _UNKNOWN)

    def has_any(self, probe: Probe) -> bool:
        """Whether something is still there that was born in the run."""
        return any(born is not None for born, _ in self._born[probe.name].values())

    def has_older(self, probe: Probe, limit: int) -> bool:
        """Whether something is still there that was born in a round before `limit`."""
        return any(born is not None and born < limit for born, _ in self._born[probe.name].values())
