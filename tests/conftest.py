"""Fixtures of the whole suite."""

import pytest
from support import Project


@pytest.fixture
def project(pytester, monkeypatch):
    """A project with a `host`, to run pytest in."""
    return Project(pytester, monkeypatch)
