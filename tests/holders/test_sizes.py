"""What the items of a container are and weigh, with what only they have."""

import sys

import pytest

from pytest_reloadleak.holders.sizes import own_size


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
