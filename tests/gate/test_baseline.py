import contextlib
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_reloadleak.errors import UsageError
from pytest_reloadleak.gate.baseline import ADDED, Baseline, Comparison, Entry, compare, parse, renamed
from pytest_reloadleak.gate.baseline_writing import updated

TEXT = '''\
# The leaks of our project.

# Tracked in ticket 12.
[[findings]]
signature = "aaaaaaaa"
kind = "live-timer"
target = "app.b"
holder = "threading.Timer x"
reason = """
it's # odd \\"""
[[findings]]
"""

# Waits for the vendor.
[[findings]] # a comment
signature = "bbbbbbbb" # and here
kind = "open-fd"
target = "app.a"
since = 2026-01-02
reason = "x \'\'\' # y"
'''


def found(signature, target="app.a", kind="open-fd", known=None, holder="fd file x"):
    """A finding as the JSON report has it."""
    return {
        "signature": signature,
        "kind": kind,
        "known": known,
        "holder": {"path": holder},
        "held": {"name": f"{target}.f"},
        "target": target,
    }


def check(target, *findings, outcome="leaking"):
    """A check as the JSON report has it."""
    return {"target": target, "outcome": outcome, "findings": list(findings)}


def test_reads_what_teams_write():
    """Reads what teams write."""
    one, two = parse(TEXT, "here").entries
    assert (one.signature, one.kind, one.target, one.held, one.since) == (
        "aaaaaaaa",
        "live-timer",
        "app.b",
        "",
        "",
    )
    assert (two.since, two.reason) == ("2026-01-02", "x ''' # y")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[findings", "is not valid TOML"),
        ("finding = 1", "unknown key 'finding'"),
        ("findings = 1", "must be [[findings]] tables, not int"),
        ("findings = [1]", "table 1 must be a table, not int"),
        ('[[findings]]\nkind = "open-fd"\ntarget = "a"', "table 1 has no signature"),
        ('[[findings]]\nsignature = "a"\nkind = "b"\ntarget = "a"\nx = 1', "unknown key 'x'"),
        (
            '[[findings]]\nsignature = "a"\nkind = "b"\ntarget = "a"\nreason = 1',
            "reason must be a string, not 1",
        ),
        ('[[findings]]\nsignature = "a"\nkind = "b"\ntarget = "a"\n' * 2, "the signature a twice"),
    ],
)
def test_a_broken_baseline_is_one_line(text, says):
    """A broken baseline is one line."""
    with pytest.raises(UsageError) as caught:
        parse(text, "here")
    assert says in str(caught.value)
    assert str(caught.value).startswith("here")


def test_compares_a_session_with_the_baseline():
    """Compares a session with the baseline."""
    baseline = parse(TEXT, "here")
    compared = compare(
        baseline,
        [
            check(
                "app.a",
                found("bbbbbbbb", known="in the baseline"),
                found("cccccccc"),
                found("eeeeeeee", known="why"),
            ),
            check("app.b", outcome="clean"),
        ],
    )
    assert [entry.signature for entry in compared.fixed] == ["aaaaaaaa"]
    assert [entry.signature for entry in compared.present] == ["bbbbbbbb"]
    # A finding that is known for another reason is not new.
    assert [entry.signature for entry in compared.new] == ["cccccccc"]
    assert compared.unchecked == ()


@pytest.mark.parametrize("outcome", ["error", "inconclusive"])
def test_what_a_check_could_not_judge_is_not_fixed(outcome):
    """What a check could not judge is not fixed."""
    compared = compare(
        parse(TEXT, "here"), [check("app.b", outcome="clean"), check("app.b", outcome=outcome)]
    )
    assert compared.fixed == ()
    assert [entry.target for entry in compared.unchecked] == ["app.b", "app.a"]


