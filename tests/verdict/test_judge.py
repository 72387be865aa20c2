"""Two looks become growth and an outcome: the pure half of a check."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_reloadleak.holders.retention import Diagnosis, Retention
from pytest_reloadleak.holders.sweep import Cause
from pytest_reloadleak.model import Held, Holder
from pytest_reloadleak.run.observations import Observations
from pytest_reloadleak.verdict.judge import Knowledge, judge

LIST = Retention(
    holder=Holder(root="sys.modules", path="app.bus[*]", type="list"),
    held=Held(type="function", name="plug.on_event", file=None, line=None),
    trace=("sys.modules['app']", ".bus", "[*]", "function plug.on_event", ".__globals__"),
    generations=(-1, 0, 1, 2, 3),
    items=5,
    objects=10,
    size_bytes=1000,
    is_sole=True,
    is_binding=False,
    is_within=False,
)
TASK = LIST._replace(
    holder=Holder(root="task", path="task 'poll'", type="_asyncio.Task"),
    trace=("task 'poll'", "<coroutine>", ".<local self>", ".coro", "function plug.on_event", ".__globals__"),
)
MORE = (-1, 0, 1, 2, 3, 4, 5, 6, 7, 8)


def judged(first: Retention, *later: Retention):
    """The verdict on one retention of the first look and those of the second."""
    return verdict_on(Diagnosis(first.generations, (first,)), Diagnosis((), later))


def verdict_on(first: Diagnosis, second: Diagnosis):
    """The verdict on two looks, of a project that nothing is known of."""
    return judge("plug", 5, Observations(first=first, second=second), Knowledge())


def test_what_more_rounds_leave_more_of_grows():
    """Ten generations after ten rounds where five were alive after five: one more per round."""
    (finding,) = judged(LIST, LIST._replace(generations=MORE, items=10)).findings

    assert finding.growth == "growing"
    assert finding.per_round == 1.0


def test_what_more_rounds_leave_no_more_of_is_bounded():
    """A constant remainder is a finding all the same."""
    verdict = judged(LIST, LIST)

    assert [f.growth for f in verdict.findings] == ["bounded"]
    assert verdict.outcome == "leaking"


@pytest.mark.parametrize(
    ("alike", "expected"), [((9, 2), "bounded"), ((14, 2), "growing"), ((9, 7), "growing")]
)
def test_more_below_one_path_is_growth_if_there_is_more_at_all(alike, expected):
    """Sqlalchemy's columns are reached by many paths, of which each look takes the first that it comes by."""
    first = LIST._replace(generations=(-1, 0), alike=(9, 2))
    later = first._replace(generations=MORE, items=10, alike=alike)

    (finding,) = judged(first, later).findings

    assert (finding.growth, finding.per_round) == (expected, 1.0 if expected == "growing" else 0.0)


def test_what_the_second_look_misses_becomes_a_note():
    """What passes by itself is no leak, and the report says that it was there."""
    verdict = judged(LIST)

    assert verdict.outcome == "clean"
    assert verdict.notes == ("app.bus[*] released plug.on_event during the second pass: not a leak",)


def test_a_holder_that_now_holds_something_else_let_go():
    """A list that dropped one old function and keeps another does not keep the first one."""
    other = LIST._replace(held=replace(LIST.held, name="plug.on_exit"), trace=("elsewhere",))

    assert judged(LIST, other).outcome == "clean"


def test_a_task_is_the_same_whatever_it_was_seen_to_hold_first():
    """A task's references into its generation are one cause, and the one told may differ between two looks."""
    other = TASK._replace(
        held=replace(TASK.held, type="plug.Feed", name="plug.Feed"),
        trace=("task 'poll'", "<coroutine>", ".<local args>", "[*]", "plug.Feed", ".__class__"),
        generations=MORE,
        items=10,
    )

    (finding,) = judged(TASK, other).findings

    assert finding.growth == "growing"


def test_findings_are_in_the_order_of_kinds():
    """That of the design, which is also that in which a cause that fits several kinds is one of them."""
    kinds = (
        "child-process",
        "live-timer",
        "live-thread",
        "pending-task",
        "registration",
        "open-fd",
        "patched-global",
        "retained-generation",
        "stale-reference",
        "object-growth",
        "memory-growth",
    )
    causes = [
        LIST._replace(cause=Cause(kind, "fd", kind, "file"), size_bytes=at) for at, kind in enumerate(kinds)
    ]

    verdict = verdict_on(Diagnosis((), tuple(reversed(causes))), Diagnosis((), tuple(causes)))

    assert tuple(f.kind for f in verdict.findings) == kinds


def test_what_is_left_of_a_generation_that_is_gone_retains_none():
    """A descriptor stays open when all that opened it is dead: it is a finding, and no generation is said to live."""
    effect = LIST._replace(
        holder=Holder(root="fd", path="fd file /tmp/log", type="file"),
        cause=Cause("open-fd", "fd", "fd file /tmp/log", "file"),
        objects=0,
    )

    verdict = verdict_on(Diagnosis((), (effect,)), Diagnosis((), (effect._replace(generations=MORE),)))

    assert (verdict.outcome, verdict.retained_generations) == ("leaking", ())
    assert (
        verdict.reason == "5 reloads left effects or data behind; no old code is retained: 1 growing finding"
    )
    alive = judged(LIST, LIST._replace(generations=MORE))
    assert alive.retained_generations == LIST.generations
    assert alive.reason.startswith("5 old generations still alive after 5 reloads")
