"""`cascade` in a program of 300 modules with circles, and when a reload fails halfway through it."""

import itertools
import random
import sys

import pytest
from program import state

COUNT = 300
NAMES = [f"big.m{number:03}" for number in range(COUNT)]


def graph(seed):
    """Who imports whom: up to three before it, and here and there one after it, which closes circles."""
    chance = random.Random(seed)
    before = {
        name: set(chance.sample(NAMES[max(0, at - 12) : at], min(at, chance.randint(1, 3))))
        for at, name in enumerate(NAMES)
    }
    after = {
        name: {NAMES[min(COUNT - 1, at + chance.randint(2, 8))]} if chance.random() < 0.1 else set()
        for at, name in enumerate(NAMES)
    }
    return before, after


def sources(before, after):
    """A module takes the values of those before it, defines its own, and imports those after it in the end."""
    return {
        "big.__init__": "",
        **{
            name: "".join(
                f"from {other} import value as from_{other[4:]}\n" for other in sorted(before[name])
            )
            + "class Value: pass\nvalue = Value()\ndef f(): return value\n"
            + "".join(f"import {other} as mod_{other[4:]}\n" for other in sorted(after[name] - {name}))
            for name in NAMES
        },
    }


def dependents(edges, start):
    """All that depend on a module, and itself: by trying all edges until nothing is added."""
    found = {start}
    while True:
        more = {name for name, needs in edges.items() if needs & found} - found
        if not more:
            return found
        found |= more


def assert_bound(before, after):
    """Every importer has what its dependencies have now."""
    for name in NAMES:
        own = vars(sys.modules[name])
        assert all(own[f"from_{other[4:]}"] is sys.modules[other].value for other in before[name])
        assert all(own[f"mod_{other[4:]}"] is sys.modules[other] for other in after[name] - {name})
        assert own["f"]() is own["value"]


@pytest.fixture
def big(place):
    """The program, loaded from its first module on, as it must be; with its dependencies."""
    before, after = graph(seed=8)
    place.load(sources(before, after), *NAMES)
    assert_bound(before, after)
    return place, before, after


def test_exactly_the_closure_is_executed_in_order(big):
    """Each once a round; a module after all that it depends on, those of its own circle aside."""
    place, before, after = big
    edges = {name: before[name] | after[name] for name in NAMES}
    target = next(name for name in NAMES if 150 < len(dependents(edges, name)) < 280)
    closure = dependents(edges, target)
    original = state("big")

    report = place.measure(target)

    assert (report.outcome, report.error, report.not_reloaded) == ("clean", None, ())
    assert len(place.rounds()) >= 3
    above = {name: dependents(edges, name) for name in NAMES}
    circles = {(a, b) for a, b in itertools.permutations(NAMES, 2) if a in above[b] and b in above[a]}
    assert len(circles) > 20
    for names in place.rounds():
        assert sorted(names) == sorted(closure)
        at = {name: names.index(name) for name in names}
        pairs = [(name, other) for name in names for other in edges[name] if other in at and other != name]
        assert [p for p in pairs if at[p[1]] > at[p[0]] and p not in circles] == []
    assert state("big") == original


@pytest.mark.parametrize(("warmup", "number", "execution"), [(0, 1, 2), (1, 2, 4)])
def test_a_reload_that_fails_at_the_150th_module_puts_all_300_back(warmup, number, execution, big):
    """The same modules with the same contents, and a second check, when that module is cured, is clean."""
    place, before, after = big
    original, table = state("big"), [name for name in sys.modules if name.startswith("big")]
    assert place.measure(NAMES[0], rounds=1).outcome == "clean"
    bad = place.rounds()[0][149]
    place.log.begin, begin = failing(place.log, bad, execution), place.log.begin

    report = place.measure(NAMES[0], rounds=3, warmup=warmup)

    assert report.outcome == "error"
    assert report.error.startswith(f"round {number}: the reload raised: LookupError: {bad} is bad (")
    assert state("big") == original
    assert sorted(name for name in sys.modules if name.startswith("big")) == sorted(table)
    assert_bound(before, after)
    place.log.begin = begin
    assert place.measure(NAMES[0], rounds=1).outcome == "clean"
    assert state("big") == original


def failing(log, bad, execution):
    """A `log.begin` with which one module cannot be executed any more; the original's execution was the 1st."""
    executions = itertools.count(2)

    def begin(name):
        log.ran.append(name)
        if name == bad and next(executions) >= execution:
            raise LookupError(f"{name} is bad")

    return begin
