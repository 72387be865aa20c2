"""Arithmetic on names: who has to be reloaded with a module, and in which order, against brute force."""

import itertools
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_reloadleak.strategies.dependencies.graph import dependents, islands

NODES = [f"m{number}" for number in range(9)]
graphs = st.lists(st.tuples(st.sampled_from(NODES), st.sampled_from(NODES)), max_size=24).map(
    lambda pairs: {name: {b for a, b in pairs if a == name} for name in NODES}
)
quietly = settings(deadline=None, database=None)  # other work may be running, and no file is left
some = st.lists(st.sampled_from(NODES), unique=True)


def reached(edges, start):
    """What can be reached from a module, itself included: by trying all edges until nothing is added."""
    found = {start}
    while True:
        more = {needed for name in found for needed in edges.get(name, ())} - found
        if not more:
            return found
        found |= more


def never(*_):
    """Nobody takes an update by itself."""
    return False


# -- who ------------------------------------------------------------------------------------------------------------


@quietly
@given(graphs, some)
def test_the_closure_is_what_reaches_the_changed_ones(edges, start):
    """A module has to be reloaded exactly if it depends on a changed one, directly or not."""
    closure = dependents(edges, start, never)

    assert set(closure) == {name for name in NODES if reached(edges, name) & set(start)} - set(start)


@quietly
@given(graphs, some)
def test_each_is_told_with_one_that_it_depends_on(edges, start):
    """The one through which a module was reached is a direct dependency of it, and is itself reloaded."""
    closure = dependents(edges, start, never)

    assert all(through in edges[name] for name, through in closure.items())
    assert set(closure.values()) <= {*closure, *start}


@quietly
@given(graphs, some, st.sets(st.tuples(st.sampled_from(NODES), st.sampled_from(NODES))))
def test_the_climb_stops_where_an_update_is_taken(edges, start, taken):
    """A module that takes an update of another is as if it did not depend on that one; of others it still does."""
    closure = dependents(edges, start, lambda name, changed: (name, changed) in taken)

    left = {
        name: {needed for needed in needs if (name, needed) not in taken} for name, needs in edges.items()
    }
    assert set(closure) == {name for name in NODES if reached(left, name) & set(start)} - set(start)


@quietly
@given(graphs, some)
def test_only_who_depends_is_asked_whether_it_takes_the_update(edges, start):
    """`stops` is asked with a module and a changed one that it depends on, never for what has changed itself."""
    asked = []

    dependents(edges, start, lambda *pair: bool(asked.append(pair)))

    assert all(changed in edges[name] and name not in start for name, changed in asked)


def test_a_chain_is_climbed_to_its_top():
    """From `c` in a -> b -> c, with the module through which each was reached."""
    assert dependents({"a": ["b"], "b": ["c"], "c": []}, ["c"], never) == {"b": "c", "a": "b"}


def test_one_accepting_path_does_not_stop_another():
    """`top` takes updates of `left`, and is reached through `right` all the same."""
    edges = {"left": ["base"], "right": ["base"], "top": ["left", "right"]}

    assert dependents(edges, ["base"], lambda *pair: pair == ("top", "left")) == {
        "left": "base",
        "right": "base",
        "top": "right",
    }


@pytest.mark.parametrize("start", [[], ["elsewhere"]])
def test_what_nobody_depends_on_takes_nobody_along(start):
    """Nothing that changed, or a name that is in no edge."""
    assert dependents({"a": ["b"], "b": ["a"]}, start, never) == {}


# -- in which order -------------------------------------------------------------------------------------------------


@quietly
@given(graphs, some)
def test_islands_are_the_circles(edges, names):
    """Two modules are in one island exactly if each reaches the other through the given ones; none is lost or twice."""
    inner = {name: edges[name] & set(names) for name in names}

    out = islands(names, edges)

    assert sorted(name for island in out for name in island) == sorted(names)
    whole = {frozenset(b for b in names if b in reached(inner, a) and a in reached(inner, b)) for a in names}
    assert {frozenset(island) for island in out} == whole


@quietly
@given(graphs, some)
def test_an_island_comes_after_those_it_depends_on(edges, names):
    """All that the modules of an island need is in it or before it."""
    before = set()
    for island in islands(names, edges):
        before |= set(island)
        needed = {needed for name in island for needed in edges[name]} & set(names)
        assert needed <= before


@quietly
@given(graphs, some)
def test_members_are_in_the_given_order(edges, names):
    """Within an island nothing else decides."""
    assert all(island == sorted(island, key=names.index) for island in islands(names, edges))


@quietly
@given(some)
def test_without_dependencies_the_given_order_stays(names):
    """Where dependencies leave it open the order of the names decides."""
    assert islands(names, {}) == [[name] for name in names]


@quietly
@given(graphs, some, st.randoms(use_true_random=False))
def test_the_order_of_the_edges_does_not_matter(edges, names, random):
    """The same graph gives the same islands, however its sets happen to be ordered."""
    shuffled = {name: random.sample(sorted(needs), len(needs)) for name, needs in edges.items()}

    assert islands(names, shuffled) == islands(names, edges)


@pytest.mark.parametrize(
    ("names", "edges", "expected"),
    [
        (["a", "b", "c"], {"a": ["b"], "b": ["c"]}, [["c"], ["b"], ["a"]]),
        (["a", "b"], {"a": ["a", "b"], "b": ["a"]}, [["a", "b"]]),
        (["a"], {"a": ["a"]}, [["a"]]),
        (
            ["top", "p", "q", "base"],
            {"top": ["p"], "p": ["q"], "q": ["p", "base"]},
            [["base"], ["p", "q"], ["top"]],
        ),
        (["a", "c"], {"a": ["b"], "b": ["c"], "c": []}, [["a"], ["c"]]),
        ([], {"a": ["b"]}, []),
    ],
    ids=["chain", "circle", "itself", "circle within", "through a module beside", "nothing"],
)
def test_examples_of_islands(names, edges, expected):
    """Modules beside the given ones are passed over, also as a bridge between two of them."""
    assert islands(names, edges) == expected


@pytest.mark.parametrize("is_circle", [False, True])
def test_a_long_chain_needs_no_stack_and_no_patience(is_circle):
    """Twenty thousand modules in a row, closed to a circle or not: no recursion, and no time to speak of."""
    names = [f"m{number}" for number in range(20_000)]
    edges = {name: [after] for name, after in itertools.pairwise(names)}
    if is_circle:
        edges[names[-1]] = [names[0]]
    begun_s = time.process_time()

    out = islands(names, edges)
    closure = dependents(edges, names[-1:], never)

    assert out == ([names] if is_circle else [[name] for name in reversed(names)])
    assert list(closure) == names[-2::-1]
    assert time.process_time() - begun_s < 5