def test_an_update_keeps_comments_reasons_and_every_byte_of_an_entry():
    """An update keeps comments reasons and every byte of an entry."""
    baseline = parse(TEXT, "here")
    compared = compare(
        baseline,
        [
            check("app.b", found("aaaaaaaa", "app.b"), outcome="known"),
            check("app.a", found("bbbbbbbb"), found("0ccccccc", known=ADDED)),
        ],
    )
    text = updated(baseline, compared, [], "2026-11-30")
    for line in TEXT.splitlines():
        assert line in text.splitlines()
    assert text.startswith("# The leaks of our project.\n")
    entries = parse(text, "here").entries
    assert [entry.signature for entry in entries] == ["bbbbbbbb", "0ccccccc", "aaaaaaaa"]  # sorted by target
    assert entries[1].since == "2026-11-30"
    again = parse(text, "here")
    assert updated(again, Comparison((), (), (), again.entries), [], "2027-01-01") == text


def test_an_update_removes_what_is_fixed_with_its_comment():
    """An update removes what is fixed with its comment."""
    baseline = parse(TEXT, "here")
    text = updated(baseline, Comparison(baseline.entries[:1], (), (), baseline.entries[1:]), [], "2026-11-30")
    assert [entry.signature for entry in parse(text, "here").entries] == ["bbbbbbbb"]
    assert "ticket 12" not in text
    assert "# Waits for the vendor." in text
    assert text.startswith("# The leaks of our project.\n")


def test_an_update_of_another_notation_keeps_the_entries():
    """An update of another notation keeps the entries."""
    line = 'findings = [{signature = "aaaaaaaa", kind = "open-fd", target = "a", reason = "why"}]'
    baseline = parse(line, "here")
    text = updated(baseline, Comparison((), (), (), baseline.entries), [], "2026-11-30")
    assert parse(text, "here").entries == baseline.entries


def test_a_renamed_target_takes_its_reason_along():
    """A renamed target takes its reason along."""
    old = Entry(
        signature="aaaaaaaa",
        kind="open-fd",
        target="app.old",
        held="app.old.f",
        holder="x",
        reason="why",
        since="2026-01-01",
    )
    new = Entry(signature="bbbbbbbb", kind="open-fd", target="app.new", held="app.new.f", holder="x")
    assert renamed(new, [old]) is old
    assert renamed(new, [old, old]) is None  # two candidates: no guess
    text = updated(Baseline((old,), ""), Comparison((), (old,), (new,), ()), [old], "2026-11-30")
    (entry,) = parse(text, "here").entries
    assert (entry.target, entry.reason, entry.since) == ("app.new", "why", "2026-01-01")


TEXTS = st.text(max_size=30)
ENTRIES = st.builds(
    Entry,
    signature=st.text("0123456789abcdef", min_size=8, max_size=8),
    kind=st.sampled_from(["open-fd", "live-timer"]),
    target=st.text(min_size=1, max_size=10),
    holder=TEXTS,
    held=TEXTS,
    reason=TEXTS,
)


@given(st.lists(ENTRIES, max_size=5, unique_by=lambda entry: entry.signature))
def test_whatever_is_written_can_be_read(entries):
    """Whatever is written can be read."""
    text = updated(Baseline(), Comparison((), (), tuple(entries), ()), [], "2026-11-30")
    read = parse(text, "here")
    written = sorted(entries, key=lambda e: (e.target, e.kind, e.holder, e.signature))
    assert read.entries == tuple(replace(entry, since="2026-11-30", reason="") for entry in written)
    half = read.entries[::2]
    gone = tuple(entry for entry in read.entries if entry not in half)
    again = parse(updated(read, Comparison(gone, (), (), half), [], "2026-12-01"), "here")
    assert set(again.entries) == set(half)


@given(
    st.text()
    | st.from_regex(re.compile(r"(#.*\n|\[\[findings\]\]\n|[a-z]+ = \"[^\"\n]*\"\n){1,9}"), fullmatch=True)
)
def test_any_text_is_a_baseline_or_a_line_of_error(text):
    """Any text is a baseline or a line of error."""
    with contextlib.suppress(UsageError):
        baseline = parse(text, "here")
        kept = updated(baseline, Comparison((), (), (), baseline.entries), [], "2026-11-30")
        assert parse(kept, "here").entries == tuple(
            sorted(baseline.entries, key=lambda e: (e.target, e.kind, e.holder, e.signature))
        )
