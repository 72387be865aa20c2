"""What a look found becomes growth and an outcome: the pure half of a check."""

from __future__ import annotations

import pytest

from pytest_reloadleak.holders.retention import Diagnosis, Later, Retention
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
MORE = frozenset({4, 5, 6, 7, 8})
"""The generations of a second pass."""


NONE = Later()


def judged(retention: Retention, later: Later | None = NONE):
    """The verdict on one retention, to which a second pass added something."""
    retention = retention._replace(later=later)
    return verdict_on(Diagnosis(retention.generations, (retention,)))


def verdict_on(found: Diagnosis):
    """The verdict on one look, of a project that nothing is known of."""
    return judge("plug", 5, Observations(found=found), Knowledge())


def test_what_more_rounds_leave_more_of_grows():
    """Ten generations after ten rounds where five were alive after five: one more per round."""
    (finding,) = judged(LIST, Later(5, MORE)).findings

    assert finding.growth == "growing"
    assert finding.per_round == 1.0


def test_what_more_rounds_leave_no_more_of_is_bounded():
    """A constant remainder is a finding all the same."""
    verdict = judged(LIST)

    assert [f.growth for f in verdict.findings] == ["bounded"]
    assert verdict.outcome == "leaking"


@pytest.mark.parametrize(("generations", "expected"), [((3,), "bounded"), ((2, 3), "growing")])
def test_without_a_second_pass_several_generations_are_growth(generations, expected):
    """A watched block ends with its rounds: one stale generation may be all that there ever is."""
    (finding,) = judged(LIST._replace(generations=generations), later=None).findings

    assert finding.growth == expected


def test_the_same_old_object_taken_again_is_growth():
    """A host that keeps the first version and puts it into a list at each reload has no younger generation."""
    (finding,) = judged(LIST._replace(generations=(-1,)), Later(5)).findings

    assert (finding.growth, finding.per_round) == ("growing", 1.0)


@pytest.mark.parametrize(("rounds", "items", "is_found"), [(3, 3, True), (2, 5, False), (5, 2, False)])
def test_effects_of_unknown_origin_must_come_in_most_rounds(rounds, items, is_found):
    """Other threads come and go as well; they are no leak of the target's, and a note says that they were seen."""
    verdict = judged(LIST._replace(is_certain=False, rounds=5), Later(items, frozenset(), rounds))

    assert bool(verdict.findings) is is_found
    assert bool(verdict.notes) is not is_found


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

    verdict = verdict_on(Diagnosis((), tuple(reversed(causes))))

    assert tuple(f.kind for f in verdict.findings) == kinds


def test_what_is_left_of_a_generation_that_is_gone_retains_none():
    """A descriptor stays open when all that opened it is dead: it is a finding, and no generation is said to live."""
    effect = LIST._replace(
        holder=Holder(root="fd", path="fd file /tmp/log", type="file"),
        cause=Cause("open-fd", "fd", "fd file /tmp/log", "file"),
        objects=0,
    )

    verdict = judged(effect, Later(5, MORE))

    assert (verdict.outcome, verdict.retained_generations) == ("leaking", ())
    assert verdict.reason == "5 reloads left effects behind; no old code is retained: 1 growing finding"
    alive = judged(LIST, Later(5, MORE))
    assert alive.retained_generations == LIST.generations
    assert alive.reason.startswith("5 old generations still alive after 5 reloads")
