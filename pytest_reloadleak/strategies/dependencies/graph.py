"""Find which modules must be reloaded when one is, and in which order, from names alone.

Rejected: `graphlib`, which refuses circles. Here a circle is one island, in the order in which it was entered.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

Edges = Mapping[str, Collection[str]]
"""For each module, the modules that it depends on."""


def dependents(edges: Edges, start: Iterable[str], stops: Callable[[str, str], bool]) -> dict[str, str]:
    """Modules that depend on any of some others, directly or not.

    Args:
        edges: the dependencies of each module.
        start: the modules that change.
        stops: whether a module (the first argument) accepts an update of another (the second): the search ends there.

    Returns:
        The modules that must change as well, without `start`, each with the module through which it was reached.
    """
    reverse: dict[str, list[str]] = {}
    for name, needs in edges.items():
        for needed in needs:
            reverse.setdefault(needed, []).append(name)
    first = list(dict.fromkeys(start))
    found: dict[str, str] = {}
    known = set(first)
    while first:
        changed = first.pop(0)
        for name in reverse.get(changed, ()):
            if name not in known and not stops(name, changed):
                known.add(name)
                found[name] = changed
                first.append(name)
    return found


def islands(names: Collection[str], edges: Edges) -> list[list[str]]:
    """Modules grouped into islands, dependencies first; modules that import each other in a circle are one island.

    Tarjan's strongly connected components ("Depth-first search and linear graph algorithms", 1972) come out in this
    order. The code does not recurse, since a chain of imports may be longer than the stack allows.

    Args:
        names: the modules; their order decides where dependencies do not.
        edges: the dependencies of each module; modules outside `names` are ignored.

    Returns:
        The islands, each after those it depends on, its members in the order of `names`.
    """
    place = {name: at for at, name in enumerate(names)}
    index: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    is_open: set[str] = set()
    out: list[list[str]] = []
    for root in place:
        if root in index:
            continue
        work = [(root, iter(_needed(root, edges, place)))]
        _enter(root, index, lowest, stack, is_open)
        while work:
            name, rest = work[-1]
            needed = next(rest, None)
            if needed is None:
                work.pop()
                if work:
                    above = work[-1][0]
                    lowest[above] = min(lowest[above], lowest[name])
                if lowest[name] == index[name]:
                    out.append(_leave(name, stack, is_open, place))
            elif needed not in index:
                work.append((needed, iter(_needed(needed, edges, place))))
                _enter(needed, index, lowest, stack, is_open)
            elif needed in is_open:
                lowest[name] = min(lowest[name], index[needed])
    return out


def _needed(name: str, edges: Edges, place: Mapping[str, int]) -> list[str]:
    return sorted((n for n in edges.get(name, ()) if n in place), key=place.__getitem__)


def _enter(
    name: str, index: dict[str, int], lowest: dict[str, int], stack: list[str], is_open: set[str]
) -> None:
    index[name] = lowest[name] = len(index)
    stack.append(name)
    is_open.add(name)


def _leave(name: str, stack: list[str], is_open: set[str], place: Mapping[str, int]) -> list[str]:
    members = [stack.pop()]
    while members[-1] != name:
        members.append(stack.pop())
    is_open.difference_update(members)
    return sorted(members, key=place.__getitem__)
