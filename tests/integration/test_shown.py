"""How a failure is shown under pytest's own options. The report is of a check that was made before."""

import json
import re

import pytest

from pytest_reloadleak.model import Finding, Held, Holder, Report, Site
from pytest_reloadleak.report import jsonfile

REPORT = Report(
    target="plugins.weather",
    nodeid=None,
    strategy="reimport",
    rounds=5,
    warmup=1,
    outcome="leaking",
    reason="5 old generations still alive after 5 reloads: 1 growing finding",
    duration_s=0.3,
    reload_s=0.02,
    findings=(
        Finding(
            kind="retained-generation",
            signature="7c1e9a04",
            growth="growing",
            per_round=1.0,
            generations=(-1, 0, 1, 2, 3),
            holder=Holder(root="sys.modules", path="pluginhost.messages.listeners[*]", type="list"),
            held=Held(type="function", name="plugins.weather.on_event", file="weather.py", line=8),
            trace=(
                "sys.modules['pluginhost.messages']",
                ".listeners",
                "[*]",
                "function plugins.weather.on_event",
            ),
            site=Site(file="weather.py", line=14, code="messages.subscribe(on_event)"),
            advice="remove it before the reload",
            cure="messages.unsubscribe(on_event)",
        ),
    ),
)
TEST = """
    import json, pathlib
    from pytest_reloadleak.integration import places
    from pytest_reloadleak.report import jsonfile, terminal

    def test_it(request):
        check = json.loads(pathlib.Path("check.json").read_text())
        report = jsonfile.from_dict(check)
        text = terminal.text(report, verbose=False, width=76)
        shown = places.of_reports([report], text, ("weather.py", 1), names_target=True)
        request.node.__dict__.update(
            reload_leak_checks=[check], reload_leak_failure=shown, reload_leak_shown=True
        )
        assert False
"""
HEAD = "  * pluginhost.messages.listeners[*] keeps 5 old generations (weather.py:14)"


@pytest.fixture
def shown(project, monkeypatch):
    """Run pytest at 80 columns on a test that fails for the report, and return what it prints."""
    monkeypatch.setenv("COLUMNS", "80")
    project.write({"check.json": json.dumps(jsonfile.to_dict(REPORT)), "test_it.py": TEST})
    return lambda *options: project.run(*options).stdout.str()


@pytest.mark.parametrize(
    ("options", "is_whole"),
    [
        (["-q"], True),
        (["-v", "--no-header"], True),
        (["-rA", "--tb=short"], True),
        (["--tb=native"], True),
        (["--tb=line"], pytest.version_tuple >= (9,)),  # before, pytest shows the line alone
        (["--tb=no"], False),
    ],
    ids=["q", "v", "rA", "native", "line", "no"],
)
def test_the_options_of_pytest_work(shown, options, is_whole):
    """The report is there once, and with `--tb=no` not at all; the closing and the summary always are."""
    text = shown(*options)

    assert text.count("    holder  ") == is_whole
    assert text.count(HEAD) == is_whole
    assert ("    trace   " in text) == ("-v" in options)
    assert "fix first  weather.py:14: it is the only leak" in text
    assert "FAILED test_it.py::test_it - plugins.weather: listeners[*] (weather.py:14)" in text
    assert "\x1b" not in text
    # One line that lists all options, pytest's own, and the line of `--tb=line`, which editors read.
    given = ("reload-leak: options", "weather.py:14: ", "rootdir: ")
    assert [line for line in text.splitlines() if len(line) > 80 and not line.startswith(given)] == []


def test_very_quiet_has_no_closing(shown):
    """`-qq` shows the failure and the summary."""
    text = shown("-qq")

    assert HEAD in text
    assert "fix first" not in text


@pytest.mark.parametrize(
    ("name", "value", "has_colour"),
    [("FORCE_COLOR", "1", True), ("NO_COLOR", "1", False), ("TERM", "dumb", False)],
)
def test_colour_is_as_the_environment_asks(shown, monkeypatch, name, value, has_colour):
    """Holder, old generations and line are in colours of their own, or in none; the words are the same."""
    monkeypatch.delenv("PY_COLORS", raising=False)  # pytester's own wish
    monkeypatch.setenv(name, value)
    text = shown()

    assert (
        "\x1b[31m\x1b[1mpluginhost.messages.listeners[*]\x1b[0m keeps \x1b[33m\x1b[1m5 old generations"
        in text
    ) == has_colour
    assert HEAD in re.sub(r"\x1b\[[\d;]*m", "", text)
