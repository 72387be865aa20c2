"""Find out whether anything but the check itself keeps the original generation alive.

A check in this process must put the original modules back with their identity. It has to hold them, so weak references
prove nothing. Instead, this module counts the references to each of their objects from within what the check holds,
and compares them with the reference counts. This is the trial deletion of CPython's own collector, confined to one
unit, so that its cost follows the size of the unit and not that of the heap. It only raises a suspicion: the sweep
finds the holder and decides whether it counts.
"""

from __future__ import annotations

import builtins
import types
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_reloadleak.generations.ledger import Ledger
from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import foreign

BUDGET = 50_000
"""Objects to count before leaving the decision to the sweep: a unit may reach a large part of the heap."""


@dataclass(slots=True, eq=False, repr=False)
class Original:
    """The original generation, kept alive by the check.

    `containers` lists every dict of the check that holds it: if one is missing, the counts are wrong. `namespaces`,
    one of them, maps each module's name to its dict and a copy of what that contained.
    """

    generation: int
    containers: list[dict[str, Any]] = field(default_factory=list)
    namespaces: dict[str, tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=dict)
    entries: set[int] = field(default_factory=set)
    """Ids of the `sys.modules` entries, which need not be modules."""

    def count(self) -> int:
        """How many containers of the check hold each namespace: one, or none if no original is kept."""
        return 1 if self.namespaces else 0

    def clear(self) -> None:
        """Release the original generation."""
        for container in self.containers:
            container.clear()
        self.containers.clear()


@dataclass(slots=True, eq=False, repr=False)
class Suspicion:
    """Parts of the original generation that may have another holder."""

    own: list[Any]
    """Its modules, namespaces, functions, classes and instances."""
    data: dict[int, str]
    """Its other values that the target has since replaced, by id, with their names: `app.views.DEFAULTS`."""
    values: list[Any]
    """The same values, to keep the ids valid."""
    is_held: bool
    """Whether one of them is referred to from outside, directly or not, or the unit was too large to tell."""
    outside: set[int]
    """Ids of those with a direct reference from outside."""
    ours: set[int]
    """Ids of all objects that only the check keeps alive, if anything is held."""


def suspect(
    original: Original,
    ledger: Ledger,
    current: dict[str, dict[str, Any]],
    spared: Iterable[dict[str, Any]] = (),
) -> Suspicion:
    """Look for references from outside into the original generation.

    Args:
        original: what the check keeps.
        ledger: records the births.
        current: the target's current namespaces by module name.
        spared: namespaces whose bindings do not count, each once.
    """
    nodes, inner, borders, complete = _graph(original, ledger)
    others = [namespace for namespace in spared if id(namespace) not in nodes]  # those are counted already
    for key in [id(value) for namespace in others for value in list(namespace.values())]:
        if key in nodes:
            inner[key] = inner.get(key, 0) + 1
    direct = referred_to_from_outside(nodes, inner)  # before anything here refers to the nodes
    outside = reachable_from(direct - borders, nodes, borders) | direct
    own = [o for o in nodes.values() if _is_own(o, original, ledger)]
    data = _replaced_data(original, current, nodes, set(map(id, own)), ledger.owns)
    values = [nodes[key] for key in data if key in nodes]
    wanted = set(map(id, own)) | set(data)
    is_held = not complete or not wanted.isdisjoint(outside) or _is_any_unreached(nodes, original, ledger)
    ours = nodes.keys() - outside if is_held and complete else set()
    return Suspicion(own, data, values, is_held, direct & wanted, ours)


@dataclass(slots=True, eq=False, repr=False)
class OnlyKept:
    """What lives only because the check keeps the original. Empty if the unit is too large to tell."""

    ids: set[int]
    """Ids of the objects. If an object holds a namespace of the original, that object is a holder. The other objects
    that the namespace keeps alive are a consequence, so they are included."""
    alone: dict[int, Any]
    """The objects, by id, that would die if the check released the original now."""


def only_kept(original: Original, ledger: Ledger, known: Sequence[Any]) -> OnlyKept:
    """Find what lives only because the check keeps the original.

    Args:
        original: what the check keeps.
        ledger: records the births.
        known: further tuples and lists of the check, whose references do not count either.
    """
    nodes, inner, borders, complete = _graph(original, ledger, known)
    if not complete:
        return OnlyKept(set(), {})
    direct = referred_to_from_outside(nodes, inner)
    closed = borders | {id(namespace) for namespace, _ in original.namespaces.values()}
    ids = nodes.keys() - direct - reachable_from(direct - closed, nodes, closed)
    outside = direct | reachable_from(direct - borders, nodes, borders)
    return OnlyKept(ids, {key: o for key, o in nodes.items() if key not in outside})


def _is_any_unreached(nodes: dict[int, Any], original: Original, ledger: Ledger) -> bool:
    """Whether some live function of the original cannot be reached from what the check keeps.

    An example is a function that a call returned. Its globals reveal it, unless generations share the namespace.
    """
    noted = (reference() for reference in ledger.births[0].functions.values())
    return any(
        ledger.markers.is_shared(f.__globals__) and ledger.born(f) == original.generation
        for f in noted
        if f is not None and id(f) not in nodes
    )


