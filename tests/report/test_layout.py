"""How text fits a terminal: where it wraps, what is left out, and what may never break."""

import ast
import dataclasses
import io
import re

import pytest
from _pytest._io import TerminalWriter

from pytest_reloadleak.integration.reporting import styled
from pytest_reloadleak.model import Finding, Held, Holder, Report, Site
from pytest_reloadleak.report import short, terminal
from pytest_reloadleak.report.text import closing
from pytest_reloadleak.report.text.blocks import MOST_LINES
from pytest_reloadleak.report.text.facts import short_path
from pytest_reloadleak.report.text.folding import folded
from pytest_reloadleak.report.text.layout import Span, plain, wrapped

PATH = "application.services.event_dispatcher.handlers_by_name_and_priority['on forecast'][*].callbacks[*]"
CURE = (
    "for key in [key for key, item in host.handlers.items() if getattr(item, 'func', None) == on_event]:\n"
    "    del host.handlers[key]"
)
SITE = Site(
    file="/project/plugins/weather.py",
    line=14,
    code="handlers.append(on_event)",
    excerpt=tuple(f"line_{number} = call({'argument, ' * 9})" for number in range(12, 17)),
    excerpt_line=12,
)
FINDING = Finding(
    kind="retained-generation",
    signature="7c1e9a04",
    growth="growing",
    per_round=1.0,
    generations=(-1, 0, 1, 2, 3),
    holder=Holder(root="sys.modules", path=PATH, type="list"),
    held=Held(type="function", name="plugins.weather.on_event", file="/project/plugins/weather.py", line=8),
    trace=("sys.modules['application']", ".services", "[*]"),
    site=SITE,
    sites=(SITE,) * 3,
    retained_objects=40,
    retained_bytes=38912,
    sole_holder=False,
    together_with=("00aa11bb", "ffee0099"),
    proven=True,
    proof="removing it frees 5 of 5 old generations",
    details=tuple(
        f"detail number {number} that is long enough to fill a whole line and more" for number in range(5)
    ),
    also_retains=("retained-generation: generations -1, 0, 1, 2, 3 of plugins.weather", "open-fd: one more"),
    advice=f"remove plugins.weather.on_event from {PATH} before the reload",
    cure=CURE,
)
REPORT = Report(
    target="plugins.weather",
    nodeid="reload-leak::plugins.weather[reimport]",
    strategy="reimport",
    rounds=5,
    warmup=1,
    outcome="leaking",
    reason="5 old generations still alive after 5 reloads: 1 growing finding",
    duration_s=0.3,
    reload_s=0.02,
    findings=(FINDING,),
)
NAMES = set(re.findall(r"\w+", f"{PATH} plugins.weather.on_event"))


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("verbose", [False, True])
def test_a_report_fits_and_breaks_no_name(width, verbose):
    """Nothing is wider than the terminal, and each name of a long path is whole on some line."""
    text = terminal.text(REPORT, verbose=verbose, rootdir="/project", width=width)

    assert [line for line in text.splitlines() if len(line) > width] == []
    assert {name for name in NAMES if not re.search(rf"\b{name}\b", text)} == set()
    assert [line for line in text.splitlines() if line != line.rstrip()] == []


def test_a_wider_terminal_needs_fewer_lines():
    """120 columns use their width."""
    narrow, wide = (
        len(terminal.text(REPORT, rootdir="/project", width=width).splitlines()) for width in (80, 120)
    )

    assert wide < narrow


def test_a_finding_has_at_most_25_lines():
    """What says least is left out, with a word on where it is; the remedy stays."""
    lines = terminal.text(REPORT, verbose=False, rootdir="/project", width=60).splitlines()
    block = lines[lines.index("") + 1 :]

    assert len(block) <= MOST_LINES
    assert block[-1] == "    ...     more with -v"
    for label in ("kind", "holder", "holds", "site", "fix", "cure"):
        assert any(line.startswith(f"    {label} ") for line in block)
    assert len(terminal.text(REPORT, rootdir="/project", width=60).splitlines()) > MOST_LINES


@pytest.mark.parametrize("cure", [CURE, "\n".join(f"undo({number})" for number in range(30))])
def test_the_line_and_the_fix_are_left_out_last(cure):
    """The source around the line goes before the line, and a long cure before the sentence that says the same."""
    site = dataclasses.replace(SITE, line=13)
    finding = dataclasses.replace(FINDING, site=site, sites=(site,) * 3, cure=cure)
    text = terminal.text(
        dataclasses.replace(REPORT, findings=(finding,)), verbose=False, rootdir="/project", width=80
    )

    assert "more with -v" in text
    assert "            > 13 | line_13 = " in text
    assert f"    fix     {FINDING.advice.partition(' from ')[0]} from" in text


def test_a_path_wraps_at_its_steps():
    """A word that is too long goes on with the next step; a key in quotes is one step."""
    lines = [
        plain(line) for line in wrapped("holder  ", [Span(PATH, "holder"), Span(" (list)")], 50, " " * 8)
    ]

    assert lines == [
        "holder  application.services.event_dispatcher",
        "          .handlers_by_name_and_priority",
        "          ['on forecast'][*].callbacks[*] (list)",
    ]


