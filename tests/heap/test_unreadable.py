"""Objects that raise where the tool reads them: the error concerns one object, and the report names it."""

import importlib
import sys
import types

import pytest
from cases import run

from pytest_reloadleak.check import measure_reload
from pytest_reloadleak.heap import describe, foreign, references, unreadable
from pytest_reloadleak.heap.failure import failure_text
from pytest_reloadleak.holders import diagnosis

HOST = """
class Members:
    __slots__ = ("_attributes", "callbacks", "__weakref__")

class Registry(Members):
    __slots__ = ()
    __dict__ = Members._attributes

    def __init__(self):
        self.callbacks = []

class Raising:
    __slots__ = ("callbacks",)

    @property
    def __dict__(self):
        raise BufferError("not yet")

registry = Registry()
raising = Raising()
raising.callbacks = []
plain = []
"""
APP = """
import host

def on_event(): pass

class Plugin: pass

host.{0}
host.plain{1}
"""
PLACES = ("registry.callbacks", "raising.callbacks")
LEAKING, CURED = "append(Plugin())", "clear()"


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Writes a target whose plugin one of the host's objects keeps, with a second leak beside it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    unreadable.take()

    def write(place, what, beside="[:] = [on_event]"):
        (tmp_path / "host.py").write_text(HOST)
        (tmp_path / "app.py").write_text(APP.format(f"{place}.{what}", beside))
        importlib.invalidate_caches()

    yield write
    for name in ("app", "host"):
        sys.modules.pop(name, None)


def check(way):
    """Check `app` under a strategy, or with a callable."""
    if way != "callable":
        return measure_reload("app", strategy=way)
    importlib.import_module("app")
    return measure_reload("app", reload=lambda: run.import_again("app"))


@pytest.mark.parametrize("way", ["reload", "reimport", "callable"])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("what", [LEAKING, CURED], ids=["leaking", "cured"])
def test_a_dict_that_cannot_be_read_ends_no_check(program, place, what, way):
    """As mypyc lays out its classes: the attribute dict is a member that is empty until it is needed."""
    program(place, what)

    report = check(way)

    assert report.error is None
    assert not any("could not be read" in note for note in report.notes)
    if what is CURED:
        assert (report.outcome, report.findings) == ("clean", ())
    else:
        (finding,) = report.findings
        assert (finding.kind, finding.growth) == ("retained-generation", "growing")
        assert (finding.holder.path, finding.held.name) == (f"host.{place}[*]", "app.Plugin")


def test_a_getter_that_raises_is_told(program, monkeypatch):
    """No class statement makes such a getter, so a property stands in for one of an extension type."""
    monkeypatch.setattr(foreign, "_GETTERS", foreign._GETTERS | foreign.type_ids(property))
    program("raising.callbacks", LEAKING)

    report = measure_reload("app")

    assert [f.holder.path for f in report.findings] == ["host.raising.callbacks[*]"]
    assert "the attributes of a host.Raising could not be read: BufferError: not yet" in report.notes
    assert unreadable.take() == []


def test_a_reference_that_cannot_be_named_is_told(program, monkeypatch):
    """The finding is there all the same."""
    named = references._in_instance

    def failing(parent, child):
        if foreign.type_name(parent) == "host.Registry":
            raise BufferError("not yet")
        yield from named(parent, child)

    monkeypatch.setattr(references, "_in_instance", failing)
    program("registry.callbacks", LEAKING)

    report = measure_reload("app")

    (finding,) = report.findings
    assert finding.growth == "growing"
    assert any("a reference of a host.Registry has no name" in note for note in report.notes)


def raising_at(kind):
    """The description of objects, which raises at those of one type."""
    described = describe.describe

    def failing(o, rename):
        if foreign.type_name(o) == kind:
            raise BufferError("not yet")
        return described(o, rename)

    return failing


@pytest.mark.parametrize("beside", ["[:] = [on_event]", ".append(on_event)"], ids=["alone", "beside another"])
def test_a_holder_that_cannot_be_read_hides_no_other(program, monkeypatch, beside):
    """The others are found. A check that found none is not called clean."""
    failing = raising_at("app.Plugin")
    for module in [m for m in sys.modules.values() if isinstance(m, types.ModuleType)]:
        if module.__name__.startswith("pytest_reloadleak.") and hasattr(module, "describe"):
            target = module if module is describe or callable(module.describe) else None
            if target is not None:
                monkeypatch.setattr(target, "describe", failing)
    program("registry.callbacks", LEAKING, beside)

    report = measure_reload("app")

    assert [f.holder.path for f in report.findings] == (["host.plain[*]"] if "append" in beside else [])
    assert report.outcome == ("leaking" if report.findings else "inconclusive")
    assert any("BufferError: not yet" in note for note in report.notes)


def test_an_error_anywhere_in_the_search_is_no_traceback(program, monkeypatch):
    """What could not be done is the reason why the check is no proof."""

    def failing(*_):
        raise BufferError("not yet")

    monkeypatch.setattr(diagnosis._HolderSearch, "_grouped", failing)
    program("registry.callbacks", LEAKING)

    report = measure_reload("app")

    assert report.outcome == "inconclusive"
    assert "the search for holders ended early: BufferError: not yet" in report.reason


class Unprintable:
    """A line number that raises when it is printed."""

    def __str__(self):
        raise BufferError("not yet")


@pytest.mark.parametrize(
    ("line", "place"),
    [(7, " (app.py:7)"), (None, ""), (Unprintable(), "")],
    ids=["number", "none", "hostile"],
)
def test_a_syntax_error_may_have_any_line(line, place):
    """A program may raise it itself, with whatever it likes."""
    error = SyntaxError("invalid syntax")
    error.filename, error.lineno = "app.py", line

    text = failure_text(error)

    assert text.startswith("SyntaxError")
    assert text.endswith(place)
    assert ("app.py:" in text) is bool(place)
