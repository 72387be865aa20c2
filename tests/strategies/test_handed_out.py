"""A finder that keeps a module and returns it for each import: nothing is reloaded, and passing would be a lie."""

import importlib
import importlib.abc
import importlib.machinery
import sys

import pytest
from cases import run

from pytest_reloadleak.check import measure_reload

HOST = "items = []\n"
CODE = "import host\nX = 1\ndef on_event(): pass\nclass Plugin: pass\n"
DATA = "import host\nX = 1\nTABLE = [1]\n"


class Keeping(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads the module `kept`: at each import the same object.

    Args:
        source: the module's code.
        executes: whether each import executes it again.
        is_compiled_once: whether the code object is kept as well.
    """

    def __init__(self, source, *, executes, is_compiled_once=False):
        self.source, self.executes, self.module = source, executes, None
        self.code = compile(source, "kept.py", "exec") if is_compiled_once else None

    def find_spec(self, name, *_):
        return importlib.machinery.ModuleSpec(name, self) if name == "kept" else None

    def create_module(self, _):
        return self.module

    def exec_module(self, module):
        if self.module is None or self.executes:
            exec(self.code or compile(self.source, "kept.py", "exec"), vars(module))
        self.module = module


@pytest.fixture
def loads(monkeypatch, tmp_path):
    """Have the module `kept` loaded by a finder."""
    (tmp_path / "host.py").write_text(HOST)
    monkeypatch.syspath_prepend(str(tmp_path))

    def load(finder):
        monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])
        importlib.import_module("kept")

    yield load
    for name in ("kept", "host"):
        sys.modules.pop(name, None)


def check(way):
    """Check `kept` under a strategy, or with a callable that imports it again."""
    if way != "callable":
        return measure_reload("kept", strategy=way)
    return measure_reload("kept", reload=lambda: run.import_again("kept"))


WAYS = ("reload", "reimport", "decache", "cascade", "callable")


@pytest.mark.parametrize("way", WAYS)
def test_a_module_that_is_handed_out_again_was_not_reloaded(loads, way):
    """Neither its own code, nor what others have of it, is an old generation."""
    loads(Keeping(CODE, executes=False))
    sys.modules["host"].items.append(sys.modules["kept"].on_event)

    report = check(way)

    assert (report.outcome, report.findings) == ("error", ())
    assert "the target was not reloaded" in report.error


def test_data_that_is_handed_out_again_was_not_reloaded_either(loads):
    """A strategy that drops the module gets a new one, unless somebody keeps it."""
    loads(Keeping(DATA, executes=False))

    assert "the target was not reloaded" in (check("reimport").error or "")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("source", "is_compiled_once"), [(CODE, False), (CODE, True), (DATA, True)], ids=["code", "once", "data"]
)
def test_a_module_that_is_executed_again_in_its_object_was_reloaded(loads, way, source, is_compiled_once):
    """New functions prove it although their code is old, and so does a new list."""
    loads(Keeping(source, executes=True, is_compiled_once=is_compiled_once))

    report = check(way)

    assert (report.outcome, report.error) == ("clean", None)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("is_compiled_once", [False, True], ids=["code", "once"])
def test_a_leak_of_such_a_module_is_found(loads, way, is_compiled_once):
    """The namespace is the same in each round. Code that a loader keeps, as for frozen modules, dates no function."""
    leaking = CODE + "host.items.append(on_event)\n"
    loads(Keeping(leaking, executes=True, is_compiled_once=is_compiled_once))

    report = check(way)

    assert {f.holder.path for f in report.findings} == {"host.items[*]"}
    assert all((f.growth, f.generations[-1]) == ("growing", 3) for f in report.findings)


@pytest.mark.parametrize("way", ["reload", "callable"])
def test_a_module_that_defines_things_once_is_executed_all_the_same(tmp_path, monkeypatch, way):
    """The loaders of the standard library do execute it, though nothing in it is new then."""
    (tmp_path / "kept.py").write_text("if 'on_event' not in globals():\n    def on_event(): pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module("kept")
    try:
        if way == "reload":
            report = measure_reload("kept", strategy="reload")
        else:
            report = measure_reload("kept", reload=lambda: importlib.reload(module))
    finally:
        del sys.modules["kept"]

    assert report.error is None
