"""Run the checks of target items in workers, several at once. The workers end before any other test runs."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import pytest

from pytest_reloadleak.integration.reporting.progress import Progress
from pytest_reloadleak.isolation.pool import Pool
from pytest_reloadleak.isolation.worker import Job, Outcome

_POOL = pytest.StashKey[Pool]()
_TAKEN_S = pytest.StashKey[float]()
_FILES = pytest.StashKey[tuple[str, ...]]()
_AHEAD = 32
"""Number of items for each worker whose checks may begin before their turn, so that a slow one keeps no worker idle."""


def outcome(item: pytest.Item, job: Job, jobs: int, following: Iterable[tuple[str, Job]]) -> Outcome:
    """The outcome of an item's check.

    Args:
        item: the item.
        job: what its worker checks.
        jobs: how many checks may run at once.
        following: node ids and jobs of the next items, whose checks begin beside it if several may run at once.

    Raises:
        UsageError: the target does not exist or is refused.
    """
    config = item.config
    if _POOL not in config.stash:
        config.stash[_POOL] = Pool(jobs)
        config.add_cleanup(lambda: release(config))
    pool = config.stash[_POOL]
    # Not for each item: computing whether the following ones are foreseeable takes time.
    if jobs > 1 and pool.waiting < _AHEAD * jobs // 2:
        pool.expect(item.nodeid, job)
        for name, other in islice(following, _AHEAD * jobs):
            pool.expect(name, other)
    progress = Progress(config, item.name, job.settings.rounds, job.settings.warmup)
    try:
        found = pool.outcome(item.nodeid, job, lambda: progress.tick(lambda: pool.said(item.nodeid)))
    finally:
        progress.end()
    item.stash[_TAKEN_S] = found.report.duration_s
    item.stash[_FILES] = found.files
    return found


def duration_s(item: pytest.Item) -> float:
    """Seconds that an item's check took; 0 if it was not checked in a worker."""
    return item.stash.get(_TAKEN_S, 0.0)


def wants_files(config: pytest.Config) -> bool:
    """Whether pytest-testmon records in this run on which files the tests depend."""
    return bool(config.pluginmanager.has_plugin("TestmonCollect"))


def files(item: pytest.Item) -> tuple[str, ...]:
    """The files that an item's worker loaded, if its job asked for them and the check ended."""
    return item.stash.get(_FILES, ())


def release(config: pytest.Config) -> None:
    """End all workers: tests find no child process that they did not start."""
    pool = config.stash.get(_POOL, None)
    if pool is not None:
        del config.stash[_POOL]
        pool.close()
