"""Name the references of one arrival: the holder, what it holds, and the path from the root to the old namespace."""

from __future__ import annotations

import collections
import re
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pytest_reloadleak.generations.earlier_checks import is_left_over
from pytest_reloadleak.generations.ledger import Ledger
from pytest_reloadleak.heap import describe, foreign, references
from pytest_reloadleak.holders import patches
from pytest_reloadleak.holders.retained import Retained
from pytest_reloadleak.holders.runner_noise import is_noise
from pytest_reloadleak.holders.search import Search, is_timer
from pytest_reloadleak.holders.sweep import Arrival, Cause
from pytest_reloadleak.model import Held, Holder

Step = tuple[Any, str, Any]
"""Parent, name of the reference, child."""


@dataclass(slots=True, eq=False, repr=False)
class Trace:
    """One arrival as text, with the sink for later steps. Lives only during one diagnosis."""

    root: str
    holder: Holder
    held: Held
    to_held: tuple[str, ...]
    """Steps from the root to the held object, which is the last."""
    tail: tuple[str, ...]
    """Steps from the held object to the old namespace. References that differ only here have one cause."""
    is_binding: bool
    is_within: bool
    is_spared: bool
    """Whether the reference does not count."""
    top: int
    """Id of the held object."""
    sink: Any
    is_one: bool = False
    """Whether all references below its root have one cause."""
    cause: Cause | None = None
    """The effect that keeps the object."""
    cache: tuple[str, int] | None = None
    """As `Retention.cache`."""
    is_bare: bool = False
    """Whether the sink says nothing that its namespace does not say."""
    kinds: tuple[int, ...] = ()
    """Ids of the types of the objects on the way to the held object, that one included."""

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for references with one cause: those that differ only in numbers belong to different rounds."""
        if self.cause is not None:
            return (self.cause,)
        if self.is_one:
            return (self.root, self.holder.type)
        path = without_numbers(self.holder.path)
        return (self.root, tuple(map(without_numbers, self.to_held)), path, self.holder.type)

    @property
    def exact_key(self) -> tuple[object, ...]:
        """Equal for references with the same steps, numbers included; numbers in the held object's name may differ."""
        if self.cause is not None or self.is_one:
            return self.key
        steps = (*self.to_held[:-1], without_numbers(self.to_held[-1]))
        return (self.root, steps, self.holder.path, self.holder.type)

    @property
    def rank(self) -> tuple[bool, int, tuple[str, ...]]:
        """Sort key: of several traces of one cause the lowest is reported, since the order of discovery may change."""
        steps = (*self.to_held, *self.tail)
        return self.is_bare, len(steps), steps


def trace_of(arrival: Arrival, search: Search, retained: Retained) -> Trace:
    """Name everything on the path of an arrival."""
    path, root = arrival.path, arrival.root
    sink = path[-1]
    folded = references.folded(path)
    before, top, holder = _split(folded, path, search.ledger.owns)
    steps = tuple(_stable(name, search.rename) for _, name, _ in before)
    label, start = search.rename(root.label), search.rename(root.path)
    if not folded and root.kind == "sys.modules":  # the module table itself holds an old module
        label = start = "sys.modules[*]"
    held = _held(top, retained, search)
    tail = [_stable(name, search.rename) for _, name, _ in folded[len(before) :]] if top is not sink else []
    return Trace(
        root=label,
        holder=Holder(root=root.kind, path=start + "".join(steps), type=_holder_type(holder, root.kind)),
        held=held,
        to_held=(*steps, describe.spelled(held)),
        tail=(*tail, *_to_namespace(sink, search.ledger)),
        is_binding=_is_binding(holder, steps),
        is_within=_is_within(holder, search),
        is_spared=retained.born[id(sink)] == search.kept and _is_spared(arrival, search),
        top=id(top),
        sink=sink,
        cache=_cache(path, search.ledger.owns),
        is_bare=type(sink) is dict or foreign.is_module(sink) or _is_run_by(path[-2:], sink),
        kinds=tuple(id(type(o)) for o in (*(parent for parent, _, _ in before), top)),
    )


def _is_run_by(pair: Sequence[Any], sink: Any) -> bool:
    """Whether a frame leads to the function that it runs. Since 3.11 the body of a module counts as such a function."""
    runs = pair[0].f_code if type(pair[0]) is types.FrameType else None
    return type(sink) is types.FunctionType and sink.__code__ is runs


def _cache(path: Sequence[Any], owns: Callable[[str], bool]) -> tuple[str, int] | None:
    """The first bounded cache outside the target on a path; `None` if there is none."""
    found = (references.bounded_cache(o, child) for o, child in pairwise(path))
    return next((cache for cache in found if cache is not None and not owns(cache[0])), None)


