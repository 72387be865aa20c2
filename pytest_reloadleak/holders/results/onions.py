"""Lead paths over the place of the host in which a wrapper stands that finds what it wraps in a global of its module.

    before = host.app.run
    def run(): return before()
    host.app.run = run

Each generation's `before` is the wrapper of the generation before, so a path over the target's own namespace is the
first that a sweep meets. It tells the reader nothing: the place to look at is `host.app.run`, which refers to the
present wrapper, whose global leads to the older ones. A wrapper with a closure shows that place by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from typing import Any

from pytest_reloadleak.heap import foreign
from pytest_reloadleak.holders import patches
from pytest_reloadleak.holders.grouping import Group, by, union
from pytest_reloadleak.holders.search import Search
from pytest_reloadleak.holders.sweep import Arrival, Sweep, Way


class Onions:
    """Finds the places of present wrappers; open during one diagnosis.

    Args:
        sweep: the finished sweep, still open.
        search: what is looked for.
        skip: ids of objects whose references do not count.
    """

    def __init__(self, sweep: Sweep, search: Search, skip: Iterable[int]) -> None:
        self._sweep = sweep
        self._search = search
        self._skip = skip
        self._ways: dict[int, list[Way]] = {}
        """By the id of a present namespace of the target, the ways to it that begin outside the target."""

    def over_places(self, arrivals: Sequence[Arrival]) -> list[Arrival]:
        """The same arrivals, those over a global of the target by the way over the present wrapper that uses it."""
        return [self._over_place(arrival) for arrival in arrivals]

    def _over_place(self, arrival: Arrival) -> Arrival:
        name = self._global_of(arrival)
        if (
            name is None
            or patches.by_slot(arrival.path, self._search)
            or patches.by_entry(arrival.path, self._search)
        ):
            return arrival
        owns = self._search.ledger.owns
        kept = {patches.put_name(o) for o in arrival.path[2:] if patches.is_of(o, owns)}
        fitting = [way for way in self._ways_to(arrival.path[1]) if _wraps(way[1], name, kept, owns)]
        best = min(fitting, key=lambda way: (way[0].is_runner, len(way[1]), way[0].path), default=None)
        return arrival if best is None else Arrival(best[0], (*best[1], *arrival.path[2:]))

    def _global_of(self, arrival: Arrival) -> str | None:
        """The name of the global of the target over which a path leads; `None` if it begins elsewhere."""
        path, namespaces = arrival.path, self._search.namespaces.values()
        if arrival.root.kind != "sys.modules" or len(path) < 3 or not any(path[1] is n for n in namespaces):
            return None
        return next((n for n, o in list(dict.items(path[1])) if o is path[2] and type(n) is str), None)

    def _ways_to(self, namespace: dict[str, Any]) -> list[Way]:
        if id(namespace) not in self._ways:
            owns = self._search.ledger.owns
            found = self._sweep.ways([namespace], self._skip)[id(namespace)]
            outside = [way for way in found if not (way[0].kind == "sys.modules" and owns(way[0].path))]
            self._ways[id(namespace)] = outside
        return self._ways[id(namespace)]


def _wraps(path: Sequence[Any], name: str, kept: Collection[str], owns: Callable[[str], bool]) -> bool:
    """Whether a way to a namespace leads over a wrapper: over a function that uses a global of it.

    Args:
        path: the objects from the root's value to the namespace.
        name: the global's.
        kept: names of the older wrappers, one of which the function or its instance has as well.
        owns: whether a module name belongs to the target.
    """
    function = path[-2] if len(path) > 1 else None
    code = foreign.own_code(function)
    if code is None or name not in map(foreign.text, code.co_names):
        return False
    return any(patches.is_of(o, owns) and patches.put_name(o) in kept for o in path[:-1])


def joined_layers(
    groups: list[Group], namespaces: Collection[dict[str, Any]], owns: Callable[[str], bool]
) -> list[Group]:
    """Join groups that a present wrapper has by the same older one: `functools.wraps` refers to it a second time.

    Args:
        groups: references by cause.
        namespaces: the target's present namespaces.
        owns: whether a module name belongs to the target.
    """
    present = set(map(id, namespaces))

    def key(group: Group) -> Hashable:
        layers = (
            {_layers(path, present, owns) for path in group.paths} if group.first.cause is None else {None}
        )
        only = layers.pop()
        return id(group) if layers or only is None else (group.first.root, only, frozenset(group.sinks))

    return [union(alike) if len(alike) > 1 else alike[0] for alike in by(groups, key)]


def _layers(
    path: Sequence[Any], present: Collection[int], owns: Callable[[str], bool]
) -> tuple[int, int] | None:
    """Ids of the present wrapper on a path and of the older one that follows; `None` if there is no such pair."""
    functions = [o for o in path[1:-1] if foreign.own_code(o) is not None and patches.is_of(o, owns)]
    if len(functions) < 2 or id(functions[0].__globals__) not in present:
        return None
    newest, older = functions[:2]
    return (id(newest), id(older)) if patches.put_name(newest) == patches.put_name(older) else None
