"""Run the checks of target items in workers, which live as long as nothing but such items runs."""

from __future__ import annotations

import pytest

from pytest_reloadleak.isolation.pool import Pool
from pytest_reloadleak.isolation.worker import Job, Outcome

_POOL = pytest.StashKey[Pool]()


def outcome(item: pytest.Item, job: Job) -> Outcome:
    """The outcome of an item's check.

    Raises:
        UsageError: the target does not exist or is refused.
    """
    stash = item.config.stash
    if _POOL not in stash:
        stash[_POOL] = Pool()
        item.config.add_cleanup(lambda: release(item.config))
    return stash[_POOL].outcome(item.nodeid, job)


def release(config: pytest.Config) -> None:
    """End all workers: tests find no child process that they did not start."""
    pool = config.stash.get(_POOL, None)
    if pool is not None:
        del config.stash[_POOL]
        pool.close()
