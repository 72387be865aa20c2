"""Random heaps of every kind of object, drawn by hypothesis as plain values and built from them.

A heap is closed: its classes are its own and its functions have namespaces of their own without builtins, so what one
reaches from its nodes are its nodes, what they consist of, and nothing else of the process.
"""

from __future__ import annotations

import gc
import os
import random
import types
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("RELOADLEAK_EXAMPLES", "50"))
"""Heaps per test. The same ones in each run; more of them begin with others."""

seeded = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def _bare(x: Any = None) -> Any:
    return x


def _closing(x: Any) -> Any:
    return lambda: x


def _suspended(x: Any) -> Any:
    yield x


_INNER = next(c for c in _closing.__code__.co_consts if type(c) is types.CodeType)


def _function(name: str = "f") -> types.FunctionType:
    return types.FunctionType(_bare.__code__, {"__builtins__": {}}, name)


def _instance(body: dict[str, Any]) -> Any:
    """An instance of a class of its own."""
    return type("Class", (), body)()


def _into_list(node: Any, to: Any, _: int) -> None:
    list.append(node, to)


def _into_dict(node: Any, to: Any, at: int) -> None:
    node[f"k{at}"] = to


def _into_either(node: Any, to: Any, at: int) -> None:
    if _is_key(to):
        node[to] = at
    else:
        node[at] = to


def _into_set(node: Any, to: Any, _: int) -> None:
    if _is_key(to):
        node.add(to)


def _into_attribute(node: Any, to: Any, at: int) -> None:
    setattr(node, f"a{at}", to)


def _into_slot(node: Any, to: Any, at: int) -> None:
    setattr(node, f"s{at % 3}", to)


def _into_globals(node: Any, to: Any, at: int) -> None:
    node.__globals__[f"g{at}"] = to


def _into_function(node: Any, to: Any, at: int) -> None:
    if at % 3 == 0:
        node.__defaults__ = (*(node.__defaults__ or ()), to)
    elif at % 3 == 1:
        node.__kwdefaults__ = {**(node.__kwdefaults__ or {}), f"k{at}": to}
    else:
        setattr(node, f"a{at}", to)


def _into_cell(node: Any, to: Any, _: int) -> None:
    node.cell_contents = to


def _is_key(o: object) -> bool:
    """Whether `o` can be a key and is equal to itself alone."""
    return type(o).__hash__ is object.__hash__


def _generator(o: Any) -> Any:
    generator = types.FunctionType(_suspended.__code__, {"__builtins__": {}})(o)
    next(generator)
    return generator


MUTABLE: dict[str, tuple[Callable[[], Any], Callable[[Any, Any, int], None]]] = {
    "list": (list, _into_list),
    "dict": (dict, _into_dict),
    "dict of keys": (dict, _into_either),
    "set": (set, _into_set),
    "instance": (lambda: _instance({}), _into_attribute),
    "slots": (lambda: _instance({"__slots__": ("s0", "s1", "s2")}), _into_slot),
    "class": (lambda: type("Class", (), {}), _into_attribute),
    "module": (lambda: types.ModuleType("module"), _into_attribute),
    "globals": (_function, _into_globals),
    "function": (_function, _into_function),
    "cell": (lambda: types.CellType(None), _into_cell),
}
"""Kinds of nodes that can refer to any other, by how one is made and how a reference is put into it."""

FIXED: dict[str, Callable[[list[Any]], Any]] = {
    "tuple": lambda held: tuple(held) or (object(),),  # the empty ones are one object
    "frozenset": lambda held: frozenset(filter(_is_key, held)) or frozenset({object()}),
    "method": lambda held: types.MethodType(_function("method"), held),
    "closure": lambda held: types.FunctionType(
        _INNER, {"__builtins__": {}}, "closure", None, (types.CellType(held),)
    ),
    "generator": _generator,
    "property": lambda held: property(*held[:3]),
    "static method": lambda held: staticmethod(held[0] if held else None),
    "iterator": iter,
    "builtin method": lambda held: held.append,
    "proxy": lambda held: types.MappingProxyType(dict(enumerate(held))),
    "callback": lambda held: weakref.ref(_bare, held[0] if held else int),
    "weak": lambda held: [weakref.ref(o) for o in held if type(o) in {types.FunctionType, set}],
    "object": lambda held: object(),  # noqa: ARG005 - the next ones lead nowhere, and up to 3.13 are not tracked
    "atoms": lambda held: {"a": 1},  # noqa: ARG005
    "no slots": lambda held: _instance({"__slots__": ()}),  # noqa: ARG005
}
"""Kinds of nodes that are made from what they refer to, which must be there before."""

KINDS = (*MUTABLE, *FIXED)


