"""What the items of a container are and weigh, with what only they have."""

import collections
import sys
import types

import pytest
from pympler import asizeof

from pytest_reloadleak.holders.sizes import own_size, owned_together, size_bytes


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
    assert not any("reloadleak" in part.type for part in cost.by_type)


def test_what_two_holders_keep_dies_with_neither(measured):
    """Each function leads to the namespace, which has the other one: nothing dies if one holder lets go."""
    files = {
        "host": "one, two = [], []\n",
        "plugin": "import host\ndef f(): pass\ndef g(): pass\nhost.one.append(f)\nhost.two.append(g)\n",
    }

    findings = measured(files).findings

    assert [finding.cost.objects for finding in findings] == [0, 0]
    assert all(finding.retained_objects for finding in findings)


class Plain:
    def __init__(self):
        self.items = [1]


class Slotted:
    __slots__ = ("items",)


SIZED = (
    *([], [1, 2, 3], {}, {1: [2]}, {"a": 1, "b": 2}, set(), {1, 2}, frozenset({1, 2}), (), (1, 2)),
    *("", "text", "ü", b"bytes", bytearray(10), 5, 2**80, 3.5, 1j, range(3), None),
    *(Plain(), Slotted(), collections.deque([1]), lambda: 0, Plain, Plain().__init__, types, object()),
)


@pytest.mark.parametrize("at", range(len(SIZED)))
def test_sizes_are_those_of_pympler(at):
    """Where it is safe to ask it: it calls the `__sizeof__` of the object's class."""
    assert size_bytes(SIZED[at]) == asizeof.flatsize(SIZED[at])
