import dataclasses
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_reloadleak.model import Finding, Held, Holder, Report
from pytest_reloadleak.report import terminal
from pytest_reloadleak.report.text import facts

LISTENERS = Finding(
    kind="retained-generation",
    signature="7c1e9a04",
    growth="growing",
    per_round=1.0,
    generations=(-1, 0, 1, 2, 3),
    registry=None,
    holder=Holder(root="sys.modules", path="myapp.bus.listeners[*]", type="list"),
    held=Held(type="function", name="myapp.weather.on_event", file="/project/myapp/weather.py", line=31),
    trace=(
        "sys.modules['myapp.bus']",
        ".listeners",
        "[*]",
        "function myapp.weather.on_event",
        ".__globals__",
    ),
    site=None,
    retained_objects=40,
    retained_bytes=38912,
    sole_holder=True,
    proven=None,
    also_retains=(),
    advice="remove myapp.weather.on_event from myapp.bus.listeners[*] before the reload",
    known=None,
)

STALE = dataclasses.replace(
    LISTENERS,
    kind="stale-reference",
    signature="00aa11bb",
    growth="bounded",
    per_round=0,
    generations=(0,),
    holder=Holder(root="sys.modules", path="myapp.cli.Weather", type="module"),
    held=Held(type="class", name="myapp.weather.Weather", file="/elsewhere/weather.py", line=None),
    trace=("sys.modules['myapp.cli']", ".Weather", "class myapp.weather.Weather"),
    retained_objects=3,
    retained_bytes=900,
    sole_holder=False,
    advice="look myapp.weather.Weather up where it is used",
)

NATIVE = dataclasses.replace(
    LISTENERS,
    signature="ffee0099",
    per_round=0.5,
    generations=(0, 2, 3, 4, 9),
    holder=Holder(root="native", path="atexit", type="unknown"),
    held=Held(type="myapp.weather.Plugin", name="myapp.weather.Plugin", file=None, line=None),
    trace=("native", "myapp.weather.Plugin"),
    retained_objects=None,
    retained_bytes=None,
    advice="unregister it",
)

LEAKING = Report(
    target="myapp.weather",
    nodeid="reload-leak::myapp.weather[reimport]",
    strategy="reimport",
    rounds=5,
    warmup=1,
    outcome="leaking",
    reason="6 old generations still alive after 5 reloads: 3 findings, 2 growing",
    duration_s=0.31,
    reload_s=0.02,
    retained_generations=(-1, 0, 1, 2, 3, 4, 9),
    findings=(LISTENERS, STALE, NATIVE),
    not_reloaded=("myapp.weather._speedups",),
    notes=("site: it appeared while no first-party line was running", "a second note"),
)

SHORT = """\
myapp.weather (reimport) leaks on reload: 6 old generations still alive after 5 reloads: 3 findings, 2 growing

  * myapp.bus.listeners[*] keeps 5 old generations (myapp/weather.py:31)
    kind    retained-generation 7c1e9a04, growing by 1 per round, generations -1 to 3
    holder  myapp.bus.listeners[*] (list, root sys.modules)
    holds   function myapp.weather.on_event, myapp/weather.py:31
    cost    7.6 KiB per reload; at 500 reloads a day: 3.7 MiB a day
    fix     remove myapp.weather.on_event from myapp.bus.listeners[*] before the reload

  * myapp.cli.Weather still is an old version (/elsewhere/weather.py)
    kind    stale-reference 00aa11bb, bounded, generation 0
    holder  myapp.cli.Weather (module, root sys.modules)
    holds   class myapp.weather.Weather, /elsewhere/weather.py
    with    another holder keeps it too; all must release it
    fix     look myapp.weather.Weather up where it is used

  * atexit keeps 5 old generations
    kind    retained-generation ffee0099, growing by 0.5 per round, generations 0, 2 to 4, 9
    holder  atexit (unknown, root native)
    holds   myapp.weather.Plugin
    fix     unregister it

  not reloaded: myapp.weather._speedups"""

LONG = """\
myapp.weather (reimport) leaks on reload: 6 old generations still alive after 5 reloads: 3 findings, 2 growing

  * myapp.bus.listeners[*] keeps 5 old generations (myapp/weather.py:31)
    kind    retained-generation 7c1e9a04, growing by 1 per round, generations -1 to 3
    holder  myapp.bus.listeners[*] (list, root sys.modules)
    holds   function myapp.weather.on_event, myapp/weather.py:31
    trace   sys.modules['myapp.bus']
              .listeners
                [*]
                  function myapp.weather.on_event
                    .__globals__
    keeps   40 objects, 38.0 KiB
    cost    7.6 KiB per reload; at 500 reloads a day: 3.7 MiB a day
    fix     remove myapp.weather.on_event from myapp.bus.listeners[*] before the reload

  * myapp.cli.Weather still is an old version (/elsewhere/weather.py)
    kind    stale-reference 00aa11bb, bounded, generation 0
    holder  myapp.cli.Weather (module, root sys.modules)
    holds   class myapp.weather.Weather, /elsewhere/weather.py
    with    another holder keeps it too; all must release it
    trace   sys.modules['myapp.cli']
              .Weather
                class myapp.weather.Weather
    keeps   3 objects, 900 bytes
    fix     look myapp.weather.Weather up where it is used

  * atexit keeps 5 old generations
    kind    retained-generation ffee0099, growing by 0.5 per round, generations 0, 2 to 4, 9
    holder  atexit (unknown, root native)
    holds   myapp.weather.Plugin
    trace   native
              myapp.weather.Plugin
    fix     unregister it

  not reloaded: myapp.weather._speedups

  note: site: it appeared while no first-party line was running
  note: a second note"""


