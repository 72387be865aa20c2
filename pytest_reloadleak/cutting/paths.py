"""Choose which reference of a path to remove: the named one, or the nearest one above it that can be removed.

A tuple cannot change, a bound method cannot release its object, and a subscription in two tables keeps its callback
whichever table leads to it. So the choice goes up from the named reference, and stops before a reference whose removal
would also release another generation or holder.
"""

from __future__ import annotations

import types
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import pairwise
from typing import Any

from pytest_reloadleak.cutting import edges
from pytest_reloadleak.cutting.cut import CannotCutError, Cut
from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import foreign, references
from pytest_reloadleak.holders.patches import is_of
from pytest_reloadleak.holders.search import Known, KnownHolder, Plan, is_timer
from pytest_reloadleak.holders.trace import holder_index

_DEEPEST = 40
"""The largest number of nested functions that are searched for the innermost function that they wrap."""

Owns = Callable[[str], bool]


class Paths:
    """Chooses the references to remove, for the holders of one diagnosis.

    Args:
        plan: what the diagnosis found.
        owns: whether a module name belongs to the target.
    """

    def __init__(self, plan: Plan, owns: Owns) -> None:
        self._owns = owns
        self._leads_to: dict[int, set[int]] = defaultdict(set)
        """By id, the generations that each object on the paths leads to."""
        self._users: Counter[tuple[int, int]] = Counter()
        """For each reference, the number of holders whose paths have it."""
        for holder in plan.holders.values():
            used: set[tuple[int, int]] = set()
            for _, path, _, generations in holder.references:
                used.update((id(owner), id(child)) for owner, child in pairwise(path))
                for o in path:
                    self._leads_to[id(o)] |= generations
            self._users.update(used)

    def cuts(self, holder: KnownHolder) -> tuple[list[Cut], int | None]:
        """The removals of all references of a holder, and the position of the removed reference in its trace.

        Raises:
            CannotCutError: one of them cannot be removed.
        """
        found = [self._cut(known, holder) for known in holder.references]
        up = max((above for _, above in found), default=0)
        return [cut for cut, _ in found], max(holder.named - up, 0)

    def _cut(self, known: Known, holder: KnownHolder) -> tuple[Cut, int]:
        """The removal of one reference, and its distance in steps above the named one."""
        path = known.path
        if len(path) == 1 and known.root.kind == "sys.modules":
            module = path[0]
            return Cut(partial(_forget, frozenset({id(module)})), known.generations), 0
        steps = references.folded(path)
        positions = {id(o): index for index, o in enumerate(path)}
        named = self._named(known, holder, steps, positions)
        count = sum(1 for _, _, child in steps if positions[id(child)] <= named)
        for at in range(named, 0, -1):
            if at != named and references.is_namespace(path[at - 1], path[at]):
                continue
            if at != named and not self._may_go(path[at], known.generations):
                fixed = self._in_fixed(known, at)
                if fixed is None:
                    break
                return Cut(fixed, known.generations), 0
            if self._users[id(path[at - 1]), id(path[at])] > 1:
                continue
            remove = self._removal(known, at, holder)
            if remove is not None:
                above = sum(1 for _, _, child in steps if positions[id(child)] <= at)
                whole = edges.is_whole(path, at)
                generations = known.generations
                return Cut(remove, generations, whole), max(count - above, 0)
        raise CannotCutError(_refusal(known, named))

    def _named(
        self,
        known: Known,
        holder: KnownHolder,
        steps: list[tuple[Any, str, Any]],
        positions: Mapping[int, int],
    ) -> int:
        """The position in a path of the object that the named reference leads to."""
        path = known.path
        if holder.at is not None:
            top = next((positions[id(child)] for _, _, child in steps if id(child) in holder.tops), None)
            if top is not None or len(steps) >= holder.at:
                return top if top is not None else positions[id(steps[holder.at - 1][2])]
        timer = next((n for n, o in enumerate(path[:-1]) if is_timer(o)), None)
        if holder.cause is not None and holder.cause.kind == "live-timer" and timer is not None:
            return timer
        if not steps:
            return 0
        at = holder_index(path, self._owns)
        return next((p for _, _, child in steps if (p := positions[id(child)]) > at), len(path) - 1)

    def _may_go(self, o: Any, generations: frozenset[int]) -> bool:
        """Whether everything that an object leads to may be released: the object came with these generations."""
        if foreign.is_module(o):
            return False
        return self._leads_to[id(o)] <= generations or len(self._leads_to[id(o)]) <= 1

    def _removal(self, known: Known, at: int, holder: KnownHolder) -> edges.Removal | None:
        path = known.path
        children = _children(known, at)
        if holder.cause is not None and holder.cause.kind == "patched-global":
            found = edges.places(path, at)
            original = _original_below(path[at], self._owns)
            if found and original is not None:
                return lambda: _put(found, original)
        return edges.removal(path, at, children)

    @staticmethod
    def _in_fixed(known: Known, at: int) -> edges.Removal | None:
        """The removal of an item of a tuple or frozenset that has items of other generations; `None` in other cases."""
        path = known.path
        if not foreign.is_exactly(path[at], edges.FIXED) or references.is_namespace(path[at - 1], path[at]):
            return None
        top = at
        while top > 0 and foreign.is_exactly(path[top - 1], edges.FIXED):
            top -= 1
        if top == 0:
            return None
        children = _children(known, at + 1)
        found = edges.places(path, top)
        return (lambda: _release(found, children)) if found else None


