"""One look at the heap: who is retained, and every holder, as values that hold no object.

The order is that of the design: suspicion is cheap and exact, the diagnosis is paid for only when something is wrong.
Everything that refers to an object of the program dies when `look` returns.
"""

from __future__ import annotations

import gc
import re
import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from pytest_reloadleak.heap import describe, foreign, native, references, roots
from pytest_reloadleak.heap.ledger import Ledger
from pytest_reloadleak.heap.parked import Parked, Suspicion, suspect
from pytest_reloadleak.heap.retained import GRACE, Retained, gather, is_suspicious
from pytest_reloadleak.heap.sizes import Reach, reach_of
from pytest_reloadleak.heap.sweep import Arrival, Root, Sweep
from pytest_reloadleak.model import Held, Holder


@dataclass(frozen=True, slots=True)
class Retention:
    """One holder of old generations, grouped over generations: everything with the same trace is one."""

    holder: Holder
    held: Held
    trace: tuple[str, ...]
    generations: tuple[int, ...]
    """Judged generations that are alive through this holder, directly or through one another."""
    items: int
    """References from the holder to the target's old objects."""
    objects: int
    size_bytes: int
    is_sole: bool
    is_binding: bool
    """Whether the reference is a name bound once: a global, class attribute, default or closure."""
    is_within: bool
    """Whether the holder belongs to the target's current generation."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look saw."""

    generations: tuple[int, ...] = ()
    """Judged generations of which something is alive that should not be."""
    retentions: tuple[Retention, ...] = ()


@dataclass(slots=True)
class Scene:
    """Whom to look at, and whose references do not count.

    `rename` gives the stable form of a name; `spared` are namespaces whose bindings of the original generation are the
    caller's own business: the test module's, and the modules of the frames that called the check.
    """

    ledger: Ledger
    parked: Parked
    namespaces: dict[str, dict[str, Any]]
    rename: Callable[[str], str]
    spared: set[int] = field(default_factory=set)
    extra_roots: list[Root] = field(default_factory=list)
    skip: list[Any] = field(default_factory=list)

    @property
    def kept(self) -> int | None:
        """The generation that the check keeps, or `None` when it keeps none."""
        return self.parked.generation if self.parked.containers else None

    @property
    def shared(self) -> list[dict[str, Any]]:
        """The namespaces that several generations share."""
        return [n for n in self.namespaces.values() if self.ledger.is_shared(n)]


def look(scene: Scene) -> Look:
    """Judge who is alive, and find every holder if anybody is who should not be."""
    ledger, parked = scene.ledger, scene.parked
    suspicion = None
    if parked.containers and parked.generation < ledger.current - GRACE:
        suspicion = suspect(parked, ledger, scene.namespaces)
        if not suspicion.is_held:
            suspicion = None
    if suspicion is None and not is_suspicious(ledger, scene.shared, scene.kept):
        return Look()
    retained = gather(ledger, scene.shared, scene.kept)
    names: dict[int, str] = {}
    if suspicion is not None:
        _add_parked(retained, suspicion, parked.generation, names)
    del suspicion
    retentions = _find(scene, retained, names)
    return Look(tuple(sorted({g for retention in retentions for g in retention.generations})), retentions)


def _add_parked(retained: Retained, suspicion: Suspicion, generation: int, names: dict[int, str]) -> None:
    for o in suspicion.own:
        retained.add(o, generation)
    for value in suspicion.values:
        names[id(value)] = suspicion.data[id(value)]
        retained.add(value, generation)


def _find(scene: Scene, retained: Retained, names: dict[int, str]) -> tuple[Retention, ...]:
    skip: list[Any] = [retained, retained.born, retained.objects, names, scene, *scene.skip]
    skip += [scene.parked, scene.parked.containers, scene.parked.namespaces, *scene.parked.containers]
    skip += [part for pair in scene.parked.namespaces.values() for part in (pair, pair[1])]
    skip_ids = set(map(id, skip))
    first, later = roots.collect()
    sweep = Sweep([*scene.extra_roots, *first], later, retained.objects, skip_ids)
    try:
        groups = _grouped(sweep, scene, retained, names)
        missing = _unexplained(groups, scene, retained, names, sweep)
        if missing:
            mine = skip_ids | native.own_closure([skip, first, later, groups, missing, sweep], sweep)
            _add_native(groups, missing, scene, retained, names, sweep, mine)
        return _retentions(groups, _reaches(groups, sweep, retained))
    finally:
        sweep.close()


