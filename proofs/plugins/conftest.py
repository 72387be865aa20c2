"""The tests here use the helpers of `tests`: the cases' project, and what it runs."""

import sys
from pathlib import Path

import pytest

sys.path.extend(str(Path(__file__).parents[2] / name) for name in ("tests", "tests/integration"))

from support import Project


@pytest.fixture
def project(pytester, monkeypatch):
    """A project with a `host`, to run pytest in."""
    return Project(pytester, monkeypatch)
