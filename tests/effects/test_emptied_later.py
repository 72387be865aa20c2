"""What a library drops in its own time is no growth: a cancelled timer stays in its loop's list for a while."""

import importlib

import pytest
from cases import run

from pytest_reloadleak.check import measure_reload

HOST = """
import asyncio
loop = asyncio.new_event_loop()
"""
TARGET = """
import host
def tick(): pass
timer = host.loop.call_later(3600, tick)
def unregister():
    {cure}
"""


@pytest.mark.parametrize("strategy", ["reimport", "reload"])
@pytest.mark.parametrize("rounds", [5, 12])
def test_a_timer_that_the_hook_cancels_is_clean(strategy, rounds, tmp_path):
    """The loop is idle, so that cancelled timers stay. Timers that are not cancelled are findings."""
    for cure, outcome, kinds in (("timer.cancel()", "clean", set()), ("pass", "leaking", {"live-timer"})):
        run.write(tmp_path, {"host": HOST, "plugin": TARGET.format(cure=cure)})
        with run.importable(tmp_path):
            host = importlib.import_module("host")
            report = measure_reload("plugin", strategy=strategy, dispose="unregister", rounds=rounds)
            host.loop.close()
        assert (report.outcome, {finding.kind for finding in report.findings}) == (outcome, kinds)
