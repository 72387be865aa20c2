"""What the items of a container are and weigh, with what only they have."""

import sys

import pytest

from pytest_reloadleak.holders.sizes import own_size, owned_together


@pytest.mark.parametrize(("owners", "expected"), [(1, 6), (3, 0)])
def test_an_item_that_somebody_else_has_too_is_size_alone(owners, expected):
    """And so is what it has: a list of who is loaded does not have what those have. A second may be a sweep's list."""
    note = [[] for _ in range(5)]
    containers = [[note] for _ in range(owners)]
    size_bytes = sys.getsizeof(note) + sum(map(sys.getsizeof, note))
    del note

    assert own_size(list(containers[0])) == (expected, size_bytes)


def test_what_several_parts_of_an_item_have_is_not_counted():
    """Both numbers are lower bounds: of what has two owners it is not asked whether those are the item's."""
    part = []
    container = [[[part], [part]]]
    del part

    assert own_size(list(container))[0] == 3


@pytest.mark.parametrize(("others", "expected"), [(0, 6), (1, 0)])
@pytest.mark.parametrize("places", [1, 2, 3])
def test_an_item_in_several_containers_is_theirs_together(places, others, expected):
    """None of them has it alone, and yet it goes with them, unless somebody else has it as well."""
    note = [[] for _ in range(5)]
    containers = [[note] for _ in range(places)]
    kept = [note] * others
    del note

    assert owned_together([o for container in containers for o in container]) == expected
    assert len(kept) == others
