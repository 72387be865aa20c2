"""Watch what the probes list: threads, descriptors, children, tasks, entries of registries."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from pytest_reloadleak.effects.probe import Identity, Probe
from pytest_reloadleak.holders.retention import Stack
from pytest_reloadleak.holders.sweep import Cause
from pytest_reloadleak.watchpoints.births import Birth, Births, Blame

_PREFIXES = frozenset({"of the target", "part"})
"""Words that a probe puts before an identity to distinguish certain effects from others."""


class Listed:
    """The effects that a probe lists.

    Args:
        probe: the probe.
        causes: the causes of the findings on its effects.
    """

    __slots__ = ("_before", "_causes", "births", "probe")

    def __init__(self, probe: Probe, causes: Collection[Cause]) -> None:
        self.probe = probe
        self._causes = causes
        self.births = Births()
        self._before: frozenset[Identity] = frozenset(probe.glance(causes))

    def look(self, blame: Blame, returned: object = None) -> None:
        """Note which effects are new since the last look."""
        del returned
        now = frozenset(self.probe.glance(self._causes))
        if now == self._before:
            return
        for identity in now - self._before:
            self.births.add(identity, None, blame())
        self.births.keep(now)
        self._before = now

    def learn(self, told: Mapping[tuple[object, ...], Stack]) -> None:
        """Note the stacks of another process that made some of the new effects."""
        for identity, birth in self.births.items():
            if identity in told:
                self.births.add(identity, birth.likeness, told[identity])

    def close(self) -> None:
        """Do nothing: identities hold no object."""

    def by_cause(self) -> list[tuple[Cause, Birth]]:
        """The new effects that are still present, each with its cause, in the order in which they appeared."""
        born = self.births.items()
        if not born:
            return []
        causes: dict[tuple[object, ...], Cause] = {}
        for effect in self.probe.effects():
            identity = effect.identity[1:] if effect.identity[0] in _PREFIXES else effect.identity
            causes[identity] = effect.cause
        return [(causes[identity], birth) for identity, birth in born if identity in causes]


def is_of(cause: Cause, finding: Cause) -> bool:
    """Whether an effect's cause is that of a finding, whose path may have `*` for what differs between effects."""
    if (cause.kind, cause.root, cause.registry) != (finding.kind, finding.root, finding.registry):
        return False
    if finding.path.startswith(cause.path):
        return True  # the path of a finding may end in a later state, as for a timer that was cancelled
    pattern = ".*".join(map(re.escape, finding.path.split("*")))
    return re.fullmatch(pattern, cause.path, re.DOTALL) is not None