def _is_own(o: Any, original: Original, ledger: Ledger) -> bool:
    if type(o) is dict:
        return any(
            o is namespace for namespace, _ in original.namespaces.values()
        ) and not ledger.markers.is_shared(o)
    if type(o) is types.FunctionType:
        return ledger.owns_namespace(o.__globals__) and ledger.born(o) == original.generation
    if foreign.is_class(o):
        return ledger.owns_class(o) and ledger.born(o) == original.generation
    if foreign.is_module(o):
        namespace = foreign.module_dict(o)
        return namespace is not None and _is_own(namespace, original, ledger)
    cls = type(o)
    return ledger.owns_class(cls) and ledger.born(cls) == original.generation


def _is_boundary(o: Any, original: Original, ledger: Ledger) -> bool:
    """Whether counting stops at `o`. Objects of others are not entered, since they lead everywhere."""
    if foreign.is_class(o):
        return not ledger.owns_class(o)
    if foreign.is_module(o):
        return not _is_own(o, original, ledger)
    return type(o) is dict and ledger.markers.is_shared(o)


def entered_from(o: Any, ledger: Ledger) -> list[Any]:
    """The referents of an object that the count follows.

    It follows a foreign function, since most decorators return one that closes over the target's. It does not follow
    what such a function shares with its own module, nor what a frame (a suspended generator's, on 3.10) shares with its
    callers.
    """
    referents = gc.get_referents(o)
    if type(o) is types.FunctionType and not ledger.owns_namespace(o.__globals__):
        shared = set(map(id, (o.__globals__, o.__globals__.get("__builtins__"), o.__code__)))
    elif type(o) is types.FrameType:
        shared = set(map(id, (o.f_back, o.f_builtins, o.f_code)))
        if not ledger.owns_namespace(o.f_globals):
            shared.add(id(o.f_globals))
    else:
        return referents
    shared.add(id(vars(builtins)))
    return [r for r in referents if id(r) not in shared]


def _graph(
    original: Original, ledger: Ledger, known: Sequence[Any] = ()
) -> tuple[dict[int, Any], dict[int, int], set[int], bool]:
    """The objects that can be reached from the original generation, and the number of references among them.

    Returns:
        Objects by id, references by id, the ids of those that were not entered, and whether the count is complete.
    """
    borders: set[int] = {id(vars(builtins))}
    nodes: dict[int, Any] = {}
    inner: dict[int, int] = {}
    stack: list[Any] = [*original.containers, *known]
    entered = set(map(id, stack))
    while stack:
        for o in entered_from(stack.pop(), ledger):
            key = id(o)
            inner[key] = inner.get(key, 0) + 1
            if key in entered:
                continue
            if not gc.is_tracked(o) and foreign.is_atom(o):
                continue
            entered.add(key)
            nodes[key] = o
            if key not in borders and not _is_boundary(o, original, ledger):
                stack.append(o)
            else:
                borders.add(key)
        if len(nodes) > BUDGET:
            return nodes, inner, borders, False
    return nodes, inner, borders, True


def referred_to_from_outside(nodes: dict[int, Any], inner: dict[int, int]) -> set[int]:
    """Ids of the nodes that have more references than the graph explains."""
    yardstick = object()
    nodes[0] = yardstick
    del yardstick
    ours = gc.getrefcount(nodes[0])
    del nodes[0]
    return {key for key in nodes if gc.getrefcount(nodes[key]) - ours > inner.get(key, 0)}


def reachable_from(start: set[int], nodes: dict[int, Any], borders: set[int]) -> set[int]:
    """Ids of the nodes that can be reached from some nodes, themselves included.

    A node that was not entered is not followed: its references were not counted, so its referents count as held from
    outside anyway.
    """
    reached = set(start)
    stack = list(start)
    while stack:
        for o in gc.get_referents(nodes[stack.pop()]):
            if id(o) in nodes and id(o) not in reached:
                reached.add(id(o))
                if id(o) not in borders:
                    stack.append(id(o))
    return reached


_FUNCTIONS = foreign.type_ids(types.FunctionType, types.BuiltinFunctionType)


def is_data_bound_elsewhere(namespaces: dict[str, dict[str, Any]], owns: Callable[[str], bool]) -> bool:
    """Whether a module outside a unit has a name for an object of the unit that has no generation, such as a list.

    Args:
        namespaces: those of the unit by module name.
        owns: whether a module name belongs to the unit.
    """
    data = {id(value) for n in namespaces.values() for _, value in _names(n) if _is_data(value, owns)}
    if not data:
        return False
    others = (foreign.module_dict(m) for name, m in foreign.loaded_modules() if name not in namespaces)
    return any(not data.isdisjoint(map(id, list(n.values()))) for n in others if n is not None)


def _is_data(value: object, owns: Callable[[str], bool]) -> bool:
    is_named = foreign.is_module(value) or foreign.is_class(value) or foreign.is_exactly(value, _FUNCTIONS)
    return not (is_named or foreign.is_constant(value, owns))


def _replaced_data(
    original: Original,
    current: dict[str, dict[str, Any]],
    nodes: dict[int, Any],
    own: set[int],
    owns: Callable[[str], bool],
) -> dict[int, str]:
    out: dict[int, str] = {}
    for module, (_, saved) in original.namespaces.items():
        now = current.get(module, {})
        for name, value in _names(saved):
            if not _is_data(value, owns) or id(value) not in nodes or id(value) in own:
                continue
            if name in now and dict.get(now, name) is not value:
                out[id(value)] = f"{module}.{name}"
    return out


def _names(namespace: dict[str, Any]) -> Sequence[tuple[str, Any]]:
    return [
        (k, v)
        for k, v in dict.items(namespace)
        if type(k) is str and not (k.startswith("__") and k.endswith("__"))
    ]
