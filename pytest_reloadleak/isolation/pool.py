"""Run the workers of a session side by side, as forks of servers if forks are possible.

All this runs in one thread: a second one would be visible to the tests, and one thread can wait for several processes.
"""

from __future__ import annotations

import contextlib
import selectors
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

from pytest_reloadleak.errors import UsageError
from pytest_reloadleak.isolation.conditions import can_fork, inherited
from pytest_reloadleak.isolation.server import Server, ServerEndedError
from pytest_reloadleak.isolation.worker import CannotForkError, Job, Outcome, Worker, failed

_POLL_S = 0.02
"""Seconds between two polls for the end of a worker, if the system does not report it."""
_USED, _MOST_UNUSED = 2, 3
"""The number of workers that make a server worth its start, and the largest number of servers that were not worth it:
with more, what a worker inherits changes too often in this session."""


@dataclass(slots=True, eq=False)
class _Task:
    """A requested check."""

    name: str
    job: Job
    is_retried: bool = False
    had_company: bool = False
    """Whether another worker ran beside its own."""
    is_quiet: bool = False
    """Whether its worker must run alone."""
    inherited: tuple[object, ...] = ()
    """What its worker inherited."""


@dataclass(slots=True, eq=False)
class _Place:
    """A place for one worker at a time."""

    server: Server | None = None
    served: int = 0
    """How many workers the server has had."""
    task: _Task | None = None
    worker: Worker | None = None


