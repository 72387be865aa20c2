#!/usr/bin/env python3
"""What a check costs, beside what the same machine takes for the same work without one, within the same minute.

    python benchmarks/run.py                  measure on a heap of 1,000,000 tracked objects, and print a table
    python benchmarks/run.py --objects 100000 the same on a small one
    python benchmarks/run.py --check          exit with 1 if a figure is over its bound in each of three attempts

Every figure is a ratio or a difference of medians whose parts were measured in turn, as a clock alone says more of the
machine's other work than of ours. A result that is wrong is no result: what each check found is verified.
"""

from __future__ import annotations

import argparse
import compileall
import contextlib
import gc
import importlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import bigheap

from pytest_reloadleak import measure_reload
from pytest_reloadleak.effects import observe
from pytest_reloadleak.holders.diagnosis import Diagnosis, Search
from pytest_reloadleak.isolation import worker
from pytest_reloadleak.settings import Settings

ROUNDS = 10
ATTEMPTS = 3

SMALL = """
import functools
import threading

STATE = {"a": [1, 2, 3], "lock": threading.Lock()}
TABLE = {i: [i] for i in range(50)}

def handler(x):
    return STATE, x

def other(x):
    return helper(x)

def helper(x):
    return x

class Service:
    def __init__(self):
        self.items = [dict(a=i) for i in range(20)]
    def run(self):
        return self

class Plain:
    def run(self):
        return 1

@functools.lru_cache
def cached(x):
    return [x]

service = Service()
cached(1)
"""
HOLDERS = """
import functools

import bigheap

callbacks = []
registry = {}
hooks = []

class Base:
    plugins = {}

@functools.lru_cache(maxsize=None)
def resolve(function):
    return (function, 1)

class Node:
    def __init__(self, below):
        self.below = below

def wrap(function):
    def inner(*args):
        return function(*args)
    return inner

def release():
    callbacks.clear()
    registry.clear()
    hooks.clear()
    Base.plugins.clear()
    resolve.cache_clear()
    for order in bigheap.orders:
        order.notes["n"].pop("chain", None)
"""
PLANTED = """
import bigheap
import holders

number = len(holders.callbacks)
holders.callbacks.append(handler)
holders.registry.setdefault("service", {}).setdefault(number, []).append(service)
holders.hooks.append(holders.wrap(other))
holders.Base.plugins[number] = (Plain,)
holders.resolve(helper)
chain = cached
for _ in range(12):
    chain = holders.Node(chain)
bigheap.orders[len(bigheap.orders) // 2 + number].notes["n"]["chain"] = chain
del chain
"""
HELD_PER_GENERATION = 5


@dataclass(frozen=True)
class Figure:
    """One measured figure and its bound."""

    name: str
    value: float
    bound: float
    unit: str
    parts: str
    """What it was made of."""

    @property
    def fits(self) -> bool:
        """Whether it keeps its bound."""
        return self.value <= self.bound

    def row(self) -> str:
        """The table's line."""
        value, bound = (f"{number:.3g} {self.unit}" for number in (self.value, self.bound))
        return f"{self.name:<47} {value:>10} {bound:>10}  {'ok' if self.fits else 'OVER':<5} {self.parts}"


def in_turn(count: int, *actions: Callable[[], object]) -> list[list[float]]:
    """Seconds that each action took, `count` times, one after the other: a busy minute slows all of them down."""
    taken: list[list[float]] = [[] for _ in actions]
    for _ in range(count):
        for index, action in enumerate(actions):
            begun = time.perf_counter()
            action()
            taken[index].append(time.perf_counter() - begun)
    return taken


def milliseconds(taken_s: list[float]) -> str:
    """The median as text."""
    return f"{1000 * median(taken_s):.1f} ms"


# -- the figures ------------------------------------------------------------------------------------------------------


def clean_check(strategy: str, repeat: int) -> Figure:
    """A clean check of ten rounds in the process, in units of ten bare reloads and one collection."""

    def bare_reload() -> None:
        importlib.reload(sys.modules["small"])

    def bare_reimport() -> None:
        del sys.modules["small"]
        importlib.import_module("small")

    bare = {"reload": bare_reload, "reimport": bare_reimport}[strategy]

    def unit() -> None:
        for _ in range(ROUNDS):
            bare()
        gc.collect()

    def check() -> None:
        report = measure_reload("small", strategy=strategy, rounds=ROUNDS)
        require(report.outcome == "clean", f"a clean module under {strategy}: {report.reason}")

    importlib.import_module("small")
    check()  # loads what is loaded once
    units, checks = in_turn(repeat, unit, check)
    parts = f"check {milliseconds(checks)}, U {milliseconds(units)}"
    return Figure(
        f"clean check, {ROUNDS} rounds, {strategy}", median(checks) / median(units), 1.6, "U", parts
    )


class EnoughError(Exception):
    """Ends a check after its look: the traced round that follows is no part of the search."""