def of_owned_root(arrival: Arrival, search: Search, retained: Retained) -> Trace:
    """The trace of an arrival below a thread or task of one generation, which is the holder."""
    # The many references from it into its own generation have one cause.
    trace = trace_of(arrival, search, retained)
    root = arrival.root
    holder = Holder(root=root.kind, path=root.path, type=foreign.type_name(root.value))
    trace.holder, trace.is_binding, trace.top = holder, False, id(root.value)
    trace.is_one = True
    return trace


def of_effect(arrival: Arrival, cause: Cause, search: Search, retained: Retained) -> Trace:
    """The trace of an arrival below an effect, which is the cause of everything that it keeps."""
    trace = trace_of(arrival, search, retained)
    trace.holder = Holder(root=cause.root, path=cause.path, type=cause.type)
    trace.is_binding, trace.is_one, trace.cause = False, True, cause
    trace.is_spared = trace.is_spared and not is_noise(cause)
    trace.top = arrival.root.effect if arrival.root.cause is not None else id(trace.sink)
    return trace


def cause_at(arrival: Arrival, search: Search) -> Cause | None:
    """The effect, keeper of the test runner, patched attribute or kept timer on the path of an arrival, or `None`."""
    if arrival.root.cause is not None:
        return arrival.root.cause
    if (cause := search.noise.cause_of_place(arrival)) is not None:
        return cause
    timer = next((n for n, o in enumerate(arrival.path[:-1]) if is_timer(o)), None)
    if timer is not None:
        steps = references.folded(arrival.path[: timer + 1])
        # The next one of a timer that has run belongs to it. Any other that a loop has to run merely wakes other code.
        is_set = any(name == "._scheduled" for _, name, _ in steps)
        if is_set or arrival.root.kind == "thread" or arrival.root.path == "threading":
            cause = search.set_again(arrival.path[timer + 1 :])
        if cause is None and not is_set:
            cause = search.timer_of(arrival.path, timer, arrival.root)
            cause = cause or _kept_timer(arrival, steps, timer, search)
        if cause is not None:
            return cause
    if arrival.root.kind != "sys.modules":
        return None
    if len(arrival.path) == 1:  # the module table itself holds an old module under a separate name
        return Cause("registration", "sys.modules", "sys.modules[*]", "module", "sys.modules")
    if foreign.is_module(arrival.path[0]) and search.ledger.owns(arrival.root.path):
        return patches.by_slot(arrival.path, search) or patches.by_entry(arrival.path, search)
    name = search.rename(arrival.root.path)
    patch = patches.patch_of(arrival.path, name, search.ledger.owns, search.before)
    return patch if patch is not None else patches.by_slot_beyond(arrival.path, search)


def runner_cause(arrival: Arrival, search: Search) -> Cause | None:
    """The only part of the test runner that keeps the object, such as a recorder or a fixture's value."""
    return search.noise.cause_of_runner(arrival, lambda o: _is_plain(o, search))


def _kept_timer(arrival: Arrival, steps: list[Step], at: int, search: Search) -> Cause:
    """The cause for a kept timer that is over or cancelled but keeps its function. A running timer is an effect."""
    where = arrival.root.path + "".join(_stable(name, search.rename) for _, name, _ in steps)
    path = f"timer kept by {without_numbers(search.rename(where))}"
    return Cause("live-timer", arrival.root.kind, path, foreign.type_name(arrival.path[at]))


def is_item(path: Sequence[Any]) -> bool:
    """Whether the last object of a path is an item of a collection, rather than a value of a namespace or closure."""
    if len(path) < 2 or not foreign.is_exactly(path[-2], _COLLECTIONS):
        return False
    owner = path[-3] if len(path) > 2 else None
    return not (type(owner) is types.FunctionType or references.is_namespace(owner, path[-2]))


_COLLECTIONS = foreign.type_ids(list, tuple, dict, set, frozenset, collections.deque)


def holder_index(path: Sequence[object], owns: Callable[[str], bool]) -> int:
    """Index of the holder in a path: the last object before the sink that is not a mere carrier."""
    # The holder of an exception keeps the frames of its traceback, their callers' frames and all their locals. So it
    # holds everything below the exception.
    entered = describe.stack_at(path)
    at = (len(path) - 1 if entered is None else entered) - 1
    while at > 0 and describe.is_carrier(path[at], owns):
        at -= 1
    return max(at, 0)