def test_the_root_of_a_file_stays_with_its_folder():
    """A line that ends with a lone slash reads as if the path began on the next one."""
    file = "/srv/environments/production/lib/python3.13/site-packages/application/services/dispatcher.py:601"

    lines = [plain(line) for line in wrapped("fix first  ", [Span(f"{'x' * 47} {file}")], 60, " " * 11)]

    assert lines[0] == f"fix first  {'x' * 47}"
    assert lines[1] == "           /srv/environments/production/lib/python3.13/"


@pytest.mark.parametrize("width", [40, 60, 200])
def test_a_folded_cure_is_the_same_code(width):
    """What is folded can be pasted: Python reads the same."""
    lines = [part for line in CURE.splitlines() for part in folded(line, width)]

    assert ast.dump(ast.parse("\n".join(lines))) == ast.dump(ast.parse(CURE))
    assert (len(lines) == 2) == (width == 200)


def test_code_that_cannot_be_folded_stays():
    """Text in quotes and code without brackets are left as they are."""
    for line in ("a = " + "'x y' " * 20, "b = 1 + " * 20 + "1", "c = ('x y z" + " w" * 40):
        assert " ".join("".join(folded(line, 40)).split()) == " ".join(line.split())


LISTENERS = dataclasses.replace(
    FINDING, holder=Holder(root="sys.modules", path="pluginhost.messages.listeners[*]", type="list")
)


@pytest.mark.parametrize(
    ("room", "text"),
    [
        (None, "listeners[*] keeps 5 old generations (weather.py:14), and 1 more"),
        (60, "listeners[*] keeps 5 old generations (weather.py:14)"),
        (45, "listeners[*] (weather.py:14), and 1 more"),
        (32, "listeners[*] (weather.py:14)"),
        (20, "listeners[*]"),
        (3, "leak at weather.py:14"),
    ],
)
def test_the_summary_takes_the_room_it_has(room, text):
    """The whole sentence where there is room, else the parts that help most."""
    report = dataclasses.replace(REPORT, findings=(LISTENERS, FINDING))

    assert short.line(report, room=room) == text


@pytest.mark.parametrize(
    ("more", "fact"),
    [
        (
            "retained-generation: generations 0 to 3 of plugins.weather",
            "stays registered and keeps 5 old generations",
        ),
        ("open-fd: fd * file a.log", "stays registered, 1 more per reload"),
    ],
)
def test_an_effect_keeps_old_generations_only_if_it_retains_some(more, fact):
    """Another effect that ends with it is no old code."""
    effect = dataclasses.replace(
        LISTENERS, kind="registration", registry="logging", retained_objects=0, also_retains=(more,)
    )

    said = short.line(dataclasses.replace(REPORT, findings=(effect,)))
    assert said == f"pluginhost.messages.listeners[*] {fact} (weather.py:14)"


def test_colour_marks_holder_old_code_and_line():
    """With colour there are escapes around holder, old generations and place; without, the text is the same."""
    writer = TerminalWriter(io.StringIO())
    shown = []
    for writer.hasmarkup in (True, False):
        writer._file = io.StringIO()
        styled.draw(writer, terminal.lines(REPORT, verbose=False, rootdir="/project", width=100))
        shown.append(writer._file.getvalue())

    coloured, bare = shown
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == bare
    assert "\x1b[31m\x1b[1m" in coloured
    assert bare.strip() == terminal.text(REPORT, verbose=False, rootdir="/project", width=100)


def closed(*reports):
    """The closing section as one text, without the line on cures."""
    return closing_of(*reports).partition("\ncures")[0]


def closing_of(*reports):
    """The closing section as one text."""
    return "\n".join(map(plain, closing.lines(reports, rootdir="/project", width=90)))


def test_the_closing_says_where_a_cure_goes():
    """A report alone does not tell what a dispose hook is. Without a cure there is nothing to paste."""
    cured, other = (dataclasses.replace(FINDING, cure=cure) for cure in ("host.listeners.clear()", None))

    shown = closing_of(dataclasses.replace(REPORT, findings=(cured,)))
    assert "\ncures      paste each into the dispose hook of its module: __reload_dispose__(data)" in shown
    assert "cures" not in closing_of(dataclasses.replace(REPORT, findings=(other,)))


def test_a_long_path_is_short_in_a_key_fact():
    """Its beginning and its last steps say where to look; the line `holder` has the whole."""
    long = (
        "web.app.router.context(.__wrapped__.__closure__['original'])*.__closure__['nested']._routes[*].call"
    )
    holder = Holder(root="sys.modules", path=long, type="list")

    assert short_path(dataclasses.replace(FINDING, holder=holder)) == "context...['nested']._routes[*].call"
    deep = "attr.Check.__eq__.__globals__['Matches'].__eq__.__globals__['MinLength']"
    holder = dataclasses.replace(holder, path=deep)
    assert (
        short_path(dataclasses.replace(FINDING, holder=holder)) == "Check...__eq__.__globals__['MinLength']"
    )


