"""Expected references: recognised by data, by a library's own bound, or by what a conftest says; never a failure."""

from __future__ import annotations

import pytest
from cases import run
from support import target

from pytest_reloadleak import measure_reload
from pytest_reloadleak.errors import UsageError
from pytest_reloadleak.verdict.known import KNOWN, Known, reason_for

OWN_TEXT = "class Text(str):\n    def of(self): return self\n"
HOST = "import functools\n@functools.lru_cache(maxsize=16)\ndef look_up(key): return None\nkept = []\n"
KEEPS_CACHE = """\
import fnmatch, functools
def f(): pass
fnmatch.kept = [*getattr(fnmatch, "kept", ()), functools.lru_cache(maxsize=9)(f)]
"""

NO_BOUND = """\
import fnmatch, functools
fnmatch.all = getattr(fnmatch, "all", None) or functools.lru_cache(maxsize=None)(fnmatch.translate)
"""

CASES = {
    # the target's body; outcome; what the finding says it is known for; a detail
    "re": (f"import re\n{OWN_TEXT}re.compile(Text('a'))", "known", "`re` keeps at most 512 patterns", None),
    "library's cache": (
        f"from urllib.parse import urlsplit\n{OWN_TEXT}urlsplit(Text('http://a'))",
        "known",
        "functools.lru_cache in urllib.parse keeps at most 128 results",
        "functools.lru_cache in urllib.parse keeps at most 128 results",
    ),
    "own cache": (
        f"import host\n{OWN_TEXT}host.look_up(Text('a'))",
        "leaking",
        None,
        "functools.lru_cache in host keeps at most 16 results",
    ),
    "library's cache of a function": (
        KEEPS_CACHE,
        "leaking",
        None,
        None,
    ),
    "library's cache without a bound": (f"{NO_BOUND}{OWN_TEXT}fnmatch.all(Text('a'))", "leaking", None, None),
    "list": (f"import host\n{OWN_TEXT}host.kept.append(Text('a'))", "leaking", None, None),
}


@pytest.mark.parametrize(("body", "outcome", "known", "detail"), CASES.values(), ids=CASES)
def test_a_bounded_cache_of_a_library_is_known_and_another_holder_is_not(
    body, outcome, known, detail, tmp_path
):
    """The same object, held by a cache that nobody here can mend, by one of the project's own, and by a list."""
    run.write(tmp_path, {"host": HOST, "plugin": body})
    with run.importable(tmp_path):
        import re

        try:
            report = measure_reload("plugin", rounds=3)
        finally:
            re.purge()
            __import__("urllib.parse").parse.clear_cache() if "urllib" in body else None
            vars(__import__("fnmatch")).pop("kept", None)

    assert (report.outcome, report.error) == (outcome, None)
    assert {finding.known for finding in report.findings} == {known} or all(
        finding.known.startswith(known) for finding in report.findings
    )
    assert detail is None or all(detail in finding.details for finding in report.findings)


def test_each_known_reference_says_why_and_where_one_can_read_of_it():
    """The table is data: a pattern, a sentence, versions and a link."""
    for known in KNOWN:
        assert known.why
        assert known.link.startswith("https://")
        assert known.since <= known.until


def test_a_pattern_is_the_path_as_it_is_printed():
    """Brackets mean themselves, and a star anything."""
    known = [("retained-generation:host.kept[*]", "exact"), ("*:other.*", "any kind")]

    assert reason_for("retained-generation", "host.kept[*]", known) == "exact"
    assert reason_for("live-thread", "other.pool['a']", known) == "any kind"
    assert reason_for("retained-generation", "host.kept", known) is None
    assert reason_for("live-thread", "host.kept[*]", known) is None
    assert reason_for("retained-generation", "host.kept[*].more", known) is None
    assert reason_for("retained-generation", "another.other.pool", [("*:other.pool", "as it is")]) is None


@pytest.mark.parametrize(
    ("keywords", "text"),
    [
        (
            {"pattern": "host.kept", "why": "x"},
            "a known reference must be kind:holder-path, not 'host.kept'",
        ),
        (
            {"pattern": "live-thread:", "why": "x"},
            "a known reference must be kind:holder-path, not 'live-thread:'",
        ),
        ({"pattern": "*:a", "why": " "}, "the known reference '*:a' needs a reason"),
        (
            {"pattern": "a:b.c", "why": "x", "is_ignored": True},
            "an ignored reference must be module.attribute, not 'a:b.c'",
        ),
    ],
)
def test_a_known_reference_that_makes_no_sense_is_refused(keywords, text):
    """What was received, and how it is written."""
    with pytest.raises(UsageError, match=text.replace("(", r"\(").replace("*", r"\*")):
        Known(**keywords)


CONFTEST = """
    import pytest
    from pytest_reloadleak import Known

    def pytest_reloadleak_known(config):
        return [{}]
"""
LEAKY = "import host\n\ndef on_event(): pass\n\nhost.listeners.append(on_event)\n"


@pytest.mark.parametrize("isolation", ["process", "none"])
@pytest.mark.parametrize(
    ("known", "outcome"),
    [
        (
            "Known(pattern='retained-generation:host.listeners*', why='a queue that is emptied at midnight')",
            "known",
        ),
        ("Known(pattern='*:host.others*', why='something else')", "leaking"),
        ("Known(pattern='retained-generation:host.*', why='of old', until=(3, 9))", "leaking"),
        ("Known(pattern='host.listeners', why='x', is_ignored=True)", "clean"),
        ("Known(pattern='host.others', why='x', is_ignored=True)", "leaking"),
    ],
    ids=["known", "another", "another version", "ignored", "another that is ignored"],
)
def test_a_conftest_says_what_is_expected(known, outcome, isolation, project):
    """The item passes when all its findings are expected; what only an ignored object holds is none."""
    project.write(
        {"conftest.py": CONFTEST.format(known), "plugin.py": LEAKY, "test_it.py": "def test_it(): pass\n"}
    )

    result = project.run(
        "--reload-leak-check",
        *target("plugin"),
        f"--reload-leak-isolation={isolation}",
        "--reload-leak-rounds=3",
        "-v",
    )

    (check,) = project.checks()
    assert check["outcome"] == outcome
    assert result.ret == (1 if outcome == "leaking" else 0)
    expected = {"known": ["a queue that is emptied at midnight"], "leaking": [None], "clean": []}
    assert [finding["known"] for finding in check["findings"]] == expected[outcome]
    told = [line for line in result.outlines if "a queue that is emptied at midnight" in line]
    signature = "".join(finding["signature"] for finding in check["findings"])
    line = f"  known: retained-generation {signature}, host.listeners[*]: a queue that is emptied at midnight"
    assert told == ([line] if outcome == "known" else [])


def test_what_is_no_known_reference_is_a_usage_error(project):
    """The hook's results are checked before anything runs."""
    project.write({"conftest.py": CONFTEST.format("'host.listeners'"), "plugin.py": LEAKY})

    result = project.run("--reload-leak-check", *target("plugin"))

    assert result.ret == 4
    result.stderr.fnmatch_lines(
        ["*pytest_reloadleak_known must return Known(pattern=..., why=...), not 'host*"]
    )