def _grouped(
    sweep: Sweep, scene: Scene, retained: Retained, names: dict[int, str]
) -> dict[tuple[Any, ...], _Group]:
    groups: dict[tuple[Any, ...], _Group] = {}
    for arrival in sweep.arrivals():
        trace = _trace_of(arrival, scene, retained, names)
        if not trace.is_spared:
            _take(groups, trace)
    return groups


@dataclass(slots=True)
class _Trace:
    """One arrival put into words, with the objects that later steps still need."""

    root: str
    holder: Holder
    held: Held
    steps: tuple[str, ...]
    is_binding: bool
    is_within: bool
    is_spared: bool
    sink: Any


@dataclass(slots=True)
class _Group:
    first: _Trace
    sinks: dict[int, Any] = field(default_factory=dict)
    items: int = 0


def _take(groups: dict[tuple[Any, ...], _Group], trace: _Trace) -> None:
    key = (trace.root, trace.steps, trace.holder.type)
    group = groups.setdefault(key, _Group(trace))
    group.sinks[id(trace.sink)] = trace.sink
    group.items += 1


def _trace_of(arrival: Arrival, scene: Scene, retained: Retained, names: dict[int, str]) -> _Trace:
    path = arrival.path
    sink = path[-1]
    at = native.holder_of(path) if len(path) > 1 else 0
    folded = references.folded(path)
    before, top, held_by = _split(folded, path, at)
    label, root_path = _generic(arrival.root.label, scene), _generic(arrival.root.path, scene)
    steps = tuple(_erased(name) for _, name, _ in before)
    if not folded and arrival.root.kind == "sys.modules":  # the module table itself holds an old module
        label = root_path = re.sub(r"\[.*\]", "[*]", arrival.root.label)
    held = _held(top, names, scene)
    holder = Holder(
        root=arrival.root.kind, path=root_path + "".join(steps), type=_holder_type(held_by, arrival.root)
    )
    tail = _tail(top, sink, folded[len(before) :], scene)
    return _Trace(
        root=label,
        holder=holder,
        held=held,
        steps=(*steps, describe.spelled(held), *tail),
        is_binding=_is_binding(held_by, steps, arrival.root),
        is_within=_is_within(held_by, scene),
        is_spared=retained.born[id(sink)] == scene.kept and _is_spared(arrival, scene),
        sink=sink,
    )


def _split(
    folded: list[tuple[Any, str, Any]], path: tuple[Any, ...], at: int
) -> tuple[list[tuple[Any, str, Any]], Any, Any]:
    """The steps up to the held object, the held object, and the object that holds it (`None`: the root itself)."""
    if not folded:
        return [], path[-1], None
    holder = path[at]
    if describe.is_carrier(holder):  # the root's own value is a carrier, so the root is the holder
        return [], path[0], None
    before: list[tuple[Any, str, Any]] = []
    positions = {id(o): index for index, o in enumerate(path)}
    for parent, name, child in folded:
        before.append((parent, name, child))
        if positions[id(child)] > at:
            return before, child, parent
    return before, folded[-1][2], folded[-1][0]


def _holder_type(holder: Any, root: Root) -> str:
    if holder is None:
        return root.kind
    if foreign.is_module(holder):
        return "module"
    return "class" if foreign.is_class(holder) else foreign.type_name(holder)


_DIGITS = re.compile(r"\d|0x")


def _erased(step: str) -> str:
    """A step without what changes from round to round: indexes, and keys that carry a number."""
    if step.startswith("["):
        is_name = step.startswith("['") and not _DIGITS.search(step)
        return step if is_name else "[*]"
    return step


def _generic(text: str, scene: Scene) -> str:
    return scene.rename(text)


def _held(top: Any, names: dict[int, str], scene: Scene) -> Held:
    name = names.get(id(top))
    if name is not None:
        return Held(type=foreign.type_name(top), name=scene.rename(name), file=None, line=None)
    return describe.describe(top, scene.rename)


def _tail(top: Any, sink: Any, rest: list[tuple[Any, str, Any]], scene: Scene) -> list[str]:
    """The steps from the held object to the old namespace."""
    steps = [_erased(name) for _, name, _ in rest] if top is not sink else []
    return [*steps, *_to_namespace(sink, scene.ledger)]


def _to_namespace(o: Any, ledger: Ledger) -> list[str]:
    """How an object of the target leads to its namespace, where that is one of the old ones."""
    if type(o) is types.FunctionType:
        return [] if ledger.is_shared(o.__globals__) else [".__globals__"]
    if foreign.is_module(o):
        return [".__dict__"]
    if foreign.is_class(o):
        named = (
            (name, value)
            for name, value in foreign.class_dict(o).items()
            if type(value) is types.FunctionType
        )
        name, function = next(named, ("", None))
        return [f".{name}", *_to_namespace(function, ledger)] if function is not None else []
    if type(o) is dict or not ledger.owns(foreign.class_module(type(o))):
        return []
    rest = _to_namespace(type(o), ledger)
    return [".__class__", *rest] if rest else []


