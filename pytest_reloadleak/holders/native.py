"""Find holders in C code, which the sweep cannot reach.

The interpreter or an extension holds a live object that the sweep did not reach. Two facts reveal more without
guessing. Some registries of the interpreter (codec search functions, fork hooks) are ordinary lists or dicts to which
no Python object refers; the entries that CPython itself puts there identify them. And some types hide what they hold
from the collector (a `datetime` its `tzinfo`, code its constants, an array of objects its items), but return it by
attribute or item.
"""

from __future__ import annotations

import codecs
import datetime
import importlib
import sys
import types
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import describe, foreign
from pytest_reloadleak.heap.own_objects import is_frame_or_own_generator
from pytest_reloadleak.heap.unseen_references import callables_in_c, in_greenlet
from pytest_reloadleak.holders.sweep import SLICE, Cause, Root, Sweep


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class NativeHolder:
    """A reference to a sink that no path from a root reaches. Lives only during one diagnosis."""

    registry: str | None
    """The interpreter's registry, if it was recognised."""
    opaque: str | None
    """Name of the type that hides the reference from the collector."""
    path: tuple[Any, ...]
    """Objects from the topmost visible one to the sink, both included."""
    root: Root | None = None
    """The root of an opaque holder's path; `None` for a path that starts in C."""
    is_bare: bool = False
    """Whether nothing is visible except that C code refers to the first object."""


def find(sweep: Sweep, sinks: dict[int, Any], skip: set[int]) -> list[NativeHolder]:
    """Find the holders of the `sinks`, none of which the sweep reached.

    Args:
        sweep: the finished sweep, still open.
        sinks: the unreached objects by id.
        skip: ids of the tool's own objects.
    """
    explained: set[int] = set()
    found = _below_unreached(_unreached_parents(sweep, skip, sinks), sinks, sweep, explained)
    found += _below_opaque(sinks, sweep, explained)
    rest = [o for key, o in sinks.items() if key not in explained]
    for path in _held_in_c(rest, sweep, explained):
        found.append(NativeHolder(None, None, path, is_bare=True))
    return found


def registered(registry: str, entries: Sequence[Any], rename: Callable[[str], str]) -> Cause:
    """The cause for entries of a registry, named by the objects in them, with the same name in each round."""
    names = dict.fromkeys(_entry_name(entry, rename) for entry in entries)
    return Cause(
        "registration", registry, f"{registry} {', '.join(names)}", foreign.type_name(entries[0]), registry
    )


def _entry_name(o: Any, rename: Callable[[str], str]) -> str:
    if type(o) is types.BuiltinFunctionType:
        return foreign.text(o.__qualname__)
    return describe.describe(o, rename).name


def registration(
    holder: NativeHolder, watched: Mapping[int, Cause], rename: Callable[[str], str]
) -> Root | None:
    """The registration through which C code holds an object, as a root; `None` if no known one does."""
    cause = next((watched[id(o)] for o in holder.path if id(o) in watched), None)
    if cause is None:
        cause = _unwatched(holder, watched, rename)
    return Root(cause.root, cause.path, cause.path, None, cause=cause) if cause is not None else None


def _unwatched(
    holder: NativeHolder, watched: Mapping[int, Cause], rename: Callable[[str], str]
) -> Cause | None:
    """The cause for an entry that was registered before the check began."""
    # Its registry identifies it. If that cannot be recognised (audit hooks), a watched entry of the same name does.
    entry = holder.path[-1 if holder.registry is None else 1]
    for registry in [holder.registry] if holder.registry is not None else sorted(_ANONYMOUS):
        cause = registered(registry, (entry,), rename)
        name = cause.path.partition(" ")[2]
        for other in watched.values():
            if other.registry == cause.registry and name in other.path.partition(" ")[2].split(", "):
                return other
    return registered(holder.registry, (entry,), rename) if holder.registry is not None else None


_ANONYMOUS = ("atexit", "audit")
"""Registries whose entries do not identify the registry."""


def _below_unreached(
    parents: dict[int, list[Any]], sinks: dict[int, Any], sweep: Sweep, explained: set[int]
) -> list[NativeHolder]:
    found: list[NativeHolder] = []
    for key, sink in sinks.items():
        if key in parents:
            found += [NativeHolder(_registry(path[0]), None, tuple(path)) for path in _climb(sink, parents)]
            explained |= led_to([sink], sweep)
    return found


def _below_opaque(sinks: dict[int, Any], sweep: Sweep, explained: set[int]) -> list[NativeHolder]:
    found: list[NativeHolder] = []
    for root, path in _opaque_holders(sweep, {key: o for key, o in sinks.items() if key not in explained}):
        found.append(NativeHolder(None, foreign.type_name(path[-2]), path, root))
        explained |= led_to(path[-1:], sweep)
    return found


