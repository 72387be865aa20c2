"""The parts of a check under pytest-benchmark, on a heap of 100,000 objects.

    pip install -e '.[bench]'
    pytest benchmarks/test_parts.py --benchmark-columns=min,median --benchmark-sort=name

The name is not one that the test suite collects: `testpaths` has `tests` only.
"""

from __future__ import annotations

import gc
import importlib
import sys
from functools import partial

import pytest
import scenes

from pytest_reloadleak import measure_reload
from pytest_reloadleak.effects.system.meter import Meter
from pytest_reloadleak.growth.by_type import ByType
from pytest_reloadleak.heap import settle
from pytest_reloadleak.holders import roots
from pytest_reloadleak.holders.sizes import own_size, size_bytes
from pytest_reloadleak.holders.sweep import Sweep

OBJECTS = 100_000


@pytest.fixture(scope="module", autouse=True)
def heap(tmp_path_factory):
    """Build the heap once, with the targets beside it."""
    scenes.write(tmp_path_factory.mktemp("targets"))
    for name in ("host", "small"):
        importlib.import_module(name)
    scenes.heap(OBJECTS, shuffled=False)


def test_bare_reloads(benchmark):
    """One U: what all others are compared to."""
    benchmark(scenes.unit)


def test_collection(benchmark):
    """What a settled round costs at least."""
    benchmark(gc.collect)


def test_count_of_tracked_objects(benchmark):
    """A part of each sample of a small heap."""
    benchmark(settle.tracked_count)


def test_sample(benchmark):
    """The numbers of the process at a settled round."""
    benchmark(partial(Meter().sample, 0))


def test_count_by_type(benchmark):
    """Three of them in a check that found something."""
    benchmark(lambda: ByType(1).note(0))


def test_sweep_without_a_hit(benchmark):
    """The whole heap from all roots: what a look costs at least."""

    def sweep():
        Sweep(roots.collect((), (), lambda _: False), {}, ()).close()

    benchmark(sweep)


def test_sizes(benchmark):
    """Sizes of a thousand objects, and of what they alone have."""
    objects = [[n, {n: [n]}] for n in range(1000)]
    benchmark(lambda: [size_bytes(o) for o in objects] and own_size(objects))


@pytest.mark.parametrize("name", ["small", "one_holder", "planted", "instances", "grows"])
def test_check(name, benchmark):
    """A whole check of ten rounds."""
    benchmark.pedantic(
        lambda: measure_reload(name, rounds=scenes.ROUNDS), setup=lambda: scenes.clear(name), rounds=3
    )
    assert name in sys.modules
