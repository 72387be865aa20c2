"""Tuples within tuples, as deep as a program makes them: recursion would end the check with an error."""

import sys

import pytest

from pytest_reloadleak.heap import foreign


def nested(depth, innermost):
    """So many tuples within one another."""
    found = innermost
    for _ in range(depth):
        found = (found, 1)
    return found


@pytest.mark.parametrize(
    ("depth", "expected"), [(1, True), (900, True), (5 * sys.getrecursionlimit(), False)]
)
def test_a_chain_of_tuples_counts_as_one_value_up_to_a_length(depth, expected):
    """Beyond it the chain is an object like any other."""
    chain = nested(depth, "text")

    assert foreign.is_atom(chain) is expected
    assert foreign.is_constant(chain, lambda _: True) is expected


def test_the_innermost_object_decides():
    """However deep it is."""
    assert not foreign.is_atom(nested(900, []))
    assert foreign.is_constant(nested(900, int), lambda name: name == "target")
    assert not foreign.is_constant(nested(900, int), lambda name: name == "builtins")


def test_many_tuples_side_by_side_are_one_value():
    """A table of constants is wide, not deep."""
    table = tuple((f"name {number}", number) for number in range(20_000))

    assert foreign.is_atom(table)
    assert foreign.is_constant(table, lambda _: True)
    assert not foreign.is_atom((*table, ("last", [])))


def test_tuples_that_share_their_parts_are_read_once():
    """Otherwise each level would double the time."""
    shared = ()
    for _ in range(200):
        shared = (shared, shared)

    assert foreign.is_atom(shared)
