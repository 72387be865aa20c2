"""Fixtures of the whole suite."""

import pytest
from support import Project

from pytest_reloadleak.heap import settle


@pytest.fixture(autouse=True)
def short_patience(monkeypatch):
    """Checks of this process wait for its threads in vain: under xdist there is one that never ends."""
    monkeypatch.setattr(settle, "PATIENCE_S", 0.02)


@pytest.fixture
def project(pytester, monkeypatch):
    """A project with a `host`, to run pytest in."""
    return Project(pytester, monkeypatch)