def _is_binding(holder: Any, steps: tuple[str, ...], root: Root) -> bool:
    if holder is None or not steps:
        return False
    last = steps[-1]
    if foreign.is_module(holder) or foreign.is_class(holder):
        return last.startswith(".")
    return last.startswith((".__defaults__", ".__kwdefaults__", ".__closure__", ".__wrapped__"))


def _is_within(holder: Any, scene: Scene) -> bool:
    if holder is None:
        return False
    if foreign.is_module(holder):
        namespace = foreign.module_dict(holder)
        return any(namespace is own for own in scene.namespaces.values())
    return scene.ledger.born(holder) is not None


def _is_spared(arrival: Arrival, scene: Scene) -> bool:
    """Whether a reference to the original generation does not count.

    It is the caller's own, a local of the test or a global of its file; or it comes from code of the unit that is
    older than the check, which an earlier check left: checks are independent.
    """
    if arrival.root.kind == "frame":
        return True
    return any(id(o) in scene.spared or _is_left_over(o, scene) for o in arrival.path[:-1])


def _is_left_over(o: Any, scene: Scene) -> bool:
    if type(o) is not types.FunctionType or not scene.ledger.owns(foreign.module_name(o.__globals__)):
        return False
    return scene.ledger.born(o) is None


def _reaches(groups: dict[tuple[Any, ...], _Group], sweep: Sweep, retained: Retained) -> dict[Any, Reach]:
    cache: dict[frozenset[int], Reach] = {}
    return {key: reach_of(group.sinks, sweep, retained, cache) for key, group in groups.items()}


def _unexplained(
    groups: dict[tuple[Any, ...], _Group],
    scene: Scene,
    retained: Retained,
    names: dict[int, str],
    sweep: Sweep,
) -> dict[int, Any]:
    """Retained objects that no holder found so far keeps, and that not only the check itself keeps."""
    explained = {key for reach in _reaches(groups, sweep, retained).values() for key in reach.ids}
    explained |= _parked_ids(scene, sweep)
    return {
        key: o
        for key, o in retained.objects.items()
        if key not in explained and retained.born[key] != scene.kept and key not in names
    }


def _add_native(
    groups: dict[tuple[Any, ...], _Group],
    missing: dict[int, Any],
    scene: Scene,
    retained: Retained,
    names: dict[int, str],
    sweep: Sweep,
    mine: set[int],
) -> None:
    for holder in native.find(sweep, missing, mine):
        kind = holder.registry or "native"
        root = holder.root or Root(kind, kind, kind, None)
        trace = _trace_of(Arrival(root, holder.path), scene, retained, names)
        if holder.opaque:
            trace.holder = Holder(root="native", path=trace.holder.path, type=holder.opaque)
        _take(groups, trace)


def _parked_ids(scene: Scene, sweep: Sweep) -> set[int]:
    """Ids of what only the parked generation holds: the check's doing, so never a finding."""
    stack: list[Any] = list(scene.parked.containers)
    ids = set(map(id, stack))
    while stack:
        for o in gc.get_referents(stack.pop()):
            if id(o) not in ids and id(o) not in sweep.seen and gc.is_tracked(o):
                ids.add(id(o))
                stack.append(o)
    return ids


def _retentions(groups: dict[tuple[Any, ...], _Group], reached: dict[Any, Reach]) -> tuple[Retention, ...]:
    holders_of: dict[int, int] = {}
    for key in groups:
        for generation in reached[key].generations:
            holders_of[generation] = holders_of.get(generation, 0) + 1
    out = []
    for key, group in groups.items():
        reach, trace = reached[key], group.first
        out.append(
            Retention(
                holder=trace.holder,
                held=trace.held,
                trace=(trace.root, *trace.steps),
                generations=tuple(sorted(reach.generations)),
                items=group.items,
                objects=reach.objects,
                size_bytes=reach.size_bytes,
                is_sole=all(holders_of[g] == 1 for g in reach.generations),
                is_binding=trace.is_binding,
                is_within=trace.is_within,
            )
        )
    return tuple(out)


def caller_namespaces() -> Iterable[dict[str, Any]]:
    """Globals of the frames that called the check, this tool's own excluded."""
    for frame in roots.stack():
        yield frame.f_globals
