"""Find the places where a holder's next item will appear: the containers on its paths that the generations share."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from pytest_reloadleak.heap import foreign, references
from pytest_reloadleak.watchpoints.containers import Likeness, can_change, likeness

Path = tuple[int, tuple[Any, ...]]
"""A generation, and the objects from the root's value to one of its objects."""

_NEAREST, _FARTHEST = 5, 3
"""The number of watched containers of one holder: those nearest to the items, and those nearest to the root, where a
chain grows.
"""


@dataclass(slots=True, eq=False, repr=False)
class WatchedEdge:
    """A container, with the likenesses of its next item. Lives only while a round is traced."""

    container: Any
    depth: int
    owner: Any
    children: dict[int, Any] = field(default_factory=dict)
    """By id: a container may have thousands."""
    generations: set[int] = field(default_factory=set)

    @property
    def likenesses(self) -> set[Likeness]:
        """The likenesses of the items of earlier generations."""
        return {likeness(child) for child in self.children.values()}

    def keys(self) -> tuple[str, ...]:
        """The names in a namespace that hold the items; empty if each generation uses another name."""
        if type(self.container) is not dict or not references.is_namespace(self.owner, self.container):
            return ()
        names = [
            name
            for name, value in dict.items(self.container)
            if type(name) is str and id(value) in self.children and not foreign.is_atom(value)
        ]
        is_growing = len(names) > 1 and len(names) >= len(self.generations)
        return () if is_growing else tuple(names)


def watched_edges(paths: list[Path]) -> list[WatchedEdge]:
    """The containers to watch, those next to the items first."""
    found: dict[int, WatchedEdge] = {}
    for generation, path in paths:
        for depth, (parent, child) in enumerate(pairwise(path)):
            if not can_change(parent):
                continue
            edge = found.setdefault(
                id(parent), WatchedEdge(parent, depth, path[depth - 1] if depth else None)
            )
            edge.depth = max(edge.depth, depth)
            edge.generations.add(generation)
            edge.children[id(child)] = child
    several = [edge for edge in found.values() if len(edge.generations) > 1]
    ordered = sorted(several or found.values(), key=lambda edge: -edge.depth)
    if len(ordered) <= _NEAREST + _FARTHEST:
        return ordered
    return [*ordered[:_NEAREST], *ordered[-_FARTHEST:]]
