"""`%autoreload` and `%run` on a real shell: each mode, what a cell leaves in `Out`, and a leak."""

from __future__ import annotations

import pytest

pytest.importorskip("IPython", reason="IPython is not installed here")

MODULE = """
import hub

class Plugin:
    def run(self):
        pass

def make():
    return Plugin()

def start():
    hub.listeners{how}

if __name__ == "__main__":
    start()
"""
LEAKING, CURED = ".append(lambda: make())", "[:] = [lambda: make()]"


def scripted(reload_leaks, cell=None):
    """The report on a notebook that executes the script, and then a cell."""
    return reload_leaks.measure("plug", preset="%run", host={"cell": cell}, rounds=3)


def measured(reload_leaks, cell, mode=2):
    """The report on a notebook that executes a cell after each edit."""
    host = {"cell": cell, "mode": mode}
    return reload_leaks.measure("plug", preset="autoreload", host=host, rounds=3)


@pytest.mark.parametrize("mode", [1, 2, 3])
def test_a_module_that_keeps_nothing_is_clean(plug, reload_leaks, mode):
    """What the notebook itself has of it is updated in place, and a cell that ends with `;` leaves no result."""
    plug(CURED)

    report = measured(reload_leaks, "plugin = plug.make(); plug.start();", mode)

    assert (report.error, report.outcome) == (None, "clean")


def test_what_another_module_keeps_is_found(plug, reload_leaks):
    """With holder and line, as in every other host."""
    plug(LEAKING)

    report = measured(reload_leaks, "plug.start();")

    (finding,) = report.findings
    assert finding.holder.path == "hub.listeners[*]"
    assert finding.site.line == 12
    assert finding.cure is not None


def test_what_the_notebook_shows_stays_in_its_history(plug, reload_leaks):
    """IPython keeps the value of each cell under `_1`, `_2` and so on."""
    plug(CURED)

    report = measured(reload_leaks, "plug.make()")

    assert {finding.kind for finding in report.findings} == {"object-growth"}
    assert "__main__.__dict__[*]" in {finding.holder.path for finding in report.findings}


def test_what_a_cell_has_of_a_script_stays_in_its_history(plug, reload_leaks):
    """`%run` makes new classes each time, so the values of cells are of old generations; the report says what to do."""
    plug(CURED)

    report = scripted(reload_leaks, "make()")

    growing = [finding for finding in report.findings if finding.growth == "growing"]
    assert "__main__._oh[*]" in {finding.holder.path for finding in growing}
    assert all(finding.advice.startswith("end the cell with `;`") for finding in growing)


@pytest.mark.parametrize(
    ("cell", "outcome"),
    [("make();", "clean"), ("get_ipython().run_line_magic('reset', '-f out')\nmake()", "known")],
)
def test_a_history_that_is_cleared(plug, reload_leaks, cell, outcome):
    """Both ways of the advice: no value, or none that stays."""
    plug(CURED)

    assert scripted(reload_leaks, cell).outcome == outcome


def test_a_script_that_raises_ends_the_check(plug, reload_leaks):
    """`%run` itself shows the traceback and continues."""
    plug(".no_such_method()")

    report = scripted(reload_leaks)

    assert report.outcome == "error"
    assert "no_such_method" in report.error
