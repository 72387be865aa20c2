"""What lives only because the check keeps the original generation is no finding: the interpreter would collect it."""

import asyncio
import importlib
import sys

import pytest
from cases import run

from pytest_reloadleak.check import Check, settings_for

HOST = """
import asyncio

waiters = []

async def parked():
    future = asyncio.get_running_loop().create_future()
    waiters.append(future)
    await future
"""
APP = """
import asyncio
import host

async def inner():
    await {}

async def work():
    await asyncio.gather(inner(), inner())

waiting = asyncio.get_running_loop().create_task({}())
"""
NOBODY, SOMEBODY, TIMER = "asyncio.get_running_loop().create_future()", "host.parked()", "asyncio.sleep(600)"


@pytest.fixture
def checked(tmp_path):
    """Checks a target that starts a task, on a loop that runs; the original was loaded on that loop before."""
    with run.importable(tmp_path):

        def check(awaited, task, way):
            run.write(tmp_path, {"host": HOST, "app": APP.format(awaited, task)})
            return asyncio.run(perform(way))

        yield check


async def perform(way):
    """The report of one check."""
    importlib.import_module("app")
    keywords = {"reload": lambda: run.import_again("app")} if way == "callable" else {"strategy": way}
    return await Check(["app"], settings_for(**keywords), keywords.get("reload")).aperform()


WAYS = ("reload", "reimport", "decache", "callable")


@pytest.mark.parametrize(("task", "way"), [*(("inner", way) for way in WAYS), ("work", "reimport")])
@pytest.mark.filterwarnings("ignore")
def test_a_task_that_nobody_can_wake_is_collected(checked, task, way):
    """The task of each later generation is gone, and that of the original would be."""
    report = checked(NOBODY, task, way)

    assert (report.outcome, report.findings) == ("clean", ())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("awaited", [SOMEBODY, TIMER], ids=["future", "timer"])
@pytest.mark.filterwarnings("ignore")
def test_a_task_that_somebody_can_wake_is_found(checked, awaited, way):
    """The original's as well, except under `reload` on 3.10, where nothing dates it."""
    report = checked(awaited, "inner", way)

    (finding,) = report.findings
    assert (finding.kind, finding.growth) == ("pending-task", "growing")
    assert finding.generations[-4:] == (0, 1, 2, 3)
    assert finding.generations[0] == -1 or (way == "reload" and sys.version_info < (3, 11))
