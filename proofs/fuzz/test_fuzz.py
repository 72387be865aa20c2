"""Whatever a team writes or a target destroys: a line that says what is wrong, never our traceback, no file lost."""

import contextlib
import marshal
import os
import re
import string
import types
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_reloadleak.errors import UsageError
from pytest_reloadleak.gate import baseline, patterns
from pytest_reloadleak.gate.baseline_writing import updated
from pytest_reloadleak.integration import selection
from pytest_reloadleak.integration.reporting.outputs import write_whole
from pytest_reloadleak.isolation import worker
from pytest_reloadleak.model import Finding, Held, Holder, Report, Site
from pytest_reloadleak.report import jsonfile
from pytest_reloadleak.strategies.imports import targets

FINDING = Finding(
    kind="retained-generation",
    signature="7c1e9a04",
    growth="growing",
    per_round=1.0,
    generations=(-1, 0, 1),
    holder=Holder(root="sys.modules", path="app.bus.listeners[*]", type="list"),
    held=Held(type="function", name="app.weather.on_event", file="/project/app/weather.py", line=31),
    site=Site(
        file="/project/app/weather.py", line=40, code="subscribe(on_event)", function="setup", stack=()
    ),
    advice="remove it",
)
BARE = Finding(kind="open-fd", signature="00000000", growth="bounded", per_round=0.0)
REPORT = Report(
    target="app.weather",
    nodeid="reload-leak::app.weather[reimport]",
    strategy="reimport",
    rounds=5,
    warmup=1,
    outcome="leaking",
    reason="why",
    duration_s=0.1,
    reload_s=0.1,
    findings=(FINDING,),
)
ENTRY = """\
# ours

[[findings]]
signature = "7c1e9a04"
kind = "retained-generation"
target = "app.weather"
holder = "app.bus.listeners[*]"
held = "app.weather.on_event"
reason = "later"
since = "2026-01-01"
"""


def assert_one_line(error):
    """What users see is one line that says something."""
    assert str(error).strip()
    assert "\n" not in str(error).strip()


def mutated(whole):
    """Something like `whole`: cut, doubled, and with some parts replaced."""
    alphabet = st.binary(max_size=4) if isinstance(whole, bytes) else st.text(max_size=4)
    change = st.tuples(st.integers(0, len(whole)), st.integers(0, 6), alphabet)

    def apply(changes):
        text = whole
        for at, length, part in changes:
            text = text[:at] + part + text[at + length :]
        return text

    return st.lists(change, max_size=6).map(apply)


# -- the baseline -----------------------------------------------------------------------------------------------------

LINES = re.compile(r"(#.*\n|\[\[findings\]\]\n|[a-z]+ = (\"[^\"\n]*\"|[0-9]+|\[.*\]|\{.*\})\n){1,12}")


@given(
    mutated(ENTRY).map(str.encode)
    | mutated(ENTRY.encode())
    | st.binary()
    | st.from_regex(LINES).map(str.encode)
)
def test_any_file_is_a_baseline_or_a_line(tmp_path_factory, data):
    """An update keeps all entries of a readable file, and never writes an unreadable one."""
    path = tmp_path_factory.getbasetemp() / "baseline.toml"
    path.write_bytes(data)
    try:
        read = baseline.read(path, "--reload-leak-baseline")
    except UsageError as error:
        assert_one_line(error)
        assert path.read_bytes() == data
        return
    check = {
        "target": "app.weather",
        "outcome": "leaking",
        "nodeid": "a",
        "findings": [],
        "strategy": "reimport",
    }
    compared = baseline.compare(read, [{**check, **jsonfile.to_dict(REPORT)}])
    write_whole(path, updated(read, compared, [], "2026-11-30"))
    again = baseline.read(path, "here")
    kept = [*compared.present, *compared.unchecked]
    assert {entry.signature for entry in again.entries} >= {entry.signature for entry in kept}
    assert {entry.reason for entry in kept} <= {entry.reason for entry in again.entries}


# -- patterns ---------------------------------------------------------------------------------------------------------

