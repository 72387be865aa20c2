"""List the probes by name, and select those that a check uses."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_reloadleak.effects.loops.loop_probe import Loops
from pytest_reloadleak.effects.probe import Probe
from pytest_reloadleak.effects.registries.listed import Registrations
from pytest_reloadleak.effects.registries.watched import Watched
from pytest_reloadleak.effects.system.children import Children
from pytest_reloadleak.effects.system.descriptors import Descriptors
from pytest_reloadleak.effects.system.subinterpreters import Interpreters
from pytest_reloadleak.effects.system.threads import Threads
from pytest_reloadleak.errors import UsageError, did_you_mean
from pytest_reloadleak.settings import FILES, GROWTH, REFERENCES

_BUILTIN: tuple[type[Probe], ...] = (
    Threads,
    Loops,
    Children,
    Watched,
    Registrations,
    Interpreters,
    Descriptors,
)
"""Ordered by kind of finding: an effect of an earlier probe may be the cause of one that a later probe sees."""

_KINDS: dict[str, tuple[str, ...]] = {
    REFERENCES: ("retained-generation", "stale-reference", "patched-global"),
    GROWTH: ("object-growth", "memory-growth"),
    FILES: ("registration",),
}
"""The kinds of finding of the names that are not probes."""


def chosen(names: Iterable[str], where: str, extra: Iterable[type[Probe]] = ()) -> tuple[str, ...]:
    """The probes that a user named, directly or by a kind of finding.

    Args:
        names: what the user wrote.
        where: the option, ini line or keyword that the names come from.
        extra: third-party probes.

    Raises:
        UsageError: a name is neither a probe nor a kind of finding.
    """
    table = _names_by_kind(extra)
    out: list[str] = []
    for name in names:
        if name not in table:
            known = ", ".join(sorted({n for of_kind in table.values() for n in of_kind}))
            hint = did_you_mean(name, table)
            raise UsageError(f"{where}: unknown probe '{name}': {hint}use {known}, or a kind of finding")
        out += table[name]
    return tuple(dict.fromkeys(out))


def _names_by_kind(extra: Iterable[type[Probe]]) -> dict[str, list[str]]:
    table = {name: [name] for name in _KINDS}
    table |= {kind: [name] for name, kinds in _KINDS.items() for kind in kinds}
    for probe in (*_BUILTIN, *extra):
        table[probe.name] = [probe.name]
        for kind in probe.kinds:
            table.setdefault(kind, []).append(probe.name)
    return table


def selected(
    names: tuple[str, ...], extra: Iterable[type[Probe]] = (), own: Iterable[Probe] = ()
) -> list[Probe]:
    """Create the probes of these names, or all probes if no name is given.

    Args:
        names: what `chosen` returned.
        extra: third-party probes.
        own: the strategy's own probes. Users cannot name them: each is used along with others of its kind.
    """
    probes = [probe() for probe in (*_BUILTIN, *extra) if not names or probe.name in names]
    kinds = {kind for probe in probes for kind in probe.kinds}
    return [*probes, *(probe for probe in own if not names or not kinds.isdisjoint(probe.kinds))]