def _held_in_c(rest: list[Any], sweep: Sweep, explained: set[int]) -> list[tuple[Any, ...]]:
    """Paths from objects with a reference that the collector does not see; then from what else of `rest` is left."""
    # Like the collector's own trial deletion, this counts the references among everything that `rest` leads to, and
    # compares them with the reference counts.
    inner = _inner_references(rest, sweep)
    yardstick = [object()]
    ours = gc.getrefcount(yardstick[0]) + 2  # `sweep.sinks` and the caller's table refer to each of them too
    held = [at for at in range(len(rest)) if gc.getrefcount(rest[at]) - ours > inner[id(rest[at])]]
    # The unseen reference may also lead to an object in between that is not the target's: a bound method, a partial.
    others = callables_in_c(set(inner) - set(map(id, rest))) if len(held) < len(rest) else []
    out: list[tuple[Any, ...]] = []
    for o in (*(rest[at] for at in held), *others, *rest):
        path = _down_to(o, rest, inner) if id(o) not in explained else None
        if path is not None:
            out.append(path)
            explained |= led_to([o], sweep)
    return out


def _down_to(start: Any, ends: list[Any], inner: Collection[int]) -> tuple[Any, ...] | None:
    """The shortest path from an object to one of `ends`, through objects with the ids `inner`; `None` if none leads."""
    wanted, seen = set(map(id, ends)), {id(start)}
    level: list[tuple[Any, ...]] = [(start,)]
    while level:
        for path in level:
            if id(path[-1]) in wanted:
                return path
        below = [(*path, o) for path in level for o in gc.get_referents(path[-1]) if id(o) in inner]
        level = [path for path in below if id(path[-1]) not in seen]
        seen |= {id(path[-1]) for path in level}
    return None


def _inner_references(rest: list[Any], sweep: Sweep) -> dict[int, int]:
    """By id, for each object that `rest` leads to: the number of references to it from these objects."""
    # A separate function, as its last local would otherwise be one more reference.
    inner = dict.fromkeys(led_to(rest, sweep), 0)
    for o in gc.get_objects():
        if id(o) in inner:
            for child in gc.get_referents(o):
                if id(child) in inner:
                    inner[id(child)] += 1
    return inner


def own_closure(ours: Iterable[Any], sweep: Sweep) -> set[int]:
    """Ids of the tool's own containers: everything that `ours` leads to, except the program's objects."""
    stack = list(ours)
    ids = set(map(id, stack))
    while stack:
        for o in gc.get_referents(stack.pop()):
            key = id(o)
            if key not in ids and key not in sweep.seen and key not in sweep.sinks and gc.is_tracked(o):
                ids.add(key)
                stack.append(o)
    return ids


def _unreached_parents(sweep: Sweep, skip: set[int], sinks: dict[int, Any]) -> dict[int, list[Any]]:
    """For each unreached object, the unreached objects that refer to it, except those inside the sinks."""
    mine = skip | sweep.own_ids()
    rest = [
        o
        for o in gc.get_objects()
        if id(o) not in sweep.seen and id(o) not in sweep.sinks and id(o) not in mine
    ]
    inside = led_to(sweep.sinks.values(), sweep)
    parents: dict[int, list[Any]] = {}
    for o in rest:
        if id(o) in inside or is_frame_or_own_generator(o):
            continue
        stack = list(in_greenlet(o, sinks))
        if stack and any(id(above) in sweep.seen for above in gc.get_referrers(o)):
            continue  # the sweep reached it, and its path says more
        for child in (*gc.get_referents(o), *stack):
            if id(child) not in sweep.seen:
                parents.setdefault(id(child), []).append(o)
    return parents


def led_to(start: Iterable[Any], sweep: Sweep) -> set[int]:
    """Ids of `start` and of the unreached objects that it leads to: these are its own parts, and not its holders."""
    stack = list(start)
    inside = set(map(id, stack))
    while stack:
        for o in gc.get_referents(stack.pop()):
            if id(o) not in inside and id(o) not in sweep.seen and gc.is_tracked(o):
                inside.add(id(o))
                stack.append(o)
    return inside


def _climb(sink: Any, parents: dict[int, list[Any]]) -> list[list[Any]]:
    """Paths down to `sink` from the topmost unreached objects above it."""
    out = []
    for parent in parents.get(id(sink), ()):
        path, seen = [parent, sink], {id(sink), id(parent)}
        while above := [o for o in parents.get(id(path[0]), ()) if id(o) not in seen]:
            path.insert(0, above[0])
            seen.add(id(above[0]))
        out.append(path)
    return out


