"""How a report shows the line that made a reference."""

from __future__ import annotations

from pytest_reloadleak.model import Finding, Frame, Site
from pytest_reloadleak.report import sites

SITE = Site(
    file="/project/app/weather.py",
    line=9,
    code="bus.subscribe(on_event)",
    function="start",
    stack=(
        Frame(file="/project/app/weather.py", line=12, function="<module>", code="start()"),
        Frame(file="/project/app/weather.py", line=9, function="start", code="bus.subscribe(on_event)"),
        Frame(file="/elsewhere/bus.py", line=4, function="Bus.subscribe", code="self.all.append(one)"),
    ),
    excerpt=("def start():", "    bus.subscribe(on_event)", "    return True"),
    excerpt_line=8,
)
SECOND = Site(file="/project/app/weather.py", line=30, code="bus.subscribe(again)", function="<module>")


def shown(*, verbose: bool, found: tuple[Site, ...] = (SITE,), reason: str | None = None) -> list[str]:
    """The lines of a finding with these sites."""
    finding = Finding(
        kind="retained-generation",
        signature="7c1e9a04",
        growth="growing",
        per_round=1.0,
        site=found[0] if found else None,
        sites=found,
        site_reason=reason,
    )
    return list(sites.lines(finding, verbose=verbose, rootdir="/project"))


def test_the_line_is_marked_among_those_around_it():
    """File, line and function come first, then the source as it stands there."""
    assert shown(verbose=False) == [
        "    site    app/weather.py:9 in start",
        "               8 | def start():",
        "            >  9 |     bus.subscribe(on_event)",
        "              10 |     return True",
    ]


def test_the_calls_are_shown_with_v():
    """Outermost first; what lies outside of the rootdir keeps its whole path."""
    assert shown(verbose=True)[4:] == [
        "    called  app/weather.py:12 in <module>: start()",
        "            app/weather.py:9 in start: bus.subscribe(on_event)",
        "            /elsewhere/bus.py:4 in Bus.subscribe: self.all.append(one)",
    ]


def test_every_line_is_shown_if_there_are_several():
    """Two subscriptions are two lines to change."""
    assert shown(verbose=False, found=(SITE, SECOND))[4:] == [
        "     and    app/weather.py:30",
        "            > bus.subscribe(again)",
    ]


def test_a_reason_is_shown_with_v_only():
    """Where no line is known, the short form says nothing of it."""
    assert shown(verbose=False, found=(), reason="only C code holds it") == []
    assert shown(verbose=True, found=(), reason="only C code holds it") == [
        "    site    not known: only C code holds it"
    ]
