"""Let the processes of pytest-xdist begin with the slowest targets, by the times of earlier runs.

A slow target that comes last keeps one process busy while the others have nothing to do. The controller reads the times
from pytest's cache and sends them, since all processes must collect the same order, even on other machines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import pytest

from pytest_reloadleak.integration.items import TargetItem
from pytest_reloadleak.integration.selection import ROOT

_CACHED = "reloadleak/durations"
_SENT = "reload_leak_durations"
_MOST = 20_000
"""The largest number of items whose times are kept; the oldest are dropped first."""
_T = TypeVar("_T")


class SlowFirst:
    """The hooks that keep the times and use them.

    Args:
        config: pytest's configuration.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._taken_s: dict[str, float] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the time of a target."""
        if report.when == "call" and not report.skipped and report.nodeid.startswith(f"{ROOT}::"):
            self._taken_s[report.nodeid] = round(report.duration, 3)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Send a process of xdist the times of earlier runs."""
        node.workerinput[_SENT] = self._known()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """In a process of xdist, sort the targets; all other tests stay at their places."""
        sent: Mapping[str, Any] = getattr(self._config, "workerinput", {})
        known: Mapping[str, float] = sent.get(_SENT) or {}
        places = [index for index, item in enumerate(items) if isinstance(item, TargetItem)]
        if not known or not places:
            return
        targets = [items[index] for index in places]
        slowest = sorted(targets, key=lambda item: -known.get(item.nodeid, 0.0))
        processes = int(sent.get("workercount", 1))
        first = max(len(items) // processes // 4, 2)
        # Only if the first batch begins with targets: it may consist of tests.
        dealt = in_batches(slowest, processes, first if places[0] == 0 else 0)
        for index, item in zip(places, dealt, strict=True):
            items[index] = item

    def pytest_sessionfinish(self) -> None:
        """Keep the times for the next run."""
        cache = getattr(self._config, "cache", None)
        if cache is None or not self._taken_s or hasattr(self._config, "workerinput"):
            return
        before = {name: taken_s for name, taken_s in self._known().items() if name not in self._taken_s}
        cache.set(_CACHED, dict([*before.items(), *self._taken_s.items()][-_MOST:]))

    def _known(self) -> dict[str, float]:
        """The times of earlier runs; empty if the cache is off or damaged."""
        cache = getattr(self._config, "cache", None)
        found = cache.get(_CACHED, None) if cache is not None else None
        if not isinstance(found, dict):
            return {}
        return {name: float(taken_s) for name, taken_s in found.items() if isinstance(taken_s, (int, float))}


def in_batches(slowest: Sequence[_T], processes: int, first: int) -> list[_T]:
    """The order in which each process begins with its share of the slowest items.

    xdist first sends each process a batch of consecutive items, and then small batches. In descending order the first
    process would get all of the slowest items.

    Args:
        slowest: the items in descending order.
        processes: the number of processes that share them.
        first: the size of the first batches; 0 if these contain none of the items.
    """
    if len(slowest) < processes * first:
        first = 0
    dealt = slowest[: processes * first]
    return [item for process in range(processes) for item in dealt[process::processes]] + [
        *slowest[processes * first :]
    ]
