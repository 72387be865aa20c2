"""Presets on the real hosts: a plugin that leaks is found with holder and line, and the printed cure makes it clean.

No test here makes a host, a loop or a reload: the preset does. What such a test looks like without one is in
`test_discord.py`, `test_flask.py` and `test_pluggy.py`, and on the pages of `docs/presets`.
"""

from __future__ import annotations

import importlib
import sys
import threading

import pytest
from twins import PLUGIN, Twins
from twins_apps import APPS
from twins_bots import BOTS
from twins_dashboards import DASHBOARDS
from twins_loops import LOOPS
from twins_managers import MANAGERS
from twins_notebooks import NOTEBOOKS
from twins_web import WEB

PROGRAMS: dict[str, Twins] = {**APPS, **BOTS, **DASHBOARDS, **WEB, **MANAGERS, **NOTEBOOKS, **LOOPS}


# What Django says of each reload of a model, Celery of a task, an unclosed socket of a leaking twin at its end, and
# hosts that use what the standard library will drop.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Model 'plug:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:Task name 'plug"),
    pytest.mark.filterwarnings("ignore:.*socket:pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(params=PROGRAMS)
def twins(request):
    """A program whose library is installed."""
    found = PROGRAMS[request.param]
    pytest.importorskip(found.needs, reason=f"{found.needs} is not installed here")
    yield found
    found.after()


@pytest.fixture
def plugin(twins, tmp_path, monkeypatch):
    """Write the plugin's module, of a program with a module `hub`."""
    monkeypatch.syspath_prepend(tmp_path)
    for name, text in {"hub.py": "listeners = []\n", **twins.files}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    def write(source):
        (tmp_path / twins.file).parent.mkdir(exist_ok=True)
        (tmp_path / twins.file).write_text(source)
        importlib.invalidate_caches()

    yield write
    for name in (PLUGIN, "hub"):
        sys.modules.pop(name, None)


def finding_of(report):
    """The finding of a report that is not known; of several, the first."""
    return next(found for found in report.findings if found.known is None)


def cures_of(report):
    """The cures of all findings, each once, as a user pastes them."""
    return "\n".join(
        dict.fromkeys(found.cure for found in report.findings if found.known is None and found.cure)
    )


@pytest.mark.parametrize("by", ["name", "auto"])
def test_a_leak_in_the_host_is_found(twins, plugin, reload_leaks, by):
    """The report names what the host holds, and the line of the plugin that gave it that."""
    plugin(twins.leaking)

    report = reload_leaks.measure(
        PLUGIN, preset=twins.preset if by == "name" or not twins.is_found else "auto", rounds=4
    )

    assert (report.error, report.outcome) == (None, "leaking")
    finding = finding_of(report)
    assert (finding.kind, finding.growth) == (twins.kind, twins.growth)
    assert finding.holder.path.startswith(twins.path)
    place = (finding.site.file.rpartition("/")[2], finding.site.line) if finding.site is not None else None
    assert place == ((twins.file.rpartition("/")[2], twins.line) if twins.line is not None else None)
    assert f"checked as a plugin of {twins.preset}" in report.notes


def test_the_printed_cure_makes_it_clean(twins, plugin, reload_leaks):
    """The cure goes into the host's own hook as it is printed, and nothing leaks any longer."""
    plugin(twins.leaking)
    report = reload_leaks.measure(PLUGIN, preset=twins.preset, rounds=4)
    cure = twins.by_hand or cures_of(report)
    assert twins.cure in (finding_of(report).advice if twins.by_hand else cure)

    twins.after()
    plugin(twins.cured(cure))

    preset = "auto" if twins.is_found else twins.preset
    assert reload_leaks.check(PLUGIN, preset=preset, rounds=4).outcome in {"clean", "known"}


def test_the_scheduler_of_the_preset_ends_with_the_check(tmp_path, monkeypatch, reload_leaks):
    """Its thread would run until the session ends, one for each check."""
    pytest.importorskip("apscheduler", reason="apscheduler is not installed here")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / f"{PLUGIN}.py").write_text("def setup(scheduler): pass\n")
    importlib.invalidate_caches()
    before = threading.active_count()
    try:
        report = reload_leaks.check(PLUGIN, preset="APScheduler", rounds=2)
    finally:
        sys.modules.pop(PLUGIN, None)

    assert report.outcome == "clean"
    assert threading.active_count() == before
