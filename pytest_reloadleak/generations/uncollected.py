"""Find out whether old generations are merely garbage that no collection has freed yet.

A generation that a full collection saw alive can be freed only by another full collection, which visits the whole heap.
This module counts the references within the generation instead, as for the original: if they explain every reference
count, nothing else holds it. The cost follows the size of the unit. In case of doubt the answer is no.
"""

from __future__ import annotations

import builtins
from typing import Any

from pytest_reloadleak.generations.ledger import Ledger
from pytest_reloadleak.generations.original import (
    BUDGET,
    entered_from,
    reachable_from,
    referred_to_from_outside,
)
from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import foreign


def are_garbage(ledger: Ledger, limit: int, but: int | None, classes: list[type]) -> bool:
    """Whether all live objects of the generations before `limit` are garbage that no finalizer can save.

    Args:
        ledger: records the births.
        limit: generations from this one on may live.
        but: the generation that the check keeps, which may live too; `None` if there is none.
        classes: old classes, noted or not. This function empties the list, whose references would count.
    """
    nodes = _noted(ledger, limit, but)
    nodes.update((id(cls), cls) for cls in classes)
    classes.clear()
    wanted = set(nodes)
    inner: dict[int, int] = {}
    borders: set[int] = {id(vars(builtins))}
    stack = list(nodes.values())
    while stack and len(nodes) <= BUDGET:
        o = stack.pop()
        if id(o) in borders or _is_border(o, ledger):
            borders.add(id(o))
            continue
        for child in entered_from(o, ledger):
            inner[id(child)] = inner.get(id(child), 0) + 1
            if id(child) not in nodes and (gc.is_tracked(child) or not foreign.is_atom(child)):
                nodes[id(child)] = child
                stack.append(child)
    if stack or any(_has_finalizer(nodes[key]) for key in nodes.keys() - borders):
        return False
    o = child = None
    outside = referred_to_from_outside(nodes, inner) - borders
    return wanted.isdisjoint(reachable_from(outside, nodes, borders))


def _noted(ledger: Ledger, limit: int, but: int | None) -> dict[int, Any]:
    """The live objects of the generations before a limit that the ledger knows, by id."""
    old = {id(m): m for m in ledger.markers.alive() if m.generation < limit and m.generation != but}
    newer = [b for b in ledger.births if b.generation >= limit or b.generation == but]
    current = {key for birth in newer for table in (birth.functions, birth.classes) for key in table}
    for birth in ledger.births:
        for table in (birth.functions, birth.classes) if birth not in newer else ():
            for key, reference in table.items():
                o = reference() if key not in current else None
                if o is not None:
                    old[key] = o
    return old


def _is_border(o: Any, ledger: Ledger) -> bool:
    """Whether counting stops at `o`, which belongs to others. Stopping too early can only turn the answer into no."""
    if foreign.is_class(o):
        return not ledger.owns_class(o)
    if foreign.is_module(o):
        return not ledger.owns(foreign.module_name(foreign.module_dict(o) or {}))
    return False


def _has_finalizer(o: Any) -> bool:
    """Whether code runs when `o` is freed: it may resurrect `o` or end an effect."""
    return foreign.defines(type(o), "__del__")
