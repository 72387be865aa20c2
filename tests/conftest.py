"""Fixtures of the whole suite."""

import sys
import zlib
from collections import defaultdict

import pytest
from cases import run
from support import Project

from pytest_reloadleak.heap import settle

WHOLE = ("test_layers.py", "test_terminal.py", "test_judge.py", "test_targets.py")
"""Files of tests that cost next to nothing, and are not cut."""
SLOW = (
    "test_the_tool_is_clean_under_itself[used in each round]",
    "test_a_tool_that_keeps_something_is_not",
    "test_the_heaps_are_worth_something",
    "test_what_another_thread_takes_is_not_the_targets",
    "test_random_targets",
)
"""Tests that take half a minute each: only a long run has them."""
PARTS = 6
"""Parts into which a short run divides the tests of the wings; it takes one of them."""
MOST = 2
"""Cases of a test that a short run takes whole: a leak and its cure, say. Of more it takes one."""


def pytest_addoption(parser):
    """Let a run be short: the whole suite takes ten times as long."""
    parser.addoption(
        "--short",
        action="store_true",
        help="run a sixth of the tests, one strategy of each twin, and one case of a test that has many",
    )
    parser.addoption(
        "--part",
        type=int,
        # 3.10, 3.11 and 3.13 take different ones.
        default=sys.version_info.minor - (sys.version_info >= (3, 13)),
        help="which sixth of the tests a short run takes (default: each interpreter another one)",
    )


def pytest_collection_modifyitems(config, items):
    """Keep one strategy of each case, and some cases of each test: the same in every run of an interpreter."""
    if not config.getoption("short"):
        return
    part = config.getoption("part")
    by_test = defaultdict(list)
    kept = {id(item) for item in items if not set(WHOLE).isdisjoint(item.path.parts)}
    ordinary = [item for item in items if item.name not in SLOW]
    for item in ordinary:
        if is_in_turn(item) and is_in_part(item, part):
            by_test[item.nodeid.partition("[")[0]].append(item)
    kept.update(id(item) for cases in by_test.values() for item in spread(cases))
    left = [item for item in items if id(item) not in kept]
    items[:] = [item for item in items if id(item) in kept]
    # The terminal reporter of an xdist worker, which reports to nobody, would keep them all: half of what the checks of
    # this process have to look at.
    if not hasattr(config, "workerinput"):
        config.hook.pytest_deselected(items=left)


def spread(cases):
    """All cases of a test if they are few, else one; each interpreter takes another."""
    if len(cases) <= MOST:
        return cases
    ordered = sorted(cases, key=lambda item: item.nodeid)
    return [ordered[sys.version_info.minor % len(ordered)]]


def is_in_part(item, part):
    """Whether a test is of a part; those that belong to no wing are of each."""
    function = item.nodeid.partition("[")[0]
    return function.count("/") < 2 or zlib.crc32(function.encode()) % PARTS == part % PARTS


def is_in_turn(item):
    """Whether a test is one of a short run."""
    strategy = getattr(item, "callspec", None) and item.callspec.params.get("strategy")
    if strategy not in run.WAYS:
        return True
    case = item.nodeid.replace(strategy, "")
    return strategy == run.WAYS[zlib.crc32(case.encode()) % len(run.WAYS)]


@pytest.fixture(autouse=True)
def short_patience(monkeypatch):
    """Do not wait for the threads of this process: under xdist there is one that never ends."""
    monkeypatch.setattr(settle, "PATIENCE_S", 0.02)


@pytest.fixture(autouse=True, scope="session")
def roomy_interpreter():
    """Room in the table of interned strings, which doubles when it is full, by some hundred KiB and more.

    In whatever check that is, it has to look again: the verdict is the same, but tests that count rounds have more. As
    many strings make it grow past what the tests use up.
    """
    names = [sys.intern(f"interned {number}") for number in range(90_000)]
    yield
    names.clear()


@pytest.fixture
def project(pytester, monkeypatch):
    """A project with a `host`, to run pytest in."""
    return Project(pytester, monkeypatch)
