"""The order of removals shows both claims: one holder alone is not enough, all together are."""

from itertools import combinations

import pytest

from pytest_reloadleak.cutting.cut import Cut
from pytest_reloadleak.cutting.stages import stages


def cut(*generations, whole=False):
    """A removal that does nothing."""
    return Cut(lambda: None, frozenset(generations), whole)


def apart(count, generations):
    """Holders of which each has one reference to each generation."""
    return {n: [cut(g) for g in generations] for n in range(count)}


def kept(cuts):
    """The generations that each holder keeps."""
    return {n: set().union(*(one.generations for one in own)) for n, own in cuts.items()}


def removed(staged):
    """By stage, the generations that each holder has released."""
    return [{(number, g) for number, one in stage.cuts for g in one.generations} for stage in staged]


@pytest.mark.parametrize("count", [2, 3, 4])
def test_each_holder_is_left_alone_with_a_generation(count):
    """By then all others have released it, so each holder is shown to be needed. No generation is free too early."""
    cuts = apart(count, range(count))

    first, last = stages(cuts, kept(cuts))

    gone = {(number, g) for number, one in first.cuts for g in one.generations}
    assert sorted(first.left.values()) == list(range(count))
    for generation, stays in first.left.items():
        assert {n for n, g in gone if g == generation} == set(range(count)) - {stays}
    assert gone | {(number, g) for number, one in last.cuts for g in one.generations} == {
        (n, g) for n in range(count) for g in range(count)
    }


def test_a_holder_alone_needs_one_stage():
    """Nothing else keeps its generations, so there is nothing to show first."""
    cuts = apart(1, range(3))

    (stage,) = stages(cuts, kept(cuts))

    assert (len(stage.cuts), stage.left) == (3, {})


def test_a_reference_to_several_generations_goes_last_if_one_is_left_to_its_holder():
    """The old generations may hold one another."""
    cuts = {0: [cut(0, 1, 2)], 1: [cut(0), cut(1), cut(2)]}

    first, last = stages(cuts, kept(cuts))

    assert all(number == 1 for number, _ in first.cuts)
    assert any(number == 0 for number, _ in last.cuts)


def test_a_cache_is_cleared_between():
    """It lets go of all generations at once: the others first, where one is left to it; then it, where not."""
    cuts = {0: [cut(0), cut(1)], 1: [cut(0, whole=True), cut(1, whole=True)]}

    first, second, last = stages(cuts, kept(cuts))

    assert [number for number, _ in first.cuts] == [0]
    assert [number for number, _ in second.cuts] == [1, 1]
    assert set(second.left.values()) == {0}
    assert [number for number, _ in last.cuts] == [0]


def test_what_cannot_be_removed_stays():
    """Then each generation that it keeps is left to it, and nothing else is free."""
    cuts = {0: [cut(0), cut(1)]}

    first, *_ = stages(cuts, {0: {0, 1}, 1: {0, 1}})

    assert first.left == {0: 1, 1: 1}
    assert len(first.cuts) == 2


@pytest.mark.parametrize("size", [1, 2, 3])
def test_everything_is_removed_once(size):
    """Whatever keeps what, no removal is forgotten, and none comes twice."""
    for having in combinations([(0,), (1,), (0, 1), (0, 1, 2), (2,)], size):
        for whole in (False, True):
            cuts = {n: [cut(g, whole=whole and n == 0) for g in own] for n, own in enumerate(having)}

            done = [id(one) for stage in stages(cuts, kept(cuts)) for _, one in stage.cuts]

            assert sorted(done) == sorted(id(one) for own in cuts.values() for one in own)
