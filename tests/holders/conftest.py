"""Small programs to check in this process: a fixture of the tests of paths, homes and ways."""

import contextvars
import importlib
from textwrap import dedent

import pytest
from cases import run

from pytest_reloadleak import measure_reload


@pytest.fixture
def measured(tmp_path):
    """A function that writes modules, imports some of them, and measures reloads of a target.

    It takes sources by module name, the target, names to import before, and a strategy or `callable`.
    """

    def measure(files, target="plugin", *, loaded=("host",), how="reimport", rounds=5):
        run.write(tmp_path, {name: dedent(source) for name, source in files.items()})
        for package in {name.partition(".")[0] for name in files if "." in name}:
            (tmp_path / package / "__init__.py").touch()

        def checked():
            for name in loaded:
                importlib.import_module(name)
            if how == "callable":
                importlib.import_module(target)
                return measure_reload(target, reload=lambda: run.import_again(target), rounds=rounds)
            return measure_reload(target, strategy=how, rounds=rounds)

        with run.importable(tmp_path):
            return contextvars.copy_context().run(checked)

    return measure


@pytest.fixture
def found():
    """A function that gives kind, growth, holder and whether it is the only one, of each finding, sorted."""

    def found(report):
        rows = [
            (f.kind, f.growth, f.holder.path if f.holder else None, f.sole_holder) for f in report.findings
        ]
        return sorted(rows, key=str)

    return found