@pytest.mark.parametrize(("verbose", "golden"), [(False, SHORT), (True, LONG)], ids=["short", "verbose"])
def test_a_leaking_report(verbose, golden):
    """A report is its key fact, then a block a finding; `-v` adds traces, sizes and notes."""
    assert terminal.text(LEAKING, verbose=verbose, rootdir="/project") == golden


@pytest.mark.parametrize(
    ("changes", "short", "more"),
    [
        (
            {"outcome": "clean", "reason": "5 reloads left nothing behind"},
            "a.b (reimport) is clean: 5 reloads left nothing behind",
            "\n\n  not reloaded: a.b.c\n\n  note: one",
        ),
        (
            {"outcome": "known", "reason": "2 known findings"},
            "a.b (reimport) has only known findings: 2 known findings",
            "\n\n  not reloaded: a.b.c\n\n  note: one",
        ),
        (
            {"outcome": "inconclusive", "reason": "descriptors cannot be listed here"},
            "a.b (reimport) could not be judged: descriptors cannot be listed here",
            "\n\n  not reloaded: a.b.c\n\n  note: one",
        ),
        (
            {
                "outcome": "error",
                "reason": "round 2: the reload raised: ValueError: no",
                "strategy": "callable",
            },
            "a.b (callable) could not be checked: round 2: the reload raised: ValueError: no",
            "\n\n  not reloaded: a.b.c\n\n  note: one",
        ),
    ],
    ids=["clean", "known", "inconclusive", "error"],
)
def test_a_report_without_findings(changes, short, more):
    """Each outcome has its own words; without findings a report is one line, and `-v` adds what was noted."""
    report = dataclasses.replace(
        LEAKING, target="a.b", findings=(), not_reloaded=("a.b.c",), notes=("one",), **changes
    )

    assert terminal.text(report, verbose=False) == short
    assert terminal.text(report, verbose=True) == short + more


@pytest.mark.parametrize(
    ("generations", "words"),
    [
        ((0, 1), "0, 1"),
        ((0, 1, 2), "0 to 2"),
        ((-2, -1, 0, 4), "-2 to 0, 4"),
        ((1, 3, 5), "1, 3, 5"),
        ((0, 1, 3, 4, 5, 7, 8), "0, 1, 3 to 5, 7, 8"),
    ],
)
def test_runs_of_generations_are_shortened(generations, words):
    """Three or more in a row are a range; one and two stand as they are."""
    report = dataclasses.replace(LEAKING, findings=(dataclasses.replace(LISTENERS, generations=generations),))

    assert f", generations {words}\n" in terminal.text(report, verbose=False)


@pytest.mark.parametrize(
    ("size_bytes", "words"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (38912, "38.0 KiB"),
        (1024 * 1024, "1.0 MiB"),
        (5 * 1024**3, "5120.0 MiB"),
    ],
)
def test_sizes_have_units(size_bytes, words):
    """Bytes are shown in the largest unit that gives a number of at least one."""
    report = dataclasses.replace(
        LEAKING, findings=(dataclasses.replace(LISTENERS, retained_bytes=size_bytes),)
    )

    assert f"    keeps   40 objects, {words}\n" in terminal.text(report, verbose=True)


def test_many_findings_are_cut_without_verbosity():
    """The short report shows ten findings and counts the rest; `-v` shows all of them."""
    findings = tuple(dataclasses.replace(LISTENERS, signature=f"{number:08x}") for number in range(13))
    report = dataclasses.replace(LEAKING, findings=findings, not_reloaded=(), notes=())
    short, verbose = (terminal.text(report, verbose=verbose) for verbose in (False, True))

    assert short.count("retained-generation") == terminal.SHORT_FINDINGS
    assert short.endswith("\n\n  ... and 3 more findings (-v shows all)")
    assert verbose.count("retained-generation") == 13
    assert "more (-v" not in verbose


@pytest.mark.parametrize(("count", "words"), [(11, "1 more finding"), (12, "2 more findings")])
def test_what_is_left_out_is_counted_in_words(count, words):
    """One finding that is left out is not called `findings`."""
    report = dataclasses.replace(LEAKING, findings=(LISTENERS,) * count, not_reloaded=(), notes=())

    assert terminal.text(report, verbose=False).endswith(f"\n\n  ... and {words} (-v shows all)")