@dataclass(frozen=True)
class Plan:
    """A heap in numbers: nodes are named by their position."""

    kinds: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]
    groups: tuple[tuple[int, ...], ...]
    """Roots."""
    sinks: tuple[tuple[int, int], ...]
    """Nodes with the generation that each was born in."""
    skipped: frozenset[int]
    barred: frozenset[int]
    """Roots that no other root enters."""
    is_collected: bool
    """Whether a collection runs before anybody looks: it stops tracking tuples of what is not tracked."""


_FLAT = (("list", "tuple", "dict", "object", "atoms"), ("list", "tuple", "object"))
"""Heaps of which much is not tracked after a collection; of dicts only up to 3.13."""


def plan_of(seed: int, size: int) -> Plan:
    """The plan of a seed; hypothesis looks for the smallest size and seed that fail."""
    rng = random.Random(seed)
    among = rng.choice([KINDS, KINDS, *_FLAT])
    kinds = tuple(rng.choice(among) for _ in range(size))
    count = round(size * rng.choice([1, 1.5, 2, 5]))
    edges = tuple((rng.randrange(size), rng.randrange(size)) for _ in range(count))
    order = rng.sample(range(size), size)
    roots, rest = order[: rng.randint(1, min(size, 7))], []
    rest = order[len(roots) :]
    cut = rng.randint(1, len(roots))
    sinks = rest[: rng.randint(1, max(1, len(rest) // rng.choice([1, 2, 5])))]
    skipped = rest[len(sinks) :][: rng.choice([0, 0, 1, size // 10])]
    barred = set(rng.sample(roots, min(len(roots), rng.choice([0, 0, 1, 2]))))
    if rng.random() < 0.2:
        sinks.append(roots[-1])
    return Plan(
        kinds=kinds,
        edges=edges,
        groups=(tuple(roots[:cut]), tuple(roots[cut:])),
        sinks=tuple((at, rng.randrange(4)) for at in sinks),
        skipped=frozenset(skipped),
        barred=frozenset(barred.difference(sinks)),
        is_collected=rng.random() < 0.5 or among is not KINDS,
    )


plans = st.builds(plan_of, st.integers(0, 2**32), st.one_of(st.integers(2, 40), st.sampled_from([80, 200])))


class Heap:
    """The objects of a plan. Until it is closed no collection runs but its own, which would change what is tracked."""

    def __init__(self, plan: Plan) -> None:
        self._was_enabled = gc.isenabled()
        gc.disable()
        self.plan = plan
        self.nodes: list[Any] = []
        for at, kind in enumerate(plan.kinds):
            if kind in MUTABLE:
                self.nodes.append(MUTABLE[kind][0]())
            else:
                held = [self.nodes[to] for by, to in plan.edges if by == at and to < at]
                self.nodes.append(FIXED[kind](held))
        for number, (by, to) in enumerate(plan.edges):
            if plan.kinds[by] in MUTABLE:
                MUTABLE[plan.kinds[by]][1](self.nodes[by], self.nodes[to], number)
        if plan.is_collected:
            gc.collect()

    def close(self) -> None:
        """Let go of the objects."""
        self.nodes.clear()
        if self._was_enabled:
            gc.enable()

    def sinks(self) -> dict[int, Any]:
        """The sinks by id."""
        return {id(self.nodes[at]): self.nodes[at] for at, _ in self.plan.sinks}


@contextmanager
def heap_of(plan: Plan) -> Iterator[Heap]:
    """A heap that is closed afterwards."""
    heap = Heap(plan)
    try:
        yield heap
    finally:
        heap.close()


@dataclass(frozen=True)
class Reached:
    """What brute force reached; the objects are kept, so that ids stay what they are."""

    objects: dict[int, Any]
    """What was entered, by id."""
    places: dict[int, tuple[int, int]]
    """Number of the group that reached it first, and its distance from a root of that."""
    arrivals: set[tuple[int, int]]
    """Holder and sink of each reference that arrives at one, by id."""


def brute_force(
    groups: list[list[Any]], stops: set[int], closed: set[int], own: dict[int, int] | None = None
) -> Reached:
    """Breadth first from one group of roots after the other, in the simplest way.

    Args:
        groups: the roots' values.
        stops: ids of the sinks, where a way ends with an arrival.
        closed: ids of what is not entered.
        own: ids of roots that only their own group enters, with its number.
    """
    own = own or {}
    found = Reached({}, {}, set())

    def enter(layer: list[Any], number: int, distance: int) -> list[Any]:
        entered = []
        for o in layer:
            if id(o) not in found.objects and id(o) not in stops and id(o) not in closed:
                found.objects[id(o)] = o
                found.places[id(o)] = (number, distance)
                entered.append(o)
        return entered

    for number, group in enumerate(groups):
        layer = enter([o for o in group if own.get(id(o), number) == number], number, 0)
        while layer:
            pairs = [(o, child) for o in layer for child in gc.get_referents(o) if id(child) not in own]
            found.arrivals.update((id(o), id(child)) for o, child in pairs if id(child) in stops)
            layer = enter([child for _, child in pairs], number, found.places[id(layer[0])][1] + 1)
    return found