def test_a_summary_drops_the_target_before_it_drops_the_leak():
    """The node id of a test stands beside it."""
    finding = dataclasses.replace(FINDING, together_with=())
    report = dataclasses.replace(REPORT, findings=(finding,))
    whole = short.line(report)

    assert short.line(report, names_target=True) == f"{REPORT.target}: {whole}"
    assert short.line(report, names_target=True, room=len(whole)).startswith(f"{REPORT.target}: ")
    assert short.line(report, names_target=True, room=20).startswith("plugins.weather") is False


def test_nothing_is_closed_where_nothing_leaks():
    """A clean session needs no advice, and an error says itself what is wrong."""
    clean = dataclasses.replace(REPORT, outcome="clean", findings=())

    assert closed(clean, dataclasses.replace(clean, outcome="error")) == ""


def test_the_closing_says_what_to_fix_first():
    """What grows in most targets comes first, before what is bounded or costs more in one."""
    shared = dataclasses.replace(FINDING, together_with=(), sole_holder=True, retained_bytes=100)
    alone = dataclasses.replace(
        FINDING,
        holder=Holder(root="sys.modules", path="host.alone[*]", type="list"),
        retained_bytes=9_000_000,
    )
    bounded = dataclasses.replace(
        alone, growth="bounded", holder=Holder(root="thread", path="thread 'a'", type="T")
    )
    text = closed(
        dataclasses.replace(REPORT, findings=(bounded, alone)),
        dataclasses.replace(REPORT, target="plugins.rain", findings=(shared,)),
        dataclasses.replace(REPORT, target="plugins.wind", findings=(shared,)),
        dataclasses.replace(REPORT, target="plugins.sun", findings=(), outcome="clean"),
    )

    assert text.splitlines()[0] == "checked    4 targets by reimport: 3 leaking, 1 clean"
    assert text.splitlines()[1].startswith("leaks      2 targets: ")
    first = " ".join(text.partition("fix first")[2].split())
    assert first.startswith(
        "plugins/weather.py:14: it grows with each reload; it keeps old code of 2 targets; "
    )
    assert first.endswith("removing it frees 5 of 5 old generations")


def test_what_only_alias_finds_is_not_fixed_first():
    """A comparison runs it too, but hardly any program reloads so."""
    alias = dataclasses.replace(REPORT, strategy="alias", findings=(only("a", retained_bytes=50 * 1024),))
    used = dataclasses.replace(REPORT, findings=(only("b", growth="bounded", per_round=0.0),))

    lines = closed(alias, used).splitlines()

    assert lines[1].startswith("leaks      plugins.weather: b[*] ")
    assert "a[*]" in lines[2]


def test_the_closing_lists_strategies_in_the_order_of_the_table():
    """From cheap to expensive, as everywhere; the application's own reload comes last."""
    names = ("callable", "worker", "alias", "decache", "reload")
    text = closed(*(dataclasses.replace(REPORT, strategy=name) for name in names))

    assert "by reload, decache, alias, worker, callable, 5 checks: 5 leaking" in " ".join(text.split())


def test_the_closing_names_the_only_leak():
    """One leak is what to fix, and the reason is its proof."""
    text = closed(dataclasses.replace(REPORT, findings=(dataclasses.replace(FINDING, together_with=()),)))

    assert "fix first  plugins/weather.py:14: it is the only leak; removing it frees 5 of 5" in text


def only(name, **changes):
    """A finding that shares nothing with others, whose holder has this name."""
    holder = Holder(root="sys.modules", path=f"host.{name}[*]", type="list")
    alone = dataclasses.replace(FINDING, holder=holder, together_with=(), sole_holder=True, proven=None)
    return dataclasses.replace(alone, **changes)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, "all leaks weigh the same, and it was found first"),
        ({"retained_bytes": 50 * 1024}, "it costs most, 10.0 KiB per reload"),
        ({"growth": "bounded", "retained_bytes": 50 * 1024}, "it costs most, 10.0 KiB per old generation"),
    ],
    ids=["alike", "growing", "bounded"],
)
def test_the_closing_says_no_more_than_it_knows(changes, reason):
    """What is alike is no choice, and what does not grow costs nothing per reload."""
    other = {"growth": changes.get("growth", "growing"), "retained_bytes": 0}
    findings = (only("a", **{"retained_bytes": 0, **changes}), only("b", **other))

    assert closed(dataclasses.replace(REPORT, findings=findings)).endswith(f": {reason}")


def test_data_of_several_targets_is_no_old_code():
    """A container that two targets fill keeps nothing of them."""
    data = only("data", kind="object-growth", generations=(), held=None, retained_bytes=0)
    reports = [dataclasses.replace(REPORT, target=name, findings=(data,)) for name in ("one", "two")]

    assert "it is found in 2 targets" in closed(*reports)