def test_a_single_generation_is_called_one():
    """A finding of one generation does not speak of generations."""
    report = dataclasses.replace(LEAKING, findings=(STALE,))

    assert "bounded, generation 0\n" in terminal.text(report, verbose=False)


@pytest.mark.parametrize(
    ("file", "line", "words"),
    [
        ("/project/myapp/weather.py", 31, ", myapp/weather.py:31"),
        ("/project/myapp/weather.py", None, ", myapp/weather.py"),
        ("/project2/weather.py", 31, ", /project2/weather.py:31"),
        ("weather.py", 3, None),
        (None, None, ""),
    ],
)
def test_files_below_the_rootdir_are_relative(file, line, words, monkeypatch, tmp_path):
    """Files of the project are shown from the rootdir, others with their whole path."""
    held = Held(type="function", name="f", file=file, line=line)
    report = dataclasses.replace(LEAKING, findings=(dataclasses.replace(LISTENERS, held=held),))
    monkeypatch.chdir(tmp_path)
    rootdir = "/project" if words is not None else str(tmp_path)

    shown = terminal.text(report, verbose=False, rootdir=rootdir)

    assert f"    holds   function f{', weather.py:3' if words is None else words}\n" in shown


def test_a_finding_without_a_holder_shows_its_trace():
    """Growth whose holder nobody knows still says what it is and what to do."""
    finding = dataclasses.replace(
        LISTENERS, kind="memory-growth", holder=None, held=None, trace=(), generations=(), per_round=512.0
    )
    report = dataclasses.replace(LEAKING, findings=(finding,), not_reloaded=(), notes=())

    shown = terminal.text(report, verbose=False)

    assert "  * the process uses more memory after each reload" in shown.splitlines()
    assert "    kind    memory-growth 7c1e9a04, growing" in shown.splitlines()
    assert "    holder " not in shown
    assert shown.endswith(f"    fix     {LISTENERS.advice}")


def test_what_is_known_follows_what_is_not():
    """Beside a leak that nobody expects, a line says enough of what is known; `-v` shows all of it."""
    known = dataclasses.replace(LISTENERS, signature="00000001", known="at most 128 results")
    new = dataclasses.replace(LISTENERS, signature="00000002")
    report = dataclasses.replace(LEAKING, findings=(known, new))

    brief = terminal.text(report, verbose=False)
    assert "  known: retained-generation 00000001, listeners[*]: at most 128 results" in brief.splitlines()
    assert brief.index("00000002") < brief.index("00000001")
    assert "    known   at most 128 results" in terminal.text(report, verbose=True)
    alone = terminal.text(dataclasses.replace(report, outcome="known", findings=(known,)), verbose=False)
    assert "    known   at most 128 results" in alone


def test_a_buffer_grows_by_bytes_and_a_list_by_items():
    """A reload may add millions: no number has an exponent, and bytes have a unit."""
    buffer = dataclasses.replace(
        LISTENERS,
        kind="memory-growth",
        holder=dataclasses.replace(LISTENERS.holder, path="host.raw", type="bytearray"),
        held=None,
        generations=(),
        per_round=5_000_000.0,
    )
    items = dataclasses.replace(buffer, holder=dataclasses.replace(LISTENERS.holder, path="host.kept[*]"))

    shown = terminal.text(dataclasses.replace(LEAKING, findings=(buffer, items)), verbose=False)

    assert re.findall(r"^  \* (.*?)(?: \(|$)", shown, re.MULTILINE) == [
        "host.raw grows by 4.8 MiB per reload",
        "host.kept[*] grows by 5,000,000 items per reload",
    ]
    assert re.findall(r"7c1e9a04, (.*)", shown) == ["growing", "growing by 5,000,000 per round"]


def test_the_text_of_a_report_is_plain():
    """No line ends in a space and none is blank twice in a row: the text goes into XML, logs and exceptions."""
    for verbose in (False, True):
        shown = terminal.text(LEAKING, verbose=verbose, rootdir="/project")
        assert [line for line in shown.splitlines() if line != line.rstrip()] == []
        assert "\n\n\n" not in shown
        assert not shown.endswith("\n")


LONG_NAME = "a_name_that_somebody_made_very_long"
PARTS = st.sampled_from(
    (f".{LONG_NAME}", ".x", "[*]", "['a\nb']", "[\n", "(.older)*", "<function>", "'", "]", "\n")
)


@given(
    name=st.sampled_from(("m", LONG_NAME, "")), parts=st.lists(PARTS, max_size=12), width=st.integers(20, 120)
)
def test_every_path_has_a_short_form(name, parts, width):
    """The names and keys on a path are the program's, so they may be of any length and form."""
    path = "".join((name, *parts))
    holder = Holder(root="sys.modules", path=path, type="list")
    report = dataclasses.replace(LEAKING, findings=(dataclasses.replace(LISTENERS, holder=holder),))

    assert terminal.text(report, width=width)
    assert facts.short_path(report.findings[0]) in path or "..." in facts.short_path(report.findings[0])
