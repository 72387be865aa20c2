"""Find the home of an object: the module that made it, not one that imported it.

`from app.bus import listeners` binds the list in one more module, and a path through that one sends its reader to the
wrong file. The source tells a name that a module defines from a name that it imported, or took from what it imported
(`drawer = host.CABINET.shelves["top"]`).
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pytest_reloadleak.heap import foreign, sources
from pytest_reloadleak.holders.sweep import Arrival, Root, Sweep, Way

_DEEPEST = 4
"""The largest number of names that are followed one after the other, each of which a module took from another."""


class Homes:
    """Leads paths through the modules that made the objects.

    Args:
        sweep: the finished sweep, still open.
        owns: whether a module name belongs to the target.
        skip: ids of objects whose references do not count.
    """

    def __init__(self, sweep: Sweep, owns: Callable[[str], bool], skip: Iterable[int]) -> None:
        self._sweep = sweep
        self._owns = owns
        self._skip = skip
        self._names: dict[str, Names] = {}
        self._hosts: dict[int, list[tuple[Root, str]]] = {}
        """By an object's id, the modules that have a name for it: the module's root, and the name."""
        self._homes: dict[int, Way | None] = {}
        """By an object's id, the way to it over its home; `None` if the known path already leads that way."""

    def rehomed(self, arrivals: Sequence[Arrival], depth: int = 0) -> list[Arrival]:
        """The same arrivals, each by the way over the home of the first object on its path that a module has named."""
        guests = [arrival for arrival in arrivals if _is_over_a_name(arrival)]
        self._note_hosts({id(arrival.path[2]) for arrival in guests})
        for arrival in guests if depth < _DEEPEST else ():
            o = arrival.path[2]
            if id(o) not in self._homes:
                self._homes[id(o)] = None  # a way home must not lead over the object itself
                self._homes[id(o)] = self._way_home(o, arrival.root, depth)
        return [self._over_home(arrival) for arrival in arrivals]

    def _over_home(self, arrival: Arrival) -> Arrival:
        way = self._homes.get(id(arrival.path[2])) if _is_over_a_name(arrival) else None
        return Arrival(way[0], (*way[1], *arrival.path[3:])) if way is not None else arrival

    def _note_hosts(self, objects: set[int]) -> None:
        """Find the modules that have a name for some objects, in one pass over all namespaces."""
        wanted = objects - self._hosts.keys()
        self._hosts.update((key, []) for key in wanted)
        for root in self._sweep.roots if wanted else ():
            namespace = foreign.module_dict(root.value) if root.kind == "sys.modules" else None
            for name, value in list(dict.items(namespace)) if namespace is not None else ():
                if id(value) in wanted and type(name) is str:
                    self._hosts[id(value)].append((root, name))

    def _way_home(self, o: Any, known: Root, depth: int) -> Way | None:
        is_own = self._owns(known.path)
        hosts = [host for host in self._hosts[id(o)] if self._owns(host[0].path) is is_own]
        if not hosts:
            return None
        ranked = [
            (self._rank(*host), host[0].is_runner, host[0].path.count("."), host[0].path) for host in hosts
        ]
        best = min(range(len(hosts)), key=ranked.__getitem__)
        if ranked[best][0] == _GUEST:
            deeper = self._deeper(o, [host[0] for host in hosts], depth)
            if deeper is not None:
                return deeper
        root = hosts[best][0]
        return (root, (root.value, foreign.module_dict(root.value), o)) if root is not known else None

    def _deeper(self, o: Any, guests: list[Root], depth: int) -> Way | None:
        """The shortest way to an object if every module that names it took the name from another module."""
        skip = {*self._skip, *(id(foreign.module_dict(root.value)) for root in guests)}
        found = [Arrival(*way) for way in self._sweep.ways([o], skip)[id(o)] if len(way[1]) > 2]
        homes = [a for a in self.rehomed(found, depth + 1) if a.root.kind == "sys.modules"]
        best = min(homes, key=lambda a: (a.root.is_runner, len(a.path), a.root.path), default=None)
        return (best.root, best.path) if best is not None else None

    def _rank(self, root: Root, name: str) -> int:
        """Whether a module made the object that a name is bound to, or took it from another one: see `Names.rank`."""
        if root.path not in self._names:
            self._names[root.path] = names_of(foreign.module_dict(root.value) or {})
        return self._names[root.path].rank(name)


def _is_over_a_name(arrival: Arrival) -> bool:
    """Whether a path leads over a name of a module to an object that is neither the sink nor a module."""
    path = arrival.path
    return (
        len(path) > 3
        and arrival.root.kind == "sys.modules"
        and foreign.module_dict(path[0]) is path[1]
        and not foreign.is_module(path[2])
    )


class Names:
    """What a module's source says of its names."""

    def __init__(self) -> None:
        self.imported: set[str] = set()
        """Names bound to modules and to what modules contain."""
        self.taken: set[str] = set()
        """Names bound by `from ... import`, or to a part of an imported object."""
        self.made: set[str] = set()
        """Names that are defined, or assigned something else."""
        self.has_star = False

    def is_taken(self, name: str) -> bool:
        """Whether the module took the object of a name from another module."""
        return self.rank(name) == _GUEST

    def rank(self, name: str) -> int:
        """0 for a name that the module makes, 1 for one that it makes or takes, 2 for one that it only takes."""
        is_taken = name in self.taken or (self.has_star and name not in self.made)
        return 0 if not is_taken else 1 if name in self.made else _GUEST


_GUEST = 2


def names_of(namespace: dict[str, Any]) -> Names:
    """What the source of a module, given by its namespace, says of its names."""
    names = Names()
    _read(sources.statements(foreign.text(dict.get(namespace, "__file__"))), names)
    return names


def _read(body: Iterable[ast.AST], names: Names) -> None:
    """Read the statements of a module, those below `if`, `try`, `with`, `for` and `while` included."""
    waiting = list(body)[::-1]  # no recursion: a long sum is as deep as it has terms
    while waiting:
        node = waiting.pop()
        kind = type(node)
        if kind is ast.Import:
            names.imported.update(alias.asname or alias.name.partition(".")[0] for alias in _aliases(node))
        elif kind is ast.ImportFrom:
            bound = {alias.asname or alias.name for alias in _aliases(node)}
            names.has_star = names.has_star or "*" in bound
            names.imported |= bound
            names.taken |= bound
        elif kind in _DEFINITIONS:
            names.made.add(vars(node)["name"])
        elif kind is ast.Assign:
            for target in vars(node)["targets"]:
                _bind(target, vars(node)["value"], names)
        elif kind is ast.AnnAssign:
            _bind(vars(node)["target"], vars(node)["value"], names)
        else:
            waiting += [*ast.iter_child_nodes(node)][::-1]


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def _aliases(node: ast.AST) -> list[ast.alias]:
    return list(vars(node)["names"])


def _bind(target: ast.AST, value: ast.AST | None, names: Names) -> None:
    """Note what an assignment binds; an annotation without a value binds nothing."""
    if value is None:
        return
    bound = [vars(node)["id"] for node in ast.walk(target) if type(node) is ast.Name]
    is_taken = type(target) is ast.Name and _is_part_of_imported(value, names)
    (names.taken if is_taken else names.made).update(bound)


def _is_part_of_imported(value: ast.AST, names: Names) -> bool:
    """Whether an expression only looks up an imported name, its attributes and items."""
    while type(value) in (ast.Attribute, ast.Subscript):
        value = vars(value)["value"]
    return type(value) is ast.Name and vars(value)["id"] in names.imported
