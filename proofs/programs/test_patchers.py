"""Reloaders that patch in place: IPython's autoreload and `superreload`, jurigged, limeade, reloading and reloadr.

Each is tried with a leak and its cure.

They replace code within old functions, or one decorated function or class alone. `superreload` is the function of
IPython of that name. limeade finds what changed by its `.pyc` file, of which the tests write none: so they name the
module. It keeps each class, so instances that pile up are of the present one.
"""

from __future__ import annotations

import importlib
import linecache
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

HUB = "listeners = []\n"
MODULE = """
import hub

class Plugin:
    def run(self): return {number}

def value(): return {number}

def start():
    def on_event(): return {number}
    hub.listeners{how}
"""
DECORATED = {
    "reloading": "from reloading import reloading\n@reloading\ndef value(): return {number}\n",
    "reloadr": "from reloadr import FuncReloadr as autoreload\n@autoreload\ndef value(): return {number}\n",
}
CLASS = """
from reloadr import ClassReloadr

class Plugin:
    def run(self): return {number}

Plugin = ClassReloadr(Plugin)
"""
"""Not as a decorator: since Python 3.9 the source of a class has its decorators, and reloadr executes them again."""
LEAKING, CURED = ".append(on_event)", "[:] = [on_event]"
Edit = Callable[[], None]


@pytest.fixture
def edited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Edit]]:
    """Make a module `plug` from a source with a number in it; each call of the result writes the next number."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "hub.py").write_text(HUB)

    def begin(source: str) -> Edit:
        path, numbers = tmp_path / "plug.py", iter(range(1, 100))

        def edit() -> None:
            number = next(numbers)
            path.write_text(source.replace("{number}", str(number)))
            os.utime(path, (1_700_000_000 + 10 * number,) * 2)
            importlib.invalidate_caches()
            linecache.checkcache()

        edit()
        for name in ("hub", "plug"):
            importlib.import_module(name)
        return edit

    yield begin
    for name in ("plug", "hub"):
        sys.modules.pop(name, None)


def library(name: str) -> Any:
    """Import a library, or skip the test with the reason."""
    return pytest.importorskip(
        name, reason=f"{name} does not install on this interpreter", exc_type=ImportError
    )


def autoreload(edit: Edit) -> None:
    """IPython's `%autoreload 2`, before each cell."""
    edit()
    _READY["IPython"].check(check_all=True)


def superreload(edit: Edit) -> None:
    """What IPython did before, and others copied: execute again, then update what was there."""
    edit()
    library("IPython.extensions.autoreload").superreload(sys.modules["plug"], importlib.reload, _READY["old"])


def jurigged(edit: Edit) -> None:
    """What jurigged's watcher calls when a file has changed."""
    edit()
    _READY["jurigged"].refresh()


def limeade(edit: Edit) -> None:
    """What a program that uses limeade calls, with the module that has changed."""
    edit()
    library("limeade").refresh([sys.modules["plug"]])


_READY: dict[str, Any] = {}
PATCHERS = {"IPython": autoreload, "superreload": superreload, "jurigged": jurigged, "limeade": limeade}


def prepare(name: str) -> None:
    """Make a patcher notice the module as it is."""
    if name == "jurigged":
        registry, path = library("jurigged.register").registry, sys.modules["plug"].__file__
        registry.prepare("plug", path)
        _READY[name] = registry.get(path)
        return
    if name == "limeade":
        library(name)
        return
    extension = library("IPython.extensions.autoreload")
    _READY["old"] = {}
    shell = type("Shell", (), {"user_ns": {}, "events": None})()
    _READY["IPython"] = extension.ModuleReloader(shell)
    _READY["IPython"].check(check_all=True)


def measured(reload_leaks, edit: Edit, name: str):
    """The report on a patcher's reloads, after each of which the program starts the plugin."""

    def reload() -> None:
        PATCHERS[name](edit)
        sys.modules["plug"].start()

    try:
        return reload_leaks.measure("plug", reload=reload, rounds=4)
    finally:
        _READY.clear()


