"""The preset `marimo` on marimo's own reloader and a real notebook, which runs without a browser."""

from __future__ import annotations

import importlib

import pytest

marimo = pytest.importorskip("marimo", reason="marimo is not installed here")

MODULE = """
import hub

class Plugin:
    def run(self):
        pass

def make():
    return Plugin()

hub.listeners{how}
"""
LEAKING, CURED = ".append(lambda: make())", "[:] = [lambda: make()]"


@pytest.fixture
def app():
    """A notebook that uses the module."""
    notebook = marimo.App()

    @notebook.cell
    def use():
        import plug

        plugin = plug.make()
        plugin.run()
        return (plugin,)

    return notebook


def test_what_another_module_keeps_is_found(plug, app, reload_leaks):
    """With holder, line and cure."""
    plug(LEAKING)

    report = reload_leaks.measure("plug", preset="marimo", host={"app": app}, rounds=3)

    (finding,) = report.findings
    assert (finding.holder.path, finding.site.line) == ("hub.listeners[*]", 11)
    assert "hub.listeners" in finding.cure


def test_a_module_that_keeps_nothing_is_clean(plug, app, reload_leaks):
    """What the notebook has of it is replaced when it runs, and updated in place before."""
    plug(CURED)

    report = reload_leaks.measure("plug", preset="marimo", host={"app": app}, rounds=3)

    assert (report.error, report.outcome) == (None, "clean")


def test_without_the_preset(plug, reload_leaks):
    """The test has to know marimo's reloader, and how it notices a change."""
    from marimo._runtime.reload.autoreload import ModuleReloader

    plug(LEAKING)
    reloader = ModuleReloader()

    def reload():
        module = importlib.import_module("plug")
        reloader.modules_mtimes["plug"] = 0
        reloader.check({"plug": module}, reload=True)

    report = reload_leaks.measure("plug", reload=reload, rounds=2)

    assert [finding.holder.path for finding in report.findings] == ["hub.listeners[*]"]


def test_a_module_that_raises_ends_the_check(plug, reload_leaks):
    """Marimo only logs it, and the notebook continues with the old module."""
    plug(" if not hub.listeners else no_such_name; hub.listeners.append(1)")

    report = reload_leaks.measure("plug", preset="marimo", rounds=2)

    assert report.outcome == "error"
    assert "no_such_name" in report.error