def _registry(top: Any) -> str | None:
    """The name of the interpreter's registry that an unreachable list or dict is; `None` for any other."""
    if type(top) is list:
        # `logging` adds its own hooks to these lists, which identify them.
        importlib.import_module("logging")
        members = set(map(id, top))
        encodings = sys.modules.get("encodings")
        if encodings is not None and id(vars(encodings).get("search_function")) in members:
            return "codecs"
        if members & set(map(id, _fork_hooks())) or any(map(_is_lock_of_logging, top)):
            return "fork"
    if type(top) is dict and all(
        dict.get(top, name) is codecs.lookup_error(name) for name in ("strict", "ignore")
    ):
        return "codecs"
    return None


def _is_lock_of_logging(o: Any) -> bool:
    """Whether `o` is `logging._lock.acquire`, which is in the list of hooks before a fork since 3.13."""
    lock = vars(sys.modules["logging"]).get("_lock") if "logging" in sys.modules else None
    return type(o) is types.BuiltinFunctionType and lock is not None and o.__self__ is lock


def _fork_hooks() -> Iterator[object]:
    """Functions that the standard library registers with `os.register_at_fork`, if they have names."""
    for module, name in (
        ("threading", "_after_fork"),
        ("logging", "_after_at_fork_child_reinit_locks"),
        ("logging", "_acquireLock"),
        ("logging", "_releaseLock"),
        ("logging", "_prepareFork"),  # since 3.14
        ("logging", "_afterFork"),
    ):
        loaded = sys.modules.get(module)
        hook = vars(loaded).get(name) if loaded is not None else None
        if hook is not None:
            yield hook


_TZINFO = (
    (datetime.datetime, datetime.datetime.__dict__["tzinfo"].__get__),
    (datetime.time, datetime.time.__dict__["tzinfo"].__get__),
)


def _hidden(o: Any) -> Sequence[Any]:
    """The objects that an object holds but that its type hides from the collector."""
    for cls, tzinfo in _TZINFO:
        if issubclass(type(o), cls):
            return (tzinfo(o),)
    if type(o) is types.CodeType:
        return o.co_consts
    if foreign.type_name(o) == "numpy.ndarray" and o.dtype.hasobject:
        return list(o.flat)
    return ()


def in_c(holder: NativeHolder) -> tuple[Root, tuple[Any, ...]]:
    """The root of an object that C code holds, and the path from that root.

    The first object on the path whose type reveals the library is the root: a greenlet, or an object of an extension
    module, whose types have no Python functions.
    """
    kind = holder.registry or "native"
    at = next((at for at, o in enumerate(holder.path[:-1]) if _reveals_library(o)), None)
    if at is None or kind != "native":
        return Root(kind, kind, kind, None), holder.path
    label = f"{kind} {foreign.type_name(holder.path[at])}"
    return Root(kind, label, label, None), holder.path[at:]


def _reveals_library(o: object) -> bool:
    cls = type(o)
    name = foreign.class_module(cls).partition(".")[0]
    if name in {"", "builtins"} or name in sys.stdlib_module_names or foreign.is_class(o):
        return False
    is_python = any(type(value) is types.FunctionType for value in foreign.class_dict(cls).values())
    return not (is_python and gc.is_tracked(o))


def _opaque_holders(sweep: Sweep, sinks: dict[int, Any]) -> list[tuple[Root, tuple[Any, ...]]]:
    """Roots and paths to `sinks` through reached objects that hide the last reference from the collector."""
    # An untracked instance hides the reference to its class.
    found = []
    for level, position, o in _untracked(sweep) if sinks else ():
        shown = (*_hidden(o), *in_greenlet(o, sinks), type(o))
        hidden = list({id(item): item for item in shown if id(item) in sinks}.values())
        traced = sweep.trace(level, position) if hidden else None
        if traced is not None:
            found += [(traced[0], (*traced[1], o, item)) for item in hidden]
    return found


def _untracked(sweep: Sweep) -> Iterable[tuple[int, int, Any]]:
    """Untracked objects to which reached ones refer, each with level and position of the reached one."""
    for level, objects in enumerate(sweep.levels):
        for at in range(0, len(objects), SLICE):
            if all(
                gc.is_tracked(o) or foreign.is_atom(o)
                for o in gc.get_referents_of_all(*objects[at : at + SLICE])
            ):
                continue
            for position in range(at, min(len(objects), at + SLICE)):
                for o in gc.get_referents(objects[position]):
                    if not gc.is_tracked(o) and not foreign.is_atom(o):
                        yield level, position, o


def is_uninformative(holder: NativeHolder, root: Root) -> bool:
    """Whether a native holder shows only that it exists: no path, or a container to which nothing refers."""
    if holder.is_bare:
        return True
    is_bare = root.kind == "native" and root.value is None and foreign.is_exactly(holder.path[0], _BARE)
    return len(holder.path) < 2 or is_bare


_BARE = foreign.type_ids(tuple, list, dict, types.CellType)
