"""A directory of small modules to reload: a fixture of the rows, and nothing else."""

import importlib
import sys

import pytest
import scenario_support
from cases import run

from pytest_reloadleak import measure_reload

HOST = """\
import weakref

kept = []
ran = []
seen = []
number = 0
tokens = weakref.WeakSet()

class Token:
    pass

def token():
    made = Token()
    tokens.add(made)
    return made

def count():
    global number
    number += 1
    return number
"""
"""A host that keeps what it is given; `ran` has who was executed, `tokens` what is alive of that."""


class Place:
    """Modules in a directory that is first-party; `host` is loaded from the beginning."""

    def __init__(self, directory):
        self.directory = directory
        run.write(directory, {"host": HOST})
        self.host = importlib.import_module("host")

    def load(self, files, *names):
        """Write modules, and import some, which the host forgets to have seen."""
        run.write(self.directory, files)
        importlib.invalidate_caches()
        for name in names:
            importlib.import_module(name)
        self.host.ran.clear()

    def check(self, target, **keywords):
        """The report of a check of few rounds, in which the host may log what it sees."""
        return measure_reload(target, **{"rounds": 3, "probes": run.BESIDES_GROWTH, **keywords})

    def drop(self, name):
        """What naive code does: drop a module, import it again, and keep nothing of it here."""
        del sys.modules[name]
        importlib.import_module(name)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A `Place`; afterwards none of its modules is left."""
    monkeypatch.chdir(tmp_path)
    with run.importable(tmp_path):
        yield Place(tmp_path)


@pytest.fixture
def program(tmp_path):
    """A program of small modules."""
    with scenario_support.program(tmp_path) as it:
        yield it


@pytest.fixture
def found():
    """A function that tells the findings of a report in short."""
    return lambda report: [(f.kind, f.growth, f.holder.path, f.held.name) for f in report.findings]
