"""A program of small modules to reload: a fixture of the tests of strategies."""

import pytest
from program import program


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A `Program` whose modules the test writes."""
    with program(tmp_path, monkeypatch) as place:
        yield place
