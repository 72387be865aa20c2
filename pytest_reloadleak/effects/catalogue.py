"""The probes by name: which there are, and which of them a check uses."""

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
from pytest_reloadleak.errors import UsageError
from pytest_reloadleak.settings import GROWTH, REFERENCES

_BUILTIN: tuple[type[Probe], ...] = (
    Threads,
    Loops,
    Children,
    Watched,
    Registrations,
    Interpreters,
    Descriptors,
)
"""In the order of the kinds they lead to: what an earlier one found may be the cause of what a later one sees."""

_KINDS: dict[str, tuple[str, ...]] = {
    REFERENCES: ("retained-generation", "stale-reference", "patched-global"),
    GROWTH: ("object-growth", "memory-growth"),
}
"""What these two lead to, which are no probes."""


def chosen(names: Iterable[str], where: str, extra: Iterable[type[Probe]] = ()) -> tuple[str, ...]:
    """Names of probes from what a user wrote: names of probes, or the kinds of finding that they lead to.

    Args:
        names: what was written.
        where: which option, ini line or keyword it was written in.
        extra: probes of third parties.

    Raises:
        UsageError: no probe has such a name or kind.
    """
    table = _names_by_kind(extra)
    out: list[str] = []
    for name in names:
        if name not in table:
            known = ", ".join(sorted({n for of_kind in table.values() for n in of_kind}))
            raise UsageError(f"{where}: unknown probe '{name}': use some of {known}, or a kind of finding")
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
    """New probes of these names, or all if there are none.

    Args:
        names: what `chosen` returned.
        extra: probes of third parties.
        own: a strategy's own probes, which have no name for users: each looks where another of its kind does.
    """
    probes = [probe() for probe in (*_BUILTIN, *extra) if not names or probe.name in names]
    kinds = {kind for probe in probes for kind in probe.kinds}
    return [*probes, *(probe for probe in own if not names or not kinds.isdisjoint(probe.kinds))]