def _split(
    folded: list[Step], path: Sequence[Any], owns: Callable[[str], bool]
) -> tuple[list[Step], Any, Any]:
    """The steps up to the held object, the held object, and the object that holds it (`None` for the root itself)."""
    if not folded:
        return [], path[-1], None
    at = holder_index(path, owns)
    if describe.is_carrier(path[at], owns):  # the root's own value is a carrier, so the root is the holder
        return [], path[0], None
    positions = {id(o): index for index, o in enumerate(path)}
    count = next(n for n, (_, _, child) in enumerate(folded, start=1) if positions[id(child)] > at)
    parent, _, child = folded[count - 1]
    return folded[:count], child, parent


def _holder_type(holder: Any, root_kind: str) -> str:
    if holder is None:
        return root_kind
    if foreign.is_module(holder):
        return "module"
    return "class" if foreign.is_class(holder) else foreign.type_name(holder)


_NUMBERED = re.compile(r"\d+")


def _stable(step: str, rename: Callable[[str], str]) -> str:
    """A step without what changes from round to round: indexes, and keys with a number."""
    if step.startswith("["):
        return rename(step) if step.startswith("['") and not _NUMBERED.search(step) else "[*]"
    return rename(step) if step.startswith("<in ") else step


def without_numbers(text: str) -> str:
    """A path or step with `*` for each number."""
    return _NUMBERED.sub("*", text)


def _held(top: Any, retained: Retained, search: Search) -> Held:
    name = retained.names.get(id(top))
    if name is not None:
        return Held(type=foreign.type_name(top), name=search.rename(name), file=None, line=None)
    return describe.describe(top, search.rename)


def _to_namespace(o: Any, ledger: Ledger) -> list[str]:
    """How an object of the target leads to its namespace, if that is an old one."""
    if type(o) is types.FunctionType:
        return [] if ledger.markers.is_shared(o.__globals__) else [".__globals__"]
    if foreign.is_module(o):
        return [".__dict__"]
    if foreign.is_class(o):
        for name, value in foreign.class_dict(o).items():
            if type(value) is types.FunctionType:
                return [f".{foreign.text(name)}", *_to_namespace(value, ledger)]
        return []
    if type(o) is dict or not ledger.owns_class(type(o)):
        return []
    rest = _to_namespace(type(o), ledger)
    return [".__class__", *rest] if rest else []


def _is_binding(holder: Any, steps: tuple[str, ...]) -> bool:
    if holder is None or not steps:
        return False
    if foreign.is_module(holder) or foreign.is_class(holder):
        return steps[-1].startswith(".")
    return steps[-1].startswith((".__defaults__", ".__kwdefaults__", ".__closure__", ".__wrapped__"))


def _is_within(holder: Any, search: Search) -> bool:
    """Whether a holder is of the target's current generation. An extension module of the unit never is: it stays."""
    if holder is None:
        return False
    if foreign.is_module(holder):
        namespace = foreign.module_dict(holder) or {}
        is_own = any(namespace is own for own in search.namespaces.values())
        return is_own and not foreign.is_extension(dict.get(namespace, "__spec__"))
    return search.ledger.born(holder) is not None


def _is_spared(arrival: Arrival, search: Search) -> bool:
    """Whether a reference to the original generation does not count."""
    # The reference is the caller's own: a local of the test or a global of its file. Or it comes from older code of the
    # unit that an earlier check left: checks are independent.
    above = arrival.path[:-1]
    if (arrival.root.is_caller or arrival.root.kind == "fixture") and all(
        _is_plain(o, search) for o in above
    ):
        return True
    # A coroutine that waits for the check is a caller too, whichever way its task leads to it.
    callers = [n for n, o in enumerate(above) if _is_of_caller(o, search)]
    if callers and all(_is_plain(o, search) for o in above[callers[-1] + 1 :]):
        return True
    return any(id(o) in search.spared or is_left_over(o) for o in above)


def _is_of_caller(o: Any, search: Search) -> bool:
    """Whether `o` is a frame that called the check, or the coroutine or generator that runs in one."""
    frame = o
    if type(o) is types.CoroutineType:
        frame = o.cr_frame
    elif type(o) is types.GeneratorType:
        frame = o.gi_frame
    elif type(o) is types.AsyncGeneratorType:
        frame = o.ag_frame
    return id(frame) in search.callers


_CONTAINERS = foreign.type_ids(list, tuple, dict, set, frozenset)


def _is_plain(o: Any, search: Search) -> bool:
    """Whether `o` merely passes a local on: a builtin container, a carrier, or a function that the caller made."""
    if id(o) in search.original.entries or (
        type(o) is types.FunctionType and id(o.__globals__) in search.spared
    ):
        return True
    return foreign.is_exactly(o, _CONTAINERS) or describe.is_carrier(o, search.ledger.owns)
