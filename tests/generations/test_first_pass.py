"""What one look after the second pass tells of the first, by birthdays and by what was alive at the time."""

from __future__ import annotations

import pytest

from pytest_reloadleak.generations.first_pass import FirstPass

ROUNDS = 5
LIMIT = 9
"""Generations before this one are judged after the second pass of five rounds; 4 was the limit after the first."""


def known(*alive: int, effects=()) -> FirstPass:
    """A first pass of five rounds after which some generations were alive."""
    return FirstPass(first=-1, current=5, limit=4, alive=frozenset(alive), effects=dict(effects))


def share(first_pass: FirstPass, now, gone=(), cause=None):
    """What a holder of some generations had after the first pass."""
    return first_pass.share(now, LIMIT, gone, cause)


ALL = (-1, 0, 1, 2, 3)


@pytest.mark.parametrize(
    ("alive", "now", "gone", "expected"),
    [
        pytest.param(ALL, range(-1, 9), (), {g: g for g in ALL}, id="each round adds one"),
        pytest.param((-1,), [-1], (), {-1: -1}, id="one stale generation"),
        pytest.param(ALL, [0, 2, 4, 6, 8], (), {0: 0, 2: 2}, id="every other round adds one"),
        pytest.param((3,), [8], (3,), {8: 3}, id="always the last one that counts"),
        pytest.param((2, 3), [7, 8], (2, 3), {7: 2, 8: 3}, id="the last four"),
        pytest.param(ALL, range(3, 9), (-1, 0, 1, 2), {g: g - 5 for g in range(4, 9)}, id="the last eight"),
        pytest.param(ALL, [7, 8], (), {7: 2, 8: 3}, id="the last four, beside a holder of all"),
        pytest.param(
            ALL, range(9), (), {g: g for g in ALL[1:]}, id="all since the warm-up, beside one of -1"
        ),
        pytest.param((-1,), [8], (), None, id="a thread that has not ended yet"),
    ],
)
def test_what_a_holder_had_after_the_first_pass(alive, now, gone, expected):
    """Keys are the generations of now, values those that the report tells; what is missing was added since."""
    assert share(known(*alive), now, gone) == expected


def test_an_effect_is_compared_with_effects_of_its_cause():
    """While a leak keeps all generations alive, that proves nothing for a thread that was not there."""
    first_pass = known(*ALL, effects={"timer": frozenset({3})})

    assert share(first_pass, [8], (3,), "timer") == {8: 3}
    assert share(first_pass, [8], (), "thread") is None


def test_only_what_has_no_counterpart_may_still_die():
    """Settling after the second pass waits for nothing that did not die when it was waited for before."""
    assert [g for g in range(-1, 9) if known(-1, 3).is_new(g, LIMIT)] == [0, 1, 2, 5, 6, 7]
    assert not any(known(*ALL).is_new(g, LIMIT) for g in range(-1, 9))