@pytest.mark.parametrize("name", PATCHERS)
def test_a_listener_of_each_round_is_found(edited, reload_leaks, name):
    """By its holder. jurigged gives old closures the new code: there only the length of the list shows it."""
    edit = edited(MODULE.replace("{how}", LEAKING))
    prepare(name)

    report = measured(reload_leaks, edit, name)

    assert report.error is None
    found = [(f.kind, f.growth) for f in report.findings if f.holder and f.holder.path == "hub.listeners[*]"]
    kind = "object-growth" if name == "jurigged" else "retained-generation"
    assert found == [(kind, "growing")]


@pytest.mark.parametrize("name", PATCHERS)
def test_one_listener_is_clean(edited, reload_leaks, name):
    """The cured twins. jurigged itself lists all code that it ever saw, which is no old generation of the target."""
    edit = edited(MODULE.replace("{how}", CURED))
    prepare(name)

    report = measured(reload_leaks, edit, name)

    assert report.error is None
    kinds = {finding.kind for finding in report.findings}
    assert kinds <= ({"object-growth"} if name == "jurigged" else set())
    assert all(f.holder is None or "hub" not in f.holder.path for f in report.findings)


@pytest.mark.parametrize(
    ("name", "is_leaking"), [("reloading", False), ("reloadr", True), ("reloadr", False)]
)
def test_one_decorated_function(edited, reload_leaks, name, is_leaking):
    """`reloading` executes it again with each call and keeps one wrapper; a host may keep what reloadr makes."""
    library(name)
    edit = edited(DECORATED[name])

    def reload() -> None:
        edit()
        value = sys.modules["plug"].value
        if name == "reloadr":
            value._reload()
            kept = value._target
        else:
            value()
            kept = value
        listeners = sys.modules["hub"].listeners
        listeners[:] = [*listeners, kept] if is_leaking else [kept]

    report = reload_leaks.measure("plug", reload=reload, rounds=4)

    if is_leaking:
        (finding,) = report.findings
        assert (finding.kind, finding.growth) == ("retained-generation", "growing")
        assert (finding.holder.path, finding.held.name) == ("hub.listeners[*]", "plug.value")
    else:
        assert (report.outcome, report.findings) == ("clean", ())


@pytest.mark.parametrize("what", ["Plugin._target", "Plugin()"])
@pytest.mark.parametrize("is_leaking", [True, False])
def test_one_class_behind_a_proxy(edited, reload_leaks, is_leaking, what):
    """Reloadr makes a new class, and turns the instances of the old one into instances of that."""
    library("reloadr")
    if sys.version_info >= (3, 13):
        pytest.skip("reloadr looks for the source of what it executed before, which 3.13 does not find")
    edit = edited(CLASS)

    def reload() -> None:
        edit()
        plug: Any = sys.modules["plug"]
        plug.Plugin._reload()
        made = plug.Plugin() if what.endswith("()") else plug.Plugin._target
        listeners = sys.modules["hub"].listeners
        listeners[:] = [*listeners, made] if is_leaking else [made]

    report = reload_leaks.measure("plug", reload=reload, rounds=4)

    assert report.error is None
    kind = "object-growth" if what.endswith("()") else "retained-generation"
    assert [(f.kind, f.growth, f.holder.path) for f in report.findings] == (
        [(kind, "growing", "hub.listeners[*]")] if is_leaking else []
    )


@pytest.mark.parametrize("is_leaking", [True, False])
def test_instances_of_a_class_that_limeade_keeps(edited, reload_leaks, is_leaking):
    """They belong to no old generation: what grows is the table."""
    library("limeade")
    edit = edited(MODULE.replace("{how}", CURED))

    def reload() -> None:
        limeade(edit)
        hub: Any = sys.modules["hub"]
        made = sys.modules["plug"].Plugin()
        hub.listeners[:] = [*hub.listeners, made] if is_leaking else [made]

    report = reload_leaks.measure("plug", reload=reload, rounds=4)

    assert [(f.kind, f.growth, f.holder.path) for f in report.findings] == (
        [("object-growth", "growing", "hub.listeners[*]")] if is_leaking else []
    )
