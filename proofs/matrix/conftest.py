"""The tests here use the helpers of `tests`."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "tests"))

from gated import Gated


def pytest_addoption(parser):
    """Let a run be short: all combinations take minutes."""
    parser.addoption("--short", action="store_true", help="run some combinations of each kind, in a minute")


def pytest_collection_modifyitems(config, items):
    """Keep what a module names as its short form."""
    if config.getoption("short"):
        items[:] = [item for item in items if _is_short(item)]


def _is_short(item):
    short = item.module.SHORT
    return item.originalname in short or (hasattr(item, "callspec") and item.callspec.id in short)


@pytest.fixture
def gated(pytester, monkeypatch):
    """The project that each combination of plugins and options checks."""
    return Gated(pytester, monkeypatch)
