"""Watch the edges and effects of some findings while one round is traced, and name the lines that made them."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from pytest_reloadleak.effects.probe import Probe
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.holders import patches
from pytest_reloadleak.holders.retention import Retention, Stack
from pytest_reloadleak.holders.sweep import Cause
from pytest_reloadleak.watchpoints import futures
from pytest_reloadleak.watchpoints.births import Birth
from pytest_reloadleak.watchpoints.containers import Container, Likeness, likeness
from pytest_reloadleak.watchpoints.edges import Path, watched_edges
from pytest_reloadleak.watchpoints.effects import Listed, is_of
from pytest_reloadleak.watchpoints.futures import Futures
from pytest_reloadleak.watchpoints.natives import Native
from pytest_reloadleak.watchpoints.observer import Observer, Watch
from pytest_reloadleak.watchpoints.once import lines, name_of
from pytest_reloadleak.watchpoints.stacks import Ranks
from pytest_reloadleak.watchpoints.tracers import tracer

MOST = 100
"""The largest number of containers watched at once. A reader of a longer report begins with its first findings."""
_INTERVAL_S = 0.25
"""The switch interval of threads during the round: a thread runs until it waits, so what is new is its work."""
_get_interval, _set_interval = sys.getswitchinterval, sys.setswitchinterval
SHOWN = 5
"""The largest number of sites of one finding that are reported."""
_NOT_AGAIN = "no line of the traced round made such a reference again: it was made once"
_NO_LINE = "it appeared while no first-party line was running"
_NATIVE = "only C code holds it, so no container shows when it was passed on"


class TracedLines(NamedTuple):
    """The stacks that made such references again, or why there are none."""

    stacks: tuple[Stack, ...]
    reason: str | None


class Watchpoints:
    """Everything watched during one traced round.

    Args:
        found: the retentions of the last look, each with the paths of its references.
        probes: the probes that list effects.
        ranks: whose code is traced.
        files: the target's source files.
        most_s: seconds that all looks together may take.
    """

    def __init__(
        self,
        found: Collection[tuple[Retention, list[Path]]],
        probes: Iterable[Probe],
        ranks: Ranks,
        files: Collection[str],
        most_s: float,
    ) -> None:
        self._ranks, self._files = ranks, files
        self._names = [name_of(paths[0][1]) if paths else None for _, paths in found]
        self._retentions = [retention for retention, _ in found]
        self._containers: dict[tuple[int, tuple[str, ...]], Container] = {}
        self._edges: list[list[tuple[Container, set[Likeness]]]] = [
            self._watched(retention, paths) for retention, paths in found
        ]
        causes = {r.cause for r in self._retentions if r.cause is not None}
        self._listed = [
            Listed(probe, of_probe)
            for probe in probes
            if (of_probe := {cause for cause in causes if cause.kind in probe.kinds})
        ]
        self._natives = {
            at: Native(retention.held)
            for at, retention in enumerate(self._retentions)
            if retention.holder.root == "native" and retention.cause is None
        }
        self._futures = {
            at: Futures(retention.held)
            for at, retention in enumerate(self._retentions)
            if retention.cause is not None and retention.cause.path.startswith(futures.PATH)
        }
        watches: list[Watch] = [
            *self._containers.values(),
            *self._listed,
            *self._natives.values(),
            *self._futures.values(),
        ]
        self._observer = Observer(watches, ranks, most_s)
        self._tracer = tracer(self._observer)
        self.failure: str | None = None
        self._interval_s = 0.0
        self._is_tracing = False

    def _watched(self, retention: Retention, paths: list[Path]) -> list[tuple[Container, set[Likeness]]]:
        if _is_of_target(retention):
            table = Container(
                foreign.module_table(), (), lambda name: type(name) is str and self._ranks.owns(name)
            )
            self._containers.setdefault((id(foreign.module_table()), ()), table)
            return [(self._containers[id(foreign.module_table()), ()], {("", "module")})]
        out = []
        if (patched := _patched(retention)) is not None:
            namespace, attribute = patched
            container = self._container(namespace, (attribute,))
            if container is not None:
                out.append((container, {likeness(namespace[attribute])}))
        for edge in watched_edges(paths):
            container = self._container(edge.container, edge.keys())
            if container is not None:
                out.append((container, edge.likenesses))
        return out

    def _container(self, o: object, keys: tuple[str, ...]) -> Container | None:
        key = (id(o), keys)
        if key not in self._containers and len(self._containers) < MOST:
            self._containers[key] = Container(o, keys)
        return self._containers.get(key)

    def start(self) -> None:
        """Begin to trace."""
        self._interval_s = _get_interval()
        _set_interval(max(_INTERVAL_S, self._interval_s))
        self.failure = self._tracer.start()
        self._is_tracing = self.failure is None

    def stop(self) -> None:
        """Stop tracing, and look a last time."""
        ended_early = self._tracer.stop() if self._is_tracing else None
        self.failure = self.failure or ended_early
        if _get_interval() == _INTERVAL_S:  # otherwise the program has set its own
            _set_interval(self._interval_s)
        self.failure = self.failure or self._observer.failure
        self._observer.end()

    def learn(self, told: Mapping[tuple[object, ...], Stack], failure: str | None) -> None:
        """Take over what another process recorded, in which the lines of the target ran.

        Args:
            told: the stacks that made what appeared.
            failure: why it did not trace to its end; `None` if it did.
        """
        self.failure = self.failure or failure
        for listed in self._listed:
            listed.learn(told)

    def fail(self, why: str) -> None:
        """Note why the round did not reach its end."""
        self.failure = self.failure or why

    def made(self) -> list[TracedLines]:
        """The lines of each finding, in order. Releases every object."""
        for container in self._containers.values():
            container.close()
        born = [pair for listed in self._listed for pair in listed.by_cause()]
        return [self._made(at, born) for at in range(len(self._retentions))]

    def _made(self, at: int, born: list[tuple[Cause, Birth]]) -> TracedLines:
        retention = self._retentions[at]
        births: list[Birth] = []
        if retention.cause is not None:
            births = [birth for cause, birth in born if is_of(cause, retention.cause)]
        if not any(birth.stack for birth in births) or _is_of_target(retention):
            births = self._of_future(at) or _chosen(self._edges[at]) or births
        if not births and at in self._natives:
            births = [birth for _, birth in self._natives[at].births.items()]
        stacks = tuple(dict.fromkeys(birth.stack for birth in births if birth.stack))[:SHOWN]
        name = self._names[at]
        # A name of the target itself is bound in a new namespace, which no traced round can watch before it exists.
        if not stacks and name is not None and (name.file in self._files or len(retention.generations) == 1):
            stacks = lines(name, self._files, self._ranks)
        return TracedLines(stacks, None if stacks else self._reason(retention, births))

    def _of_future(self, at: int) -> list[Birth]:
        return [birth for _, birth in self._futures[at].births.items()] if at in self._futures else []

    def _reason(self, retention: Retention, births: list[Birth]) -> str:
        if self.failure:
            return self.failure
        if births:
            return _NO_LINE
        return _NATIVE if retention.holder.root == "native" else _NOT_AGAIN


def _is_of_target(retention: Retention) -> bool:
    """Whether the target's own modules pile up in `sys.modules`. The probe lists only modules of others."""
    return retention.cause is not None and retention.cause.path == "sys.modules[*]"


def _patched(retention: Retention) -> tuple[dict[str, Any], str] | None:
    """The place of a patch. Its paths may lead through the target, which has the previous patch's name as well."""
    cause = retention.cause
    return patches.place_of(cause) if cause is not None and cause.kind == "patched-global" else None


def _chosen(edges: list[tuple[Container, set[Likeness]]]) -> list[Birth]:
    """The births in the container next to the items, with an item's likeness; if there are none, all births there."""
    for container, likenesses in edges:
        found = [birth for _, birth in container.births.items() if birth.likeness in likenesses]
        if found:
            return found
    for container, _ in edges[:1]:
        return [birth for _, birth in container.births.items()]
    return []
