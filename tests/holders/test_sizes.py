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


def test_what_one_holder_keeps_dies_with_it(measured):
    """The cost is the whole of what is retained, by type."""
    report = measured({"host": "kept = []\n", "plugin": "import host\ndef f(): pass\nhost.kept.append(f)\n"})

    (finding,) = report.findings
    cost = finding.cost
    assert (cost.objects, cost.bytes) == (finding.retained_objects, finding.retained_bytes)
    assert sum(part.objects for part in cost.by_type) == cost.objects
    assert sum(part.bytes for part in cost.by_type) == cost.bytes
    functions = next(part for part in cost.by_type if part.type == "function")
    assert functions.objects == len(finding.generations)


def test_what_two_holders_keep_dies_with_neither(measured):
    """Each function leads to the namespace, which has the other one: nothing dies if one holder lets go."""
    files = {
        "host": "one, two = [], []\n",
        "plugin": "import host\ndef f(): pass\ndef g(): pass\nhost.one.append(f)\nhost.two.append(g)\n",
    }

    findings = measured(files).findings

    assert [finding.cost.objects for finding in findings] == [0, 0]
    assert all(finding.retained_objects for finding in findings)
