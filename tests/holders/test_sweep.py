"""The sweep: every holder of every sink, each by a shortest path, checked against brute force on random graphs."""

import collections
import gc
import importlib
import itertools
import random
import sys
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

from pytest_reloadleak.holders.sweep import SLICE, Arrival, Root, Sweep

pytestmark = pytest.mark.usefixtures("levels")


def root(value: object, name: str = "r") -> Root:
    """A root of the tests' own."""
    return Root("test", f"root {name}", name, value)


def sweep_of(roots: Sequence[Any], *sinks: object, skip: Iterable[object] = ()) -> Sweep:
    """A sweep from one group of values."""
    group = [root(value, str(at)) for at, value in enumerate(roots)]
    return Sweep([group], {id(sink): sink for sink in sinks}, map(id, skip))


def spelled(arrivals: Iterable[Arrival], names: dict[int, str]) -> set[tuple[str, ...]]:
    """Paths as names, to be compared as values."""
    return {tuple(names[id(o)] for o in arrival.path) for arrival in arrivals}


class Graph:
    """A random graph of lists and dicts: nodes that the collector tracks and that lead nowhere else.

    `edges` is what the test knows; `nodes` is what the collector sees. Node 0 is the first root.
    """

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        size = rng.choice([2, 5, 12, 40, 200, 600])
        self.nodes: list[Any] = [[] if rng.random() < 0.6 else {} for _ in range(size)]
        self.edges: list[list[int]] = [[] for _ in range(size)]
        for at, node in enumerate(self.nodes):
            degree = (
                rng.choice([0, 1, 1, 2, 3, 5]) if rng.random() < 0.97 else min(size, rng.randrange(1, 150))
            )
            self.edges[at] = [rng.randrange(size) for _ in range(degree)]
            for number, to in enumerate(self.edges[at]):
                if type(node) is list:
                    node.append(self.nodes[to])
                else:
                    node[number] = self.nodes[to]
            if type(node) is dict:
                node[
                    "tracked"
                ] = []  # a dict of nothing is not tracked by the collector, and could not be a sink
        picked = rng.sample(range(size), k=min(size, rng.randrange(1, 8)))
        cut = rng.randrange(1, len(picked) + 1)
        self.groups = [group for group in (picked[:cut], picked[cut:]) if group]
        self.sinks = set(rng.sample(range(size), k=max(1, size // rng.choice([2, 5, 20]))))
        self.skipped = set(rng.sample(range(size), k=rng.choice([0, 0, 1, size // 10]))) - self.sinks

    def sweep(self, is_enough: Callable[[set[int]], bool] = lambda _: False) -> Sweep:
        """The sweep under test."""
        groups = [[root(self.nodes[at], f"{at}") for at in group] for group in self.groups]
        sinks = {id(self.nodes[at]): self.nodes[at] for at in self.sinks}
        return Sweep(groups, sinks, [id(self.nodes[at]) for at in self.skipped], is_enough=is_enough)

    def distances(self) -> dict[int, int]:
        """Brute force: distance of each entered node from the roots of the group that reaches it first."""
        seen: dict[int, int] = {}
        for group in self.groups:
            layer = {at for at in group if self.enters(at, seen)}
            distance = 0
            while layer:
                seen.update(dict.fromkeys(layer, distance))
                layer = {to for at in layer for to in self.edges[at] if self.enters(to, seen)}
                distance += 1
        return seen

    def enters(self, at: int, seen: dict[int, int]) -> bool:
        """Whether the sweep may enter a node."""
        return at not in seen and at not in self.sinks and at not in self.skipped


@pytest.mark.parametrize("block", range(10))
def test_all_holders_and_shortest_paths_on_random_graphs(block):
    """Every reference from an entered node to a sink is an arrival, once, and its path is valid and shortest."""
    for seed in range(block * 30, block * 30 + 30):
        graph = Graph(seed)
        distances = graph.distances()
        number = {id(node): at for at, node in enumerate(graph.nodes)}
        expected = {(at, to) for at in distances for to in graph.edges[at] if to in graph.sinks}
        at_root = [at for group in graph.groups for at in group if at in graph.sinks]

        sweep = graph.sweep()
        arrivals = sweep.arrivals()

        direct = [number[id(a.path[0])] for a in arrivals if len(a.path) == 1]
        assert direct == at_root, seed
        longer = [[number[id(o)] for o in a.path] for a in arrivals if len(a.path) > 1]
        assert len(longer) == len(expected), seed
        assert {(path[-2], path[-1]) for path in longer} == expected, seed
        for arrival, path in zip([a for a in arrivals if len(a.path) > 1], longer, strict=True):
            assert arrival.root.value is graph.nodes[path[0]], seed
            assert all(to in graph.edges[at] for at, to in itertools.pairwise(path)), seed
            assert not graph.sinks.intersection(path[:-1]), seed
            assert not graph.skipped.intersection(path[:-1]), seed
            assert len(path) - 2 == distances[path[-2]], seed
        assert {number[id(o)] for o in sweep.entered() if id(o) in number} == set(distances), seed
        sweep.close()


def test_a_sweep_for_one_arrival_each_finds_the_same_first_one_earlier():
    """It is what the whole sweep finds first, by the same path; some sweeps end before they have entered everything."""
    ended_early = 0
    for seed in range(100):
        graph = Graph(seed)
        whole, early = graph.sweep(), graph.sweep({id(graph.nodes[at]) for at in graph.sinks}.issubset)

        first: dict[int, list[int]] = {}
        for found in (whole.arrivals(), early.arrivals()):
            paths: dict[int, list[int]] = {}
            for arrival in found:
                paths.setdefault(id(arrival.path[-1]), list(map(id, arrival.path)))
            assert paths == first or not first, seed
            first = paths
        ended_early += len(list(early.entered())) < len(list(whole.entered()))
        whole.close()
        early.close()
    assert ended_early > 10


def test_the_random_graphs_are_worth_something():
    """Among them are levels of several slices, several groups, skipped nodes, long paths and roots that are sinks."""
    graphs = [Graph(seed) for seed in range(300)]
    distances = [graph.distances() for graph in graphs]
    widths = [max(collections.Counter(d.values()).values(), default=0) for d in distances]

    assert max(widths) > 2 * SLICE
    assert max(max(d.values(), default=0) for d in distances) >= 8
    assert sum(1 for g in graphs if len(g.groups) > 1) > 50
    assert sum(1 for g in graphs if g.skipped) > 50
    assert sum(1 for g in graphs for group in g.groups if g.sinks.intersection(group)) > 50


@pytest.mark.parametrize("width", [1, SLICE - 1, SLICE, SLICE + 1, 5 * SLICE])
def test_holders_at_the_edges_of_a_slice(width):
    """First and last object of a slice: each of many holders of one sink is found, by its own path."""
    sink: list[Any] = []
    holders = [[sink] for _ in range(width)]
    top = [[holder] for holder in holders]

    arrivals = sweep_of([top], sink).arrivals()

    assert len(arrivals) == width
    assert {id(a.path[-2]) for a in arrivals} == set(map(id, holders))
    assert all(a.path[0] is top and a.path[1][0] is a.path[2] for a in arrivals)


def test_one_holder_of_many_sinks():
    """One object that holds a thousand of them is a thousand arrivals in order."""
    sinks = [[number] for number in range(1000)]

    arrivals = sweep_of([[sinks]], *sinks).arrivals()

    assert len(arrivals) == 1000
    assert {id(a.path[-1]) for a in arrivals} == set(map(id, sinks))


def test_a_holder_that_holds_a_sink_twice_is_one_arrival():
    """The holder and the sink are what counts."""
    sink: list[Any] = []

    assert len(sweep_of([[sink, sink]], sink).arrivals()) == 1


def test_sinks_are_not_entered():
    """What is reached through a sink only is not reached, and a sink behind a sink has no holder of its own."""
    beyond: list[Any] = []
    behind = [beyond]
    sink = [behind]

    sweep = sweep_of([[sink]], sink, behind)

    assert spelled(sweep.arrivals(), {id(sweep.roots[0].value): "top", id(sink): "sink"}) == {("top", "sink")}
    assert id(beyond) not in sweep.seen
    assert id(sink) not in sweep.seen


def test_what_is_skipped_is_not_entered():
    """The tool's own objects are no holders and no way."""
    sink: list[Any] = []
    mine = [sink]
    through = [mine]

    assert sweep_of([through], sink, skip=[mine]).arrivals() == []


def test_a_later_group_finds_only_what_the_earlier_ones_did_not():
    """So a path by the locals of a frame is told only where there is no better one."""
    sink: list[Any] = []
    both, only_second = [sink], [sink]
    first, second = root([both], "first"), root([both, only_second], "second")

    arrivals = Sweep([[first], [second]], {id(sink): sink}, ()).arrivals()

    assert [(a.root.path, a.path[-2] is both) for a in arrivals] == [("first", True), ("second", False)]


def test_a_shorter_path_in_a_later_group_does_not_replace_a_longer_one():
    """The groups are in the order in which a reader would want to hear of them."""
    sink: list[Any] = []
    holder = [sink]
    far, near = root([[[holder]]], "far"), root(holder, "near")

    (arrival,) = Sweep([[far], [near]], {id(sink): sink}, ()).arrivals()

    assert arrival.root.path == "far"
    assert len(arrival.path) == 5


def test_a_root_that_is_a_sink_is_an_arrival_of_its_own():
    """A module in the module table, or a local that is the old object itself: the path has one object."""
    sink: list[Any] = []

    arrivals = Sweep([[root(sink, "a"), root(sink, "b"), root([sink], "c")]], {id(sink): sink}, ()).arrivals()

    assert [(a.root.path, len(a.path)) for a in arrivals] == [("a", 1), ("b", 1), ("c", 2)]


def test_the_same_value_under_two_roots_is_told_by_the_first():
    """Two names of one module."""
    sink: list[Any] = []
    value = [sink]

    (arrival,) = Sweep([[root(value, "a"), root(value, "b")]], {id(sink): sink}, ()).arrivals()

    assert arrival.root.path == "a"


def test_arrivals_are_in_order_of_distance():
    """The nearest holder is told first."""
    sink: list[Any] = []
    near = [[[[sink]]], [[sink]], [sink]]

    lengths = [len(a.path) for a in sweep_of([near], sink).arrivals()]

    assert lengths == sorted(lengths)
    assert lengths == [3, 4, 5]


def test_a_deep_chain_is_no_recursion():
    """A hundred thousand levels, one object each."""
    sink: list[Any] = []
    chain: list[Any] = [sink]
    for _ in range(100_000):
        chain = [chain]

    (arrival,) = sweep_of([chain], sink).arrivals()

    assert len(arrival.path) == 100_002
    del arrival
    while chain and chain is not sink:  # taken apart level by level: its deallocation would be recursive
        chain = chain.pop()


def test_circles_end():
    """Objects that refer to themselves and to one another are entered once."""
    sink: list[Any] = []
    one: list[Any] = [sink]
    two: list[Any] = [one]
    one += [two, one]
    try:
        assert [len(a.path) for a in sweep_of([one], sink).arrivals()] == [2]
    finally:
        one.clear()


def test_no_sinks_and_no_roots():
    """Nothing to find is no error."""
    assert sweep_of([[1, [2]]]).arrivals() == []
    assert Sweep([], {}, ()).arrivals() == []
    assert Sweep([[], []], {}, ()).arrivals() == []


def test_what_is_not_tracked_leads_to_what_is_not():
    """A tuple of nothing that the collector tracks is not tracked itself, and holds a sentinel nonetheless."""
    sink = object()
    pair, nested = (sink, 1), ((sink, "a"), None)
    top = [pair, [nested]]
    gc.collect()

    arrivals = sweep_of([top], sink).arrivals()

    assert not gc.is_tracked(pair)
    assert {id(a.path[-2]) for a in arrivals} == {id(pair), id(nested[0])}
    assert [len(a.path) for a in arrivals] == [3, 5]


def test_what_is_not_tracked_is_found_behind_a_sink_that_is_none():
    """As what is tracked is."""
    sink = object()
    none = [sink, [(sink, 1)]]
    sweep = sweep_of([[none]], sink, none)

    sweep.enter(sweep.arrivals())

    assert [len(a.path) for a in sweep.arrivals()] == [3, 5]


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_as_before(enabled):
    """It is off while the sweep runs, whose own lists would set it off, and afterwards what it was."""
    was = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        sweep_of([[[]]])
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if was else gc.disable)()


def test_no_sweep_enters_what_must_not_be_asked():
    """Not even one that nobody told what to leave out: a deque leads to its class, and that to the whole process.

    On 3.12 a sweep that enters `_asyncio` puts dead objects into its free list again, and a later collection may turn
    in a circle: this file's own sweeps did that, in one order of the tests.
    """
    importlib.import_module("asyncio")
    module = sys.modules["_asyncio"]
    sink: list[Any] = []

    sweep = sweep_of([[module, [sink]], sys.modules], sink)

    entered = set(map(id, sweep.entered()))
    assert id(module) not in entered
    assert id(vars(sys)) in entered
    assert len(sweep.arrivals()) == 1


def test_a_closed_sweep_holds_nothing():
    """After `close` the objects that it saw die as they would have without it."""
    sink: Any = collections.deque()
    holder: Any = collections.deque([sink])
    died = [weakref.ref(sink), weakref.ref(holder)]
    sweep = sweep_of([holder], sink)
    arrivals = sweep.arrivals()

    sweep.close()
    del sink, holder, arrivals

    assert [reference() for reference in died] == [None, None]
    assert sweep.roots == []


def test_the_sweep_does_not_find_itself():
    """Its own tables hold every object that it saw; none of them is a holder, even where it is reachable itself."""
    sink: list[Any] = []
    stage: list[Any] = [[sink]]
    sweep = sweep_of([stage], sink)
    stage.append(sweep)

    again = sweep_of([stage], sink, skip=[sweep])

    assert len(again.arrivals()) == 1
    assert id(sweep.levels) in sweep.own_ids()
    stage.clear()


def test_no_object_is_asked_anything():
    """Neither `__eq__` nor `__hash__` nor anything else of the objects that are swept, sinks included."""

    class Trouble:
        __slots__ = ("item",)

        def __eq__(self, other):
            raise RuntimeError("__eq__")

        def __hash__(self):
            raise RuntimeError("__hash__")

        def __bool__(self):
            raise RuntimeError("__bool__")

        def __getattribute__(self, name):
            raise RuntimeError(name)

    sink, holder = Trouble(), Trouble()
    Trouble.item.__set__(holder, sink)

    sweep = sweep_of([[holder]], sink, skip=[Trouble])

    assert [len(a.path) for a in sweep.arrivals()] == [3]
    assert id(holder) in sweep.seen


@pytest.mark.parametrize("gone", ["the reference to the holder", "the reference to the sink"])
def test_a_heap_that_changes_meanwhile_is_survived(gone):
    """Another thread may let go of anything between the sweep and the question who holds: that one is left out."""
    sink: list[Any] = []
    holder, other = [sink], [sink]
    above = [holder]
    top = [above, [other]]
    sweep = sweep_of([top], sink)

    (above if gone == "the reference to the holder" else holder).clear()
    arrivals = sweep.arrivals()

    assert [a.path[-2] is other for a in arrivals if len(a.path) == 4].count(True) == 1
    assert all(a.path[-2] is not holder for a in arrivals)
