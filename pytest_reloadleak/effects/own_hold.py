"""Leave out effects that live only because the check keeps the original generation.

Without the check the interpreter would have ended them with the original, as it did with those of later generations: a
task that nothing can wake, the thread of a pool that the original has, a function that is called when an object dies.
"""

from __future__ import annotations

import threading
import types
import weakref
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from pytest_reloadleak.effects.groups import Member
from pytest_reloadleak.generations.original import OnlyKept, only_kept
from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.heap.own_objects import outward
from pytest_reloadleak.heap.references import frame_locals
from pytest_reloadleak.holders.search import Search

_DEPTH = 3
"""References from an effect to the weak reference that watches an object: from a thread over its dict and arguments."""
_MOST = 200
"""The largest number of objects to read of one effect."""
_CODE = foreign.type_ids(types.FunctionType, types.CodeType, types.BuiltinFunctionType)

_referent = weakref.ref.__call__
_callback = vars(weakref.ref)["__callback__"].__get__
_weak_references = weakref.getweakrefs
_get_ident, _enumerate = threading.get_ident, threading.enumerate


def without_own(seen: list[Member], search: Search) -> list[Member]:
    """The effects, except those that live only because of the check. The sweep does not start at the latter.

    Args:
        seen: what one probe saw.
        search: has what the check keeps, and what is judged.
    """
    if search.kept is None:
        return seen
    doubtful = [
        m for m in seen if m.is_certain and _is_old(m, search.limit) and (m.effect.values or m.effect.watches)
    ]
    if not doubtful:
        return seen
    gc.collect()  # the probes' own garbage may still refer to the effects
    known = [part for m in doubtful for part in (m.effect.values, m.effect.also, m.effect.watches) if part]
    kept = only_kept(search.original, search.ledger, known)
    ended = set(_what_finalizers_reach(kept.alone))
    own = [m for m in doubtful if _is_own(m, kept, ended, doubtful, search)]
    search.ended |= ended
    for member in own:
        search.kept_alive.update(id(value) for value in member.effect.values[:1])
        search.of_effects |= member.effect.idents
    left_out = set(map(id, own))
    return [m for m in seen if id(m) not in left_out]


def leave_out_threads(search: Search, known: Sequence[list[Any]]) -> None:
    """Leave out threads that end when an object dies that only the check keeps, such as the threads of a pool.

    They run code of others, so only the objects on their stacks may be the original's.

    Args:
        search: has what the check keeps.
        known: lists of the check, whose references do not count.
    """
    if search.kept is None:
        return
    threads = {thread.ident: id(thread) for thread in _enumerate()}
    spared = {_get_ident(), threading.main_thread().ident, *search.of_effects}
    stacks = {ident: frame for ident, frame in gc.current_frames().items() if ident not in spared}
    watched = {ident: set(map(id, _watched(_locals(frame)))) for ident, frame in stacks.items()}
    del stacks
    if not watched:
        return
    alone = only_kept(search.original, search.ledger, known).alone
    ended = set(_what_finalizers_reach(alone))
    own = {
        ident for ident, ids in watched.items() if threads.get(ident) in ended or not ids.isdisjoint(alone)
    }
    search.of_effects |= own
    search.kept_alive.update(key for ident, key in threads.items() if ident in own)


def _is_old(member: Member, limit: int) -> bool:
    return member.born is None or member.born < limit


def _is_own(
    member: Member, kept: OnlyKept, ended: Collection[int], doubtful: Iterable[Member], search: Search
) -> bool:
    """Whether an effect ends with what the check keeps: its object dies then, or an object dies that it watches."""
    effect = member.effect
    if any(id(value) in kept.ids for value in effect.values[:1]):
        return True
    if member.born not in {None, search.kept} or any(_is_later(m, member, search) for m in doubtful):
        return False  # effects of later generations did not end either
    parts = (*effect.values, *effect.also)
    return (
        any(id(o) in kept.alone for o in effect.watches)
        or any(id(o) in kept.alone for o in _watched(parts))
        or any(id(o) in ended for o in parts if not _is_shared(o))
    )


def _is_later(other: Member, member: Member, search: Search) -> bool:
    """Whether an effect belongs to a later generation and has the same cause as another."""
    assert search.kept is not None
    return other.effect.cause == member.effect.cause and other.born is not None and other.born > search.kept


def _watched(parts: Iterable[Any]) -> Iterator[Any]:
    """The objects to which some objects, or their parts, refer weakly."""
    level, seen = [o for o in parts if not _is_shared(o)], set[int]()
    for _ in range(_DEPTH):
        for o in level:
            if issubclass(type(o), weakref.ref) and (referent := _referent(o)) is not None:
                yield referent
        seen.update(map(id, level))
        below = [o for above in level for o in gc.get_referents(above)]
        level = [o for o in below if id(o) not in seen and not _is_shared(o)][: _MOST - len(seen)]
        if not level:
            return


def _is_shared(o: Any) -> bool:
    """Whether an object belongs to more than one effect, as a module or a namespace does."""
    if foreign.is_atom(o) or foreign.is_class(o) or foreign.is_module(o) or foreign.is_exactly(o, _CODE):
        return True
    return type(o) is dict and bool(foreign.module_name(o))


def _what_finalizers_reach(alone: dict[int, Any]) -> Iterator[int]:
    """Ids of the objects that finalizers can reach when the objects of `alone` die: a finalizer may end an effect."""
    stack = [o for o in alone.values() if foreign.defines(type(o), "__del__")]
    stack += [part for o in alone.values() for part in _of_callbacks(o)]
    yield from map(id, stack)
    seen = set(map(id, stack))
    while stack:
        above = stack.pop()
        for o in gc.get_referents(above):
            if id(o) not in seen and not _is_shared(o):
                seen.add(id(o))
                yield id(o)
                if id(o) in alone:
                    stack.append(o)


def _of_callbacks(o: Any) -> Iterator[Any]:
    """The functions and arguments of an object's `weakref.finalize`s, which are the callbacks of weak references."""
    for reference in _weak_references(o):
        callback = _callback(reference)
        if type(callback) is weakref.finalize:
            for _, value in foreign.slots(vars(weakref.finalize)["_registry"].get(callback)):
                yield from value if type(value) is tuple else (value,)


def _locals(frame: types.FrameType) -> list[Any]:
    return [value for one in outward(frame) for _, value in frame_locals(one)]
