"""Fixtures of the whole suite."""

import zlib

import pytest
from support import Project

from pytest_reloadleak.heap import settle


def pytest_addoption(parser):
    """Let a run be short: what differs between strategies is tested under all of them by the whole suite."""
    parser.addoption("--short", action="store_true", help="run the twins under one strategy each, in turn")


def pytest_collection_modifyitems(config, items):
    """Keep one strategy of each case, the same in every run: that which the case's name says."""
    if not config.getoption("short"):
        return
    kept, left = [], []
    for item in items:
        (kept if is_in_turn(item) else left).append(item)
    items[:] = kept
    config.hook.pytest_deselected(items=left)


def is_in_turn(item):
    """Whether a test is one of a short run."""
    strategy = getattr(item, "callspec", None) and item.callspec.params.get("strategy")
    if strategy not in ("reload", "reimport"):
        return True
    case = item.nodeid.replace(strategy, "")
    return strategy == ("reload", "reimport")[zlib.crc32(case.encode()) % 2]


@pytest.fixture(autouse=True)
def short_patience(monkeypatch):
    """Checks of this process wait for its threads in vain: under xdist there is one that never ends."""
    monkeypatch.setattr(settle, "PATIENCE_S", 0.02)


@pytest.fixture
def project(pytester, monkeypatch):
    """A project with a `host`, to run pytest in."""
    return Project(pytester, monkeypatch)
