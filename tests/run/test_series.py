"""The numbers of each round: a second pass settles each one only if somebody reads them."""

import dataclasses

import pytest
from cases import run

from pytest_reloadleak.check import Check, settings_for
from pytest_reloadleak.integration.options import shows_series

LEAK = "import host\n\ndef on(): pass\n\nhost.listeners.append(on)\n"


def measured(*, has_series):
    """The report of a leaking target."""
    return Check(["plugin"], settings_for(rounds=4, has_series=has_series)).perform()


@pytest.mark.parametrize("has_series", [True, False])
def test_the_rounds_are_settled_one_by_one_for_a_reader_only(has_series, tmp_path, monkeypatch):
    """The findings are the same either way."""
    monkeypatch.setattr("pytest_reloadleak.effects.system.meter._LARGE_BLOCKS", 10**9)
    run.write(tmp_path, {"host": "listeners = []\n", "plugin": LEAK})
    with run.importable(tmp_path):
        report = measured(has_series=has_series)
        other = measured(has_series=not has_series)

    assert report.series.rounds == ((0, 1, 2, 3, 4) if has_series else (0, 4))
    assert [f.holder.path for f in report.findings] == ["host.listeners[*]"]
    assert [dataclasses.replace(f, cost=None, retained_bytes=0) for f in report.findings] == [
        dataclasses.replace(f, cost=None, retained_bytes=0) for f in other.findings
    ]


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ((), False),
        (("-q",), False),
        (("--reload-leak-graphs=graphs",), False),
        (("-v",), True),
        (("--reload-leak-json=leaks.json",), True),
        (("--reload-leak-html=leaks.html",), True),
    ],
)
def test_json_html_and_verbose_show_series(options, shown, pytester):
    """Every other output has no series."""
    config = pytester.parseconfig("--reload-leak-check", *options)

    assert shows_series(config) is shown
