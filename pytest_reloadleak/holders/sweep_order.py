"""Set where a sweep of the heap starts, in which order it enters the roots, and what it leaves out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pytest_reloadleak.heap import own_objects
from pytest_reloadleak.holders import roots
from pytest_reloadleak.holders.search import Search
from pytest_reloadleak.holders.sweep import Sweep


def sweep_of(search: Search, own: Iterable[Any], sinks: dict[int, Any]) -> Sweep:
    """A sweep from all roots.

    Args:
        search: provides the effects, further roots, and the containers that merely list effects.
        own: the tool's objects, which the sweep does not enter.
        sinks: the objects to find, by id.
    """
    groups = roots.collect(search.of_effects, {id(root.value) for root in search.effects if root.bars})
    # A registered object that is also an effect is reported only as the effect.
    effects = {(root.kind, id(root.value)) for root in search.effects}
    groups[1] = [root for root in groups[1] if (root.kind, id(root.value)) not in effects]
    groups[0] = [*(root for root in search.extra_roots if not root.is_runner), *groups[0]]
    groups[-1] += [root for root in search.extra_roots if root.is_runner]
    # Effects come after the program's own roots, so that what both share is found through the program; and before
    # the test runner, through which a trace explains the least.
    groups.insert(-1, search.effects)
    groups.insert(-1, search.noise.roots())
    groups[-1] += search.noise.runners()
    skip = {*map(id, own), *map(id, search.containers), id(search.containers), *own_objects.own_ids()}
    return Sweep(groups, sinks, skip)