WORDS = st.sampled_from(
    [
        *(
            "kind:",
            "held:",
            "registry:",
            "site:",
            "retained-generation",
            "open-fd",
            "7c1e9a04",
            "app",
            " # ",
            "#",
        ),
        *("*", "[", "]", "[!", "?", ".", "/", "\\", ":", "(?", "**", "\n", "\t", "\0", "é", "[a-", "]]"),
    ]
)
PATTERNS = st.text(max_size=20) | st.lists(WORDS, max_size=8).map("".join)
KEYWORDS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.binary(max_size=3) | PATTERNS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(PATTERNS, inner, max_size=3) | st.tuples(inner, inner)
    ),
    max_leaves=6,
)


@pytest.mark.parametrize("origin", ["option", "ini", "ignore=", "expect="])
@given(text=PATTERNS, keyword=KEYWORDS)
def test_any_pattern_fits_or_is_a_line(origin, text, keyword):
    """Of options, ini lines and keywords of marks."""
    read = {
        "option": lambda: patterns.from_option([text]),
        "ini": lambda: patterns.from_ini([text]),
        "ignore=": lambda: patterns.from_keyword(keyword),
        "expect=": lambda: patterns.expected(keyword),
    }[origin]
    try:
        found = read()
    except UsageError as error:
        assert_one_line(error)
        return
    for one in found:
        pattern = getattr(one, "pattern", one)
        assert pattern.matches(FINDING, "/project") in {True, False}
        assert pattern.matches(BARE, "/project") in {True, False}


# -- names ------------------------------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        *(
            "json",
            "os",
            "app",
            "missing",
            "__init__",
            "__main__",
            "encodings",
            "sys",
            "pytest",
            "collections",
        ),
        *(
            "reload-leak::",
            "[reimport]",
            "[",
            "]",
            "::",
            ":",
            "/",
            " ",
            "*",
            "?",
            ".",
            "..",
            "-",
            "1",
            "é",
            "\0",
            "\n",
        ),
        "\ud800",
    ]
)
NAMES = (
    st.text(max_size=12)
    | st.text(string.ascii_letters + "._", max_size=12)
    | st.lists(PIECES, max_size=6).map("".join)
)


@given(NAMES)
def test_any_name_is_a_target_or_a_line(name):
    """Nothing is imported to find out but the packages above it."""
    try:
        names, refused = targets.resolve_all([name], force=False, plugins=("pytest",))
    except UsageError as error:
        assert_one_line(error)
        return
    assert names or refused
    assert all(isinstance(one, str) for one in [*names, *refused])


@given(st.lists(NAMES, max_size=3))
def test_any_argument_is_a_node_id_or_left_to_pytest(arguments):
    """Those that name no item stay as they are, in their order."""
    option = types.SimpleNamespace()
    config = types.SimpleNamespace(args=list(arguments), option=option, getoption={}.get)
    try:
        found = selection.take(config)
    except UsageError as error:
        assert_one_line(error)
        return
    rest = iter(arguments)
    assert all(argument in rest for argument in config.args)
    assert len(config.args) + len(found.chosen) <= len(arguments)


# -- the worker's answer ----------------------------------------------------------------------------------------------

ANSWER = marshal.dumps(jsonfile.to_dict(REPORT))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
FIELDS = st.sampled_from(sorted(jsonfile.to_dict(REPORT)))
CHANGED = st.dictionaries(FIELDS, VALUES, max_size=3).map(lambda new: jsonfile.to_dict(REPORT) | new)
LESS = st.sets(FIELDS, max_size=3).map(
    lambda gone: {k: v for k, v in jsonfile.to_dict(REPORT).items() if k not in gone}
)


@given(mutated(ANSWER) | st.binary() | (VALUES | CHANGED | LESS).map(marshal.dumps))
def test_any_answer_of_a_worker_is_a_report_or_a_reason(data):
    """Whatever a target wrote over it."""
    with contextlib.suppress(UsageError):
        found = worker._report(data)
        if not isinstance(found, str):
            report, _, _ = found
            assert isinstance(report, Report)
            assert jsonfile.from_dict(jsonfile.to_dict(report)) == report


# -- files ------------------------------------------------------------------------------------------------------------


@given(st.text(), st.text())
def test_a_file_is_written_whole(tmp_path_factory, old, new):
    """Also text that no encoding has; nothing else is left beside it."""
    folder = tmp_path_factory.getbasetemp() / "files"
    folder.mkdir(exist_ok=True)
    path = Path(folder, "report.json")
    for text in (old, new):
        write_whole(path, text)
        assert path.read_bytes() == text.encode("utf-8", "backslashreplace")
    assert os.listdir(folder) == ["report.json"]