class Pool:
    """The workers of a session.

    Args:
        jobs: how many run at once.
    """

    def __init__(self, jobs: int = 1) -> None:
        self._jobs = jobs
        self._waiting: list[_Task] = []
        self._places: list[_Place] = []
        self._done: dict[str, tuple[_Task, Outcome | UsageError]] = {}
        self._is_serving = can_fork()
        self._unused = 0
        """The number of servers that were replaced before they had served twice."""

    @property
    def waiting(self) -> int:
        """How many checks wait for a place."""
        return len(self._waiting)

    def expect(self, name: str, job: Job) -> None:
        """Run a check as soon as there is a place, since its outcome will be needed."""
        if not self._is_known(name):
            self._waiting.append(_Task(name, job))

    def outcome(self, name: str, job: Job, tick: Callable[[], float | None] = lambda: None) -> Outcome:
        """The outcome of a check, which begins now unless it has begun before.

        Args:
            name: the check's name.
            job: what it checks.
            tick: called during the wait; returns the seconds until its next call.

        Raises:
            UsageError: the target does not exist or is refused.
        """
        now = inherited()
        self._forget(name, lambda task: task.job != job or task.inherited not in ((), now))
        if not self._is_known(name):
            self._waiting.insert(0, _Task(name, job))
        try:
            while name not in self._done:
                self._fill()
                self._wait(tick())
                self._collect()
            self._fill()
        except BaseException:  # an interrupt, or another plugin's time limit for this item
            self._forget(name, lambda _: True)
            raise
        _, found = self._done.pop(name)
        if isinstance(found, UsageError):
            raise found
        return found

    def said(self, name: str) -> str:
        """The round and the phase that a check is in; empty if it has not begun."""
        places = (place for place in self._places if place.task is not None and place.task.name == name)
        return next((place.worker.said() for place in places if place.worker is not None), "")

    def close(self) -> None:
        """End all workers and servers."""
        self._waiting.clear()
        self._done.clear()
        places, self._places = self._places, []
        for place in places:
            _cancel(place)
            if place.server is not None:
                place.server.close()

    def _is_known(self, name: str) -> bool:
        tasks = [*self._waiting, *(place.task for place in self._places if place.task is not None)]
        return name in self._done or any(task.name == name for task in tasks)

    def _forget(self, name: str, is_unlike: Callable[[_Task], bool]) -> None:
        """Drop checks that were begun early if their workers inherited other conditions than the present ones."""
        if name in self._done and is_unlike(self._done[name][0]):
            del self._done[name]
        self._waiting = [task for task in self._waiting if task.name != name or not is_unlike(task)]
        for place in self._places:
            if place.task is not None and place.task.name == name and is_unlike(place.task):
                _cancel(place)

    # -- start --------------------------------------------------------------------------------------------------------

    def _fill(self) -> None:
        """Start the waiting checks, as far as there are places."""
        while self._waiting:
            running = [place.task for place in self._places if place.task is not None]
            if running and any(task.is_quiet for task in (*running, self._waiting[0])):
                return
            place = next((place for place in self._places if place.worker is None), None)
            if place is None:
                if len(self._places) >= self._jobs:
                    return
                place = _Place()
                self._places.append(place)
            started = self._waiting.pop(0)
            self._start(place, started)
            for task in running:
                started.had_company = task.had_company = True

    def _start(self, place: _Place, task: _Task) -> None:
        task.inherited = inherited()
        if self._is_serving:
            self._serve(place, task)
        # Set together, so that an interrupt of the start leaves the place free.
        place.worker, place.task = Worker(task.job, place.server), task
        place.served += 1

    def _serve(self, place: _Place, task: _Task) -> None:
        """Give a place a server whose forks equal fresh interpreters now, if a second worker will need it."""
        server = place.server
        if server is not None:
            if server.conditions == task.inherited and server.fits():
                return
            self._unused += place.served < _USED
            self._is_serving = self._unused < _MOST_UNUSED and not server.is_unfit
            self._drop(place)
        is_reused = place.served > 0 or len(self._waiting) >= self._jobs
        if not self._is_serving or not is_reused:
            return
        with contextlib.suppress(OSError):  # no more processes or descriptors: the worker itself says so
            place.server, place.served = Server(), 0

    def _drop(self, place: _Place) -> None:
        if place.server is not None:
            place.server.close()
            place.server = None

    # -- end ----------------------------------------------------------------------------------------------------------

    def _wait(self, most_s: float | None) -> None:
        """Wait until a worker ends or its time is over, but at most `most_s` seconds."""
        workers = [place.worker for place in self._places if place.worker is not None]
        waits_s = [worker.left_s() for worker in workers]
        if most_s is not None:
            waits_s.append(most_s)
        descriptors = [worker.descriptor() for worker in workers]
        if None in descriptors:
            time.sleep(min(*waits_s, _POLL_S))
        elif all(worker.is_running() for worker in workers):
            with selectors.PollSelector() as selector:
                for descriptor in descriptors:
                    selector.register(descriptor, selectors.EVENT_READ)  # type: ignore[arg-type]  # none is None
                selector.select(min(waits_s))

    def _collect(self) -> None:
        """Take the outcomes of the workers that have ended or must end."""
        for place in self._places:
            task, worker = place.task, place.worker
            if task is None or worker is None or not (worker.left_s() == 0 or not worker.is_running()):
                continue
            place.task = place.worker = None
            try:
                found: Outcome | UsageError | None = worker.outcome()
            except UsageError as error:
                found = error
            except CannotForkError:
                self._is_serving = False
                self._drop(place)
                found = None
            except ServerEndedError:
                found = failed(task.job, _ENDED_TWICE, 0.0) if task.is_retried else None
                task.is_retried = True
            if isinstance(found, Outcome) and task.had_company and _needs_quiet(found):
                task.had_company, task.is_quiet, found = False, True, None
            if found is None:
                self._waiting.insert(0, task)
            else:
                self._done[task.name] = task, found


_ENDED_TWICE = (
    "the process from which the worker was forked ended before the check did, twice: the target may end its parent "
    "process"
)


_TIMED = frozenset({"live-thread", "live-timer", "pending-task", "child-process"})
"""Kinds of effects that a check gives some time to end. Beside other workers, they get less of it."""


def _needs_quiet(found: Outcome) -> bool:
    """Whether another worker that ran at the same time may have changed a verdict.

    Workers share temporary folders, ports, locks and processors. A hang is not tried again, unless the worker wanted to
    run and got no processor.
    """
    from pytest_reloadleak.verdict import left

    report = found.report
    if report.outcome == "clean" or found.is_hang:
        return found.is_doubtful or found.is_starved
    return (
        report.outcome in {"error", "inconclusive"}
        or found.is_doubtful
        or any(one.kind in _TIMED or one.registry in left.REGISTRIES for one in report.findings)
    )


def _cancel(place: _Place) -> None:
    if place.worker is not None:
        with contextlib.suppress(ServerEndedError, subprocess.TimeoutExpired):
            place.worker.cancel()
    place.task = place.worker = None
