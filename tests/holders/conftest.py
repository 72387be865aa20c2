"""Fixtures: small programs to check in this process, and both ways in which a sweep expands its levels."""

import contextvars
import importlib.util
import shlex
import subprocess
import sysconfig
from pathlib import Path
from textwrap import dedent

import pytest
from cases import run

from pytest_reloadleak.heap.levels import choice, in_python
from pytest_reloadleak.holders import sweep


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
            return run.check(target, how, rounds)

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


@pytest.fixture(scope="session")
def native(tmp_path_factory):
    """The extension: the one that is installed, else one that is built here, if there is a compiler."""
    try:
        from pytest_reloadleak.heap.levels import _native
    except ImportError:
        return built(tmp_path_factory.mktemp("native"))
    return _native if _native.PROTOCOL == choice._PROTOCOL else built(tmp_path_factory.mktemp("native"))


def built(folder):
    """Build the extension, and import it under its name in the package, which does not get to know of it."""
    source = Path(choice.__file__).with_name("_native.c")
    file = folder / "_native.so"
    compiler = shlex.split(sysconfig.get_config_var("CC") or "cc")
    options = ["-O1", "-shared", "-fPIC", f"-I{sysconfig.get_path('include')}"]
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        pytest.skip("a free-threaded interpreter has no stable interface")
    try:
        subprocess.run([*compiler, *options, source, "-o", file], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"the extension cannot be built here: {error}")
    spec = importlib.util.spec_from_file_location("pytest_reloadleak.heap.levels._native", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=["in C", "in Python"])
def levels(request, monkeypatch):
    """Both ways in which a sweep expands its levels."""
    how = request.getfixturevalue("native") if request.param == "in C" else in_python
    for name in vars(sweep).keys() & choice.__all__:
        monkeypatch.setattr(sweep, name, vars(how)[name])
