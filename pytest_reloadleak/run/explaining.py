"""Perform one more round with the first-party lines traced, to name the line that made what was found.

The findings are judged before it. Nothing that the traced round does changes them or the outcome.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pytest_reloadleak.heap import foreign
from pytest_reloadleak.heap.failure import failure_text
from pytest_reloadleak.holders.retention import Diagnosis, Retention, Stack
from pytest_reloadleak.run.observations import Observations
from pytest_reloadleak.run.record import Record
from pytest_reloadleak.run.subject import Subject
from pytest_reloadleak.settings import Settings
from pytest_reloadleak.strategies.dependencies.project import Project

if TYPE_CHECKING:
    from pytest_reloadleak.watchpoints.watchpoints import TracedLines, Watchpoints

_LEAST_S = 1.0
"""Seconds that the looks after all lines may take in any case."""
_SHARE = 0.5
"""The share of the check's time so far that the looks may take."""

_now_s = time.perf_counter

Paths = dict[object, list[tuple[int, tuple[Any, ...]]]]


class Explaining:
    """The traced round of a run.

    Args:
        subject: what the run reloads.
        record: which generation was created when.
        observations: receives the lines.
        settings: says what is first-party.
    """

    def __init__(
        self, subject: Subject, record: Record, observations: Observations, settings: Settings
    ) -> None:
        self._subject = subject
        self._record = record
        self._observations = observations
        self._project = Project(settings.rootdir, settings.test_files)
        self._begun_s = _now_s()
        self._watchpoints: Watchpoints | None = None
        self._record_file: str | None = None
        """The file to which a worker writes the lines of this round."""
        self.is_over = False
        """Whether the round has failed, so that its remaining steps are skipped."""

    @contextmanager
    def round(self, found: Diagnosis, paths: Paths) -> Iterator[None]:
        """Trace the round in the block, and put the lines into the last look's retentions.

        Args:
            found: the last look.
            paths: the paths of its references. This method empties it.
        """
        errors, reload_s = list(self._subject.disposal.errors), self._observations.reload_s
        try:
            self._watchpoints = self._begun(found, paths)
        except Exception as error:  # noqa: BLE001 - a line that cannot be named must not hide the finding
            self._give_up(found, error)
        watchpoints = self._watchpoints
        try:
            yield
        finally:
            self._watchpoints = None
            if watchpoints is not None:
                self._end_worker()
                watchpoints.stop()
            self._subject.disposal.errors[:] = errors
            self._observations.reload_s = reload_s
        if watchpoints is None:
            return
        try:
            self._learn(watchpoints)
            self._place(found, watchpoints.made())
        except Exception as error:  # noqa: BLE001 - as above
            self._give_up(found, error)

    def _begun(self, found: Diagnosis, paths: Paths) -> Watchpoints:
        # Imported here: a clean check has nothing to watch.
        from pytest_reloadleak.watchpoints.stacks import Ranks
        from pytest_reloadleak.watchpoints.watchpoints import Watchpoints

        named = [(retention, paths.get(_key(retention), [])) for retention in found.retentions]
        paths.clear()
        files = self._subject.files()
        ranks = Ranks(self._subject.unit.owns, self._project.rank, files)
        most_s = max(_LEAST_S, _SHARE * (_now_s() - self._begun_s))
        watchpoints = Watchpoints(named, self._record.effects.working(), ranks, files, most_s)
        if not self._subject.is_loaded_here:
            self._trace_worker(most_s)
        watchpoints.start()
        return watchpoints

    def _trace_worker(self, most_s: float) -> None:
        """Have the worker of this round trace the lines of the target, which run only there."""
        from pytest_reloadleak.watchpoints import in_worker

        strategy = self._subject.strategy
        assert strategy is not None
        self._record_file = strategy.trace_next(in_worker.MODULE, in_worker.job(self._project, most_s))

    def _end_worker(self) -> None:
        """End the traced worker: only then is it certain what the worker leaves, and its record is complete."""
        strategy = self._subject.strategy
        if self._record_file is not None and strategy is not None:
            strategy.end_traced()

    def _learn(self, watchpoints: Watchpoints) -> None:
        if self._record_file is None:
            return
        from pytest_reloadleak.watchpoints import in_worker

        watchpoints.learn(*in_worker.recorded(self._record_file))

    def _place(self, found: Diagnosis, lines: Sequence[TracedLines]) -> None:
        """Put the lines into the retentions. A retention without a line keeps what its probe knows."""
        explained = [
            retention._replace(
                stacks=surer(retention.stacks, made.stacks),
                site_reason=None if retention.stacks else made.reason,
            )
            for retention, made in zip(found.retentions, lines, strict=True)
        ]
        self._observations.found = found._replace(retentions=tuple(explained))

    def _give_up(self, found: Diagnosis, error: Exception) -> None:
        self.is_over = True
        why = f"watching raised {foreign.exception_text(error)}"
        explained = [r if r.stacks else r._replace(site_reason=why) for r in found.retentions]
        self._observations.found = found._replace(retentions=tuple(explained))

    def forgives(self, error: BaseException) -> bool:
        """Whether an error of a step ends only the traced round, and not the whole run."""
        if self._watchpoints is None or isinstance(error, (GeneratorExit, SystemExit)):
            return False
        if isinstance(error, KeyboardInterrupt) and self._subject.runner.is_interruptible:
            return False
        self._watchpoints.fail(f"the traced round raised {failure_text(error)}")
        self.is_over = True
        return True


def surer(known: tuple[Stack, ...], traced: tuple[Stack, ...]) -> tuple[Stack, ...]:
    """The stacks to report: those of the traced round, unless they contradict those of a watched function.

    A watched function saw its caller. The traced round blames the thread that ran last, which may be the wrong one if
    several are busy.

    Args:
        known: what a probe knows of the call.
        traced: what the round shows.
    """
    lines = {place[:2] for stack in known for place in stack}
    is_contradicted = bool(lines) and not any(place[:2] in lines for stack in traced for place in stack)
    return known if is_contradicted else traced or known


def _key(retention: Retention) -> object:
    return retention.cause or (retention.trace, retention.holder)