def all_holders(strategy: str, repeat: int) -> Figure:
    """The look that finds every holder and path of 50 retained objects, in units of one collection."""
    looks: list[float] = []
    original = observe.diagnose
    expected = tuple(range(-1, ROUNDS - 1))

    def timed(search: Search, complete: Callable[[], None]) -> Diagnosis:
        begun = time.perf_counter()
        result = original(search, complete)
        looks.append(time.perf_counter() - begun)
        complete = sum(r.generations == expected for r in result.retentions)
        require(
            complete >= HELD_PER_GENERATION,
            f"{complete} of {HELD_PER_GENERATION} holders with all generations under {strategy}",
        )
        raise EnoughError

    def check() -> None:
        holders.release()
        sys.modules.pop("planted", None)
        importlib.import_module("planted")
        with contextlib.suppress(EnoughError):
            measure_reload("planted", strategy=strategy, rounds=ROUNDS)

    holders = importlib.import_module("holders")
    observe.diagnose = timed
    try:
        _, collections = in_turn(repeat, check, gc.collect)
    finally:
        observe.diagnose = original
        holders.release()
        sys.modules.pop("planted", None)
        gc.collect()
    require(len(looks) == repeat, f"{len(looks)} looks in {repeat} checks under {strategy}")
    name = f"holders and paths of {HELD_PER_GENERATION * ROUNDS} retained, {strategy}"
    parts = f"look {milliseconds(looks)}, collection {milliseconds(collections)}"
    return Figure(name, median(looks) / median(collections), 6, "C", parts)


def isolated_check(repeat: int) -> Figure:
    """An isolated check of a small module, above the start of the bare interpreter."""

    def bare() -> None:
        subprocess.run([sys.executable, "-c", "pass"], check=True)

    def check() -> None:
        report = worker.run("small", Settings(), 60).report
        require(report.outcome == "clean", f"an isolated clean module: {report.reason}")

    # As an installer does; without it, in an editable checkout, each worker would compile the package.
    compileall.compile_dir(Path(worker.__file__).parent, quiet=1)
    check()
    starts, checks = in_turn(repeat, bare, check)
    parts = f"check {milliseconds(checks)}, interpreter {milliseconds(starts)}"
    above = 1000 * (median(checks) - median(starts))
    return Figure("isolated check above bare interpreter", above, 150, "ms", parts)


ALLOWED = {"pytest_reloadleak", "pytest_reloadleak.plugin"}
"""Of this package, what registers options."""
HEAVY = {"psutil", "objgraph", "pympler", "tracemalloc"}


def imported_without_the_flag(folder: Path) -> Figure:
    """Modules that a pytest run without the flag imports because of this plugin, and should not."""
    (folder / "test_one.py").write_text("def test_one(): pass\n")
    (folder / "conftest.py").write_text(
        "import json, sys\n"
        "def pytest_unconfigure():\n"
        "    with open('modules.json', 'w') as file:\n"
        "        json.dump(sorted(sys.modules), file)\n"
    )
    loaded = {}
    for plugin in ("reloadleak", "no:reloadleak"):
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            plugin,
            "--rootdir=.",
        ]
        environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        subprocess.run(command, cwd=folder, check=True, env=environment, stdout=subprocess.DEVNULL)
        loaded[plugin] = set(json.loads((folder / "modules.json").read_text()))
    ours = {name for name in loaded["reloadleak"] if name.startswith("pytest_reloadleak")}
    require("pytest_reloadleak.plugin" in ours, "the plugin was not loaded")
    more = loaded["reloadleak"] - loaded["no:reloadleak"]
    excess = (more & HEAVY) | (ours - ALLOWED)
    parts = f"{len(more)} more in all: {', '.join(sorted(more))}"
    if excess:
        parts = f"not due: {', '.join(sorted(excess))}"
    return Figure("modules not due without the flag", len(excess), 0, "", parts)


# -- putting it together ----------------------------------------------------------------------------------------------


def require(fact: bool, otherwise: str) -> None:
    """End the run unless what was measured was right."""
    if not fact:
        sys.exit(f"run.py: wrong result, so no figure: {otherwise}")


def figures(repeat: int, folder: Path) -> Iterator[Callable[[], Figure]]:
    """What is measured, in order; each can be measured again."""
    yield lambda: clean_check("reimport", repeat)
    yield lambda: clean_check("reload", repeat)
    yield lambda: all_holders("reimport", repeat)
    yield lambda: all_holders("reload", repeat)
    yield lambda: isolated_check(2 * repeat + 1)
    yield lambda: imported_without_the_flag(folder)


def main() -> int:
    """Measure, print, and judge if asked to."""
    parser = argparse.ArgumentParser(description="What a check costs beside bare reloads.")
    parser.add_argument("--objects", type=int, default=1_000_000, help="tracked objects of the heap")
    parser.add_argument("--repeat", type=int, default=5, help="how often each part is measured")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a bound is exceeded")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="reloadleak-bench-") as name:
        folder = Path(name)
        for module, source in {"small": SMALL, "holders": HOLDERS, "planted": SMALL + PLANTED}.items():
            (folder / f"{module}.py").write_text(source)
        sys.path.insert(0, str(folder))
        # Imported once, so that a heap of objects is all that differs from a program of that size.
        bigheap.build(arguments.objects)
        print(f"CPython {platform.python_version()}, {len(gc.get_objects()):,} tracked objects")
        print(f"{'figure':<47} {'measured':>10} {'bound':>10}")
        over = 0
        for measure in figures(arguments.repeat, folder):
            best = measure()
            for _ in range(ATTEMPTS - 1 if arguments.check else 0):
                if best.fits:
                    break
                best = min(best, measure(), key=lambda figure: figure.value)
            print(best.row(), flush=True)
            over += not best.fits
    return 1 if over and arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
