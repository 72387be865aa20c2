"""Which containers count as growing: those that are longer after each look, and longer again in the watched rounds."""

import pytest

from pytest_reloadleak.holders.container_growth import Growing


@pytest.fixture
def grown():
    """A list that two settled rounds left longer, and what watches it."""
    kept, growing = [1], Growing()
    growing.note(0)
    for item in (2, 3):
        kept.append(item)
        growing.note(1)
    return kept, growing


def candidates(growing):
    """Ids of what is looked at more closely."""
    return {id(o) for o, _ in growing.candidates()}


def test_what_each_round_left_longer_is_a_candidate(grown):
    """Its length is compared with the one before."""
    kept, growing = grown
    kept.append(4)

    growing.note_shares(1, {})

    assert id(kept) in candidates(growing)


@pytest.mark.parametrize("change", [list.pop, list.clear, len], ids=["shorter", "empty", "the same"])
def test_what_shrank_is_no_candidate_any_more(change, grown):
    """The watched rounds need not repeat what the others did: a cache may have been emptied meanwhile."""
    kept, growing = grown
    change(kept)

    growing.note_shares(1, {})

    assert id(kept) not in candidates(growing)
