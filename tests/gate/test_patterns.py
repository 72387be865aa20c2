import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_reloadleak.errors import UsageError
from pytest_reloadleak.gate.patterns import Pattern, expected, from_ini, from_keyword, from_option
from pytest_reloadleak.model import Finding, Held, Holder, Site

FINDING = Finding(
    kind="registration",
    signature="0a1b2c3d",
    growth="growing",
    per_round=1.0,
    registry="atexit",
    holder=Holder(root="atexit", path="app.bus.listeners[*]", type="list"),
    held=Held(type="function", name="app.plugins.on_event", file="/p/app/plugins.py", line=3),
    site=Site(file="/p/app/plugins.py", line=5, code="subscribe(on_event)"),
)
FITS = (
    "0a1b2c3d",
    "registration:app.bus.listeners[*]",
    "registration:app.bus.*",
    "*:*listeners*",
    "held:app.plugins.*",
    "registry:atexit",
    "site:app/plugins.py",
    "site:app/*",
    "site:/p/app/*.py",
    " held:*.on_event ",
)
FITS_NOT = (
    "0a1b2c3e",
    "open-fd:app.bus.listeners[*]",
    "registration:app.bus",
    "registration:app.bus.listeners[a]",
    "held:on_event",
    "registry:signal",
    "site:plugins.py",
    "site:lib/*",
)


@pytest.mark.parametrize("text", FITS)
def test_fits(text):
    """A pattern in each form fits the finding."""
    assert Pattern.parse(text, "here").matches(FINDING, "/p")


@pytest.mark.parametrize("text", FITS_NOT)
def test_fits_not(text):
    """A pattern for something else does not."""
    assert not Pattern.parse(text, "here").matches(FINDING, "/p")


@pytest.mark.parametrize("text", ["held:*", "registry:*", "site:*"])
def test_a_field_that_a_finding_lacks_fits_no_pattern(text):
    """A field that a finding lacks fits no pattern."""
    bare = Finding(kind="object-growth", signature="0a1b2c3d", growth="growing", per_round=1.0)
    assert not Pattern.parse(text, "here").matches(bare, "/p")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "here: a pattern must be a signature"),
        (3, "not 3"),
        ("abc", "'abc' is no pattern"),
        ("0A1B2C3D", "is no pattern"),
        ("registration:", "matches nothing"),
        ("registratoin:x", "did you mean 'registration'?"),
        ("retained:x", "did you mean 'retained-generation'?"),
        ("hold:x", "did you mean 'held'?"),
        ("zzz:x", "'zzz' is no kind of finding; write a signature"),
        ("held:a\nsite:b", "'held:a\\nsite:b' has several lines: write one pattern"),
        ("open-fd\u2028:", "has several lines"),
    ],
)
def test_a_wrong_pattern_says_what_to_write(text, says):
    """A wrong pattern says what to write."""
    with pytest.raises(UsageError) as caught:
        Pattern.parse(text, "here")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_reason_is_required_in_the_ini_file_and_in_a_keyword_but_not_in_an_option():
    """A reason is required in the ini file and in a keyword but not in an option."""
    assert from_option(["held:*"])[0].reason == "ignored by --reload-leak-ignore"
    assert from_option(["held:* # until 3.0"])[0].reason == "until 3.0"
    assert from_ini(["held:a#b # why # so"])[0].reason == "why # so"
    assert from_ini(["held:a#b # why"])[0].pattern.glob == "a#b"
    for line in ("held:*", "held:* #", "held:*#why"):
        with pytest.raises(UsageError, match="has no reason"):
            from_ini([line])
    for wrong in ("held:*", ["held:*"], {"held:*": ""}, [("held:*", None)]):
        with pytest.raises(UsageError, match="has no reason"):
            from_keyword(wrong)


@pytest.mark.parametrize("given", ["held:* # why", ["held:* # why"], [("held:*", "why")], {"held:*": "why"}])
def test_a_keyword_takes_lines_pairs_and_a_mapping(given):
    """A keyword takes lines pairs and a mapping."""
    (ignore,) = from_keyword(given)
    assert (ignore.pattern.text, ignore.reason) == ("held:*", "why")


@pytest.mark.parametrize("given", [3, [3], [("a", "b", "c")], object()])
def test_another_keyword_is_refused(given):
    """Another keyword is refused."""
    with pytest.raises(UsageError, match="ignore="):
        from_keyword(given)


def test_expected_patterns_need_no_reason():
    """Expected patterns need no reason."""
    assert [one.text for one in expected("held:*")] == ["held:*"]
    assert [one.text for one in expected(["held:* # why", "0a1b2c3d"])] == ["held:*", "0a1b2c3d"]
    assert expected(None) == ()


@pytest.mark.parametrize(
    "read", [lambda text: from_option([text]), lambda text: from_ini([text]), from_keyword]
)
@given(text=st.text())
def test_any_text_is_a_pattern_or_a_line_of_error(read, text):
    """Any text is a pattern, or the error says what to write."""
    with contextlib.suppress(UsageError):
        for ignore in read(text):
            ignore.pattern.matches(FINDING, "/p")