def _children(known: Known, at: int) -> frozenset[int]:
    """Ids of the object at a position of a path, and of other retained objects in the same collection."""
    return known.sinks if at == len(known.path) - 1 else frozenset({id(known.path[at])})


def _forget(modules: frozenset[int]) -> None:
    """Remove the entries of some modules from the table of modules."""
    table = foreign.module_table()
    for name in [name for name, module in list(dict.items(table)) if id(module) in modules]:
        dict.__delitem__(table, name)


def _release(found: list[edges.Place], children: frozenset[int]) -> None:
    for place in found:
        edges.release(place, children)


def _put(found: list[edges.Place], new: Any) -> None:
    for place in found:
        place.put(new)


def _original_below(o: Any, owns: Owns) -> Any:
    """The innermost function that a function of the target wraps by closures and defaults; `None` if none is found."""
    seen: set[int] = set()
    level = [o]
    for _ in range(_DEEPEST):
        below = [inner for function in level for inner in _wrapped(function) if id(inner) not in seen]
        seen.update(map(id, below))
        found = next((inner for inner in below if _is_original(inner, owns)), None)
        if found is not None:
            return found
        level = below
    return None


def _wrapped(function: Any) -> Iterator[Any]:
    """The objects in a function's closure, defaults and attributes; for a method, its function."""
    if type(function) is types.FunctionType:
        for cell in function.__closure__ or ():
            yield from gc.get_referents(cell)
        yield from function.__defaults__ or ()
        yield from (function.__kwdefaults__ or {}).values()
        yield from (foreign.instance_dict(function) or {}).values()
    elif type(function) is types.MethodType:
        yield function.__func__


def _is_original(o: Any, owns: Owns) -> bool:
    """Whether an object is a function, method or class that does not belong to the target."""
    is_callable = foreign.is_class(o) or foreign.is_exactly(o, _CALLABLES)
    return is_callable and not is_of(o, owns)


_CALLABLES = foreign.type_ids(types.FunctionType, types.BuiltinFunctionType, types.MethodType)


def _refusal(known: Known, named: int) -> str:
    """Why a reference cannot be removed."""
    path, root = known.path, known.root
    if named == 0 and root.kind == "frame":
        return "a local of running code cannot be removed from outside"
    if root.kind == "native" and named < 2:
        return "C code holds it, and only a call of its library takes it back"
    if named == 0:
        return f"nothing removes what {root.label} itself holds"
    local = edges.local_of(path[named - 1], path[named])
    if local is not None:
        return f"the local {local} of code that has not ended cannot be removed from outside"
    return f"a {foreign.type_name(path[named - 1])} cannot let go of what it holds"
