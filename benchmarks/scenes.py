"""The reload checks that the benchmarks measure: modules that are written, the heap around them, and the bare reloads.

A figure's unit is U: ten bare reloads and one collection on the same heap, measured in turn with what is compared.
"""

from __future__ import annotations

import gc
import importlib
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import bigheap

ROUNDS = 10
HOST = """
callbacks, registry, hooks, nodes, data, instances = [], {}, [], [], [], []

class Base:
    plugins = {}

class Node:
    def __init__(self, below):
        self.below = below

def wrap(function):
    def inner(*args):
        return function(*args)
    return inner

def release():
    for kept in (callbacks, registry, hooks, nodes, data, instances, Base.plugins):
        kept.clear()
"""
CODE = """
import host

STATE = {"a": [1, 2, 3]}
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

class Plain:
    def run(self):
        return 1

service = Service()
"""
FIVE_HOLDERS = """
number = len(host.callbacks)
host.callbacks.append(handler)
host.registry.setdefault("service", {}).setdefault(number, []).append(service)
host.hooks.append(host.wrap(other))
host.Base.plugins[number] = (Plain,)
chain = helper
for _ in range(12):
    chain = host.Node(chain)
host.nodes.append(chain)
del chain
"""
INSTANCES = "if not host.instances: host.instances += [Plain() for _ in range(2000)]\n"
GROWTH = "host.data += [[n] for n in range(100)]\n"
TARGETS = {
    "small": CODE,
    "planted": CODE + FIVE_HOLDERS,
    "one_holder": CODE + "host.callbacks.append(handler)\n",
    "instances": CODE + INSTANCES,
    "grows": CODE + GROWTH,
}


def functions(count: int) -> str:
    """A target with so many functions, one of which leaks."""
    return "import host\n" + "".join(f"def f{n}(a, b=1):\n    return a, b\n" for n in range(count)) + LEAK


def leaks(count: int) -> str:
    """A target that leaks through so many lists in each round."""
    lines = [f"host.registry.setdefault('list{n}', []).append(handler)\n" for n in range(count)]
    return CODE + "".join(lines)


LEAK = "host.callbacks.append(f0)\n"


def write(folder: Path, targets: dict[str, str] = TARGETS) -> None:
    """Write the host and the targets, and make them importable."""
    for name, source in {"host": HOST, **targets}.items():
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    importlib.invalidate_caches()


def clear(name: str) -> None:
    """Let go of all that earlier checks of a target left."""
    host = sys.modules.get("host")
    if host is not None:
        host.release()
    sys.modules.pop(name, None)
    gc.collect()
    importlib.import_module(name)


def reloads(name: str, count: int = ROUNDS) -> None:
    """Bare reloads of a target, as the strategy `reimport` does them."""
    for _ in range(count):
        del sys.modules[name]
        importlib.import_module(name)


def unit() -> None:
    """One U."""
    reloads("small")
    gc.collect()


def heap(objects: int, *, shuffled: bool) -> int:
    """Build a heap, in the order of its creation or shuffled; returns how many objects there are."""
    bigheap.build(objects)
    if shuffled:
        shuffle()
    return len(gc.get_objects())


def shuffle() -> None:
    """Make the parts of the heap anew in a random order, so that neighbours in the graph are none in memory."""
    choose = random.Random(2)
    gc.disable()
    for order in choose.sample(bigheap.orders, len(bigheap.orders)):
        order.notes = {"k": list(order.notes["k"]), "n": dict(order.notes["n"])}
        order.lines = [bigheap.Line(line.sku, line.quantity, order) for line in order.lines]
        order.callback = _callback(order)
    gc.enable()
    gc.collect()


def _callback(order: bigheap.Order) -> Callable[[], object]:
    return lambda: (order.number, order)


def in_turn(
    count: int, actions: Sequence[Callable[[], object]], before: Callable[[], object]
) -> list[list[float]]:
    """Seconds of processor time that each action took, `count` times in turn: a busy minute slows all of them down.

    Args:
        count: how often.
        actions: what is measured.
        before: called before each, and not measured.
    """
    taken: list[list[float]] = [[] for _ in actions]
    for _ in range(count):
        for index, action in enumerate(actions):
            before()
            begun = time.process_time()
            action()
            taken[index].append(time.process_time() - begun)
    return taken


def ratio(
    count: int, action: Callable[[], object], name: str, rounds: int = ROUNDS
) -> tuple[float, float, float]:
    """An action in U, with the medians of both in seconds.

    Args:
        count: how often both are measured.
        action: what is measured.
        name: the target, which is put back before.
        rounds: how many reloads the U has.
    """

    def own_unit() -> None:
        reloads("small", rounds)
        gc.collect()

    actions, units = in_turn(count, [action, own_unit], lambda: clear(name))
    return median(actions) / median(units), median(actions), median(units)
