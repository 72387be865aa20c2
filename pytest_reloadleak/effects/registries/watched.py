"""Find registrations that cannot be listed: record each call that registers, until it is undone.

An entry is the target's if it is one of the target's objects, or keeps one. Any other function counts against the
target if the target's code led to the call in more than one generation: one registration that the first generation
makes for good is the cure, not the leak. An entry that the checking thread made without the target must grow with the
rounds, like every effect without an owner. Entries that other threads made without the target are ignored.
"""

from __future__ import annotations

import sys
import threading
import types
import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_reloadleak.effects import stack_lines
from pytest_reloadleak.effects.attribution import owner
from pytest_reloadleak.effects.probe import Effect, Identity, Probe, Scope
from pytest_reloadleak.effects.registries import stand_ins
from pytest_reloadleak.effects.registries.watched_functions import (
    BY_SPELLING,
    WATCHES,
    Watch,
    advice,
    equality_key,
    slot_key,
)
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.heap.collector import getframe
from pytest_reloadleak.heap.own_objects import outward
from pytest_reloadleak.holders import native, roots
from pytest_reloadleak.holders.retention import Place, Stack
from pytest_reloadleak.holders.sweep import Cause
from pytest_reloadleak.model import Held

_get_ident = threading.get_ident
_DEEPEST = 20
"""The largest number of frames that a record keeps, from the innermost outwards."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class _Record:
    """One entry. The record keeps nothing alive; the registry does so while the entry exists."""

    watch: Watch
    cause: Cause
    names: str
    """A description of the entry."""
    held: Held | None
    """The object of the target that the entry is or keeps."""
    caller: Held | None
    """The target's code that led to the call."""
    where: str
    stack: Stack
    """The target's frame that led to the call, and those around it that are the target's too."""
    generation: int
    is_other_thread: bool
    """Whether a thread other than the checking one made the entry."""
    equality: tuple[object, ...]
    slot: tuple[str | int, ...]
    entries: tuple[int, ...]
    """Ids of the entry's objects, and of what it keeps."""
    references: tuple[weakref.ref[Any] | None, ...]
    """Weak references to the same objects; `None` where an object supports none."""

    def values(self) -> tuple[Any, ...] | None:
        """The objects still alive; `None` if the first one is dead, which means that the entry is gone."""
        values = [reference() if reference is not None else None for reference in self.references]
        if values[0] is None and self.references[0] is not None:
            return None
        return tuple(value for value in values if value is not None)


class Watched(Probe):
    """Registrations with `atexit`, `codecs`, `fork`, `audit`, `faulthandler` and `sys.monitoring`."""

    name = "watched"
    kinds = ("registration",)

    def __init__(self) -> None:
        self._records: dict[int, _Record] = {}
        self._last = 0
        self._thread = 0
        self._failure: str | None = None
        self._unseen: tuple[str, ...] = ()
        self._is_older = False

    def begin(self, scope: Scope) -> None:
        """Start watching the registration functions."""
        self.scope = scope
        self._thread = _get_ident()
        self._is_older = any(type(name) is str and scope.owns(name) for name in list(sys.modules))
        found = {w.spelling: stand_ins.builtin(w.module, w.name) for w in WATCHES}
        try:
            stand_ins.listen({name: f for name, f in found.items() if f is not None}, self._called)
            self._unseen = tuple(
                w.spelling
                for w in WATCHES
                if not w.undoes and stand_ins.is_hidden(*w.spelling.rsplit(".", 1))
            )
        except BaseException:
            stand_ins.unlisten(self._called)
            raise

    def end(self) -> None:
        """Stop watching. The last probe to stop has the functions put back."""
        stand_ins.unlisten(self._called)
        self._records.clear()

    def blind(self) -> str | None:
        """Calls that the probe could not see: a function was already replaced, or recording failed."""
        if self._failure is not None:
            return f"a registration could not be recorded: {self._failure}"
        if self._unseen:
            verb = "was" if len(self._unseen) == 1 else "were"
            return (
                f"{', '.join(self._unseen)} {verb} replaced by the program before the check, so registrations "
                "through it are not seen"
            )
        return None

    def identities(self) -> Iterable[Identity]:
        """The entries' numbers."""
        return [(number,) for number in list(self._records)]

    def watched(self) -> Mapping[int, Cause]:
        """The causes of all entries, by the ids of the entries' objects."""
        return {key: record.cause for record in self._present().values() for key in record.entries}

    def record(
        self, number: int | str
    ) -> tuple[str, tuple[str | int, ...], tuple[int, ...], tuple[Any, ...]] | None:
        """The function, the slot, and the ids and known objects of an entry; `None` if it is gone."""
        record = self._records.get(number) if type(number) is int else None
        if record is None:
            return None
        return record.watch.spelling, record.slot, record.entries, record.values() or ()

    def has_equal(self, number: int | str) -> bool:
        """Whether another entry is equal to an entry, so that undoing one undoes both."""
        keys: dict[int | str, object] = {key: record.equality for key, record in list(self._records.items())}
        return any(key != number and equality == keys.get(number) for key, equality in keys.items())

    def effects(self) -> list[Effect]:
        """Entries that may be the target's."""
        present = self._present()
        generations: dict[Cause, set[int]] = {}
        for record in present.values():
            if record.caller is not None:
                generations.setdefault(record.cause, set()).add(record.generation)
        repeated = {cause for cause, found in generations.items() if len(found) > 1}
        found = [
            _effect(number, record, record.cause in repeated)
            for number, record in present.items()
            if record.held is not None or record.caller is not None or not record.is_other_thread
        ]
        if not self._is_older:
            return found
        return found + self._older({record.entries[0] for record in present.values()})

    def _older(self, noted: set[int]) -> list[Effect]:
        """Callbacks of `atexit` that the target registered before the check; each is the cause of what it keeps."""
        out = []
        for callback in _listed():
            held = owner([callback], self.scope.owns, self.scope.rename)
            if held is not None and id(callback) not in noted:
                cause = native.registered("atexit", (callback,), self.scope.rename)
                advised = advice("atexit.register", cause.path.partition(" ")[2])
                out.append(
                    Effect(
                        ("before", id(callback)),
                        cause,
                        (callback,),
                        held=held,
                        bars=False,
                        advice=advised,
                        made_by="atexit.register",
                    )
                )
        return out

    def _present(self) -> dict[int, _Record]:
        """The entries that still exist, as far as the probe can know."""
        present = {n: record for n, record in list(self._records.items()) if record.values() is not None}
        listed: dict[int, int] = {}
        if any(record.watch.registry == "atexit" for record in present.values()):
            for callback in _listed():
                listed[id(callback)] = listed.get(id(callback), 0) + 1
        if listed:  # empty if the callbacks could not be listed
            for number in sorted(present, reverse=True):
                if present[number].watch.registry == "atexit":
                    key = present[number].entries[0]
                    listed[key] = listed.get(key, 0) - 1
                    if listed[key] < 0:
                        del present[number]
        return present

    def _called(self, spelling: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Record a call that succeeded. An error of this tool must not become an error of the program."""
        try:
            watch = BY_SPELLING[spelling]
            if watch.undoes:
                self._undo(watch, args, kwargs)
            else:
                self._note(watch, args, kwargs)
        except Exception as error:  # noqa: BLE001 - as above; `blind` reports it
            self._failure = foreign.exception_text(error)

    def _undo(self, watch: Watch, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        equal_to = equality_key(args[0]) if args else ()
        slot = slot_key(watch.slot(args, kwargs))
        for number, record in list(self._records.items()):
            if record.watch.registry != watch.registry:
                continue
            if watch.undoes == "equal":
                is_meant = not record.slot and record.equality == equal_to
            elif watch.undoes == "same":
                is_meant = not record.slot and record.entries[0] == id(args[0])
            else:
                is_meant = bool(record.slot) and record.slot[: len(slot)] == slot
            if is_meant:
                self._records.pop(number, None)
                if watch.undoes == "same":
                    return

    def _note(self, watch: Watch, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        slot = slot_key(watch.slot(args, kwargs))
        if slot:
            for number, record in list(self._records.items()):
                if record.watch.registry == watch.registry and record.slot == slot:
                    self._records.pop(number, None)
        entries = watch.entries(args, kwargs)
        if not entries:
            return
        scope, frame = self.scope, _caller(self.scope)
        values = (*entries, *watch.also(args, kwargs))
        cause = native.registered(watch.registry, entries, scope.rename)
        self._last += 1
        self._records[self._last] = _Record(
            watch=watch,
            cause=cause,
            names=cause.path.partition(" ")[2],
            held=owner(values, scope.owns, scope.rename),
            caller=_code_of(frame, scope) if frame is not None else None,
            where=_where(frame),
            stack=_stack(frame, scope),
            generation=scope.generation(),
            is_other_thread=_get_ident() != self._thread,
            equality=equality_key(entries[0]),
            slot=slot,
            entries=tuple(map(id, values)),
            references=tuple(map(foreign.weak_reference, values)),
        )


def _listed() -> list[Any]:
    """The callbacks of `atexit`; empty if listing them could run code of the program."""
    return [root.value for root in roots.registered() if root.kind == "atexit"]


def _effect(number: int, record: _Record, is_repeated: bool) -> Effect:
    is_certain = record.held is not None or (is_repeated and record.caller is not None)
    held = record.held or (record.caller if is_certain else None)
    return Effect(
        (number,),
        record.cause,
        record.values() or (),
        held=held,
        is_certain=is_certain,
        bars=record.watch.bars,
        stack=record.stack,
        details=(record.where,) if record.where else (),
        advice=advice(record.watch.spelling, record.names),
        made_by=record.watch.spelling,
        slot=record.slot,
    )


def _caller(scope: Scope) -> types.FrameType | None:
    """The innermost frame that runs the target's code."""
    frames = outward(getframe(1))
    return next((frame for frame in frames if scope.owns(foreign.module_name(frame.f_globals))), None)


def _code_of(frame: types.FrameType, scope: Scope) -> Held:
    """The function that a frame runs, or the module whose body it runs."""
    module, code = foreign.module_name(frame.f_globals), frame.f_code
    file, line = foreign.code_location(code)
    if foreign.code_text(code) == "<module>":
        return Held(type="module", name=scope.rename(module), file=file, line=None)
    name = scope.rename(f"{module}.{foreign.code_name(code)}")
    return Held(type="function", name=name, file=file, line=line)


def _where(frame: types.FrameType | None) -> str:
    if frame is None:
        return ""
    return f"registered {stack_lines.at(frame)}"


def _stack(frame: types.FrameType | None, scope: Scope) -> Stack:
    found: list[Place] = []
    while frame is not None and len(found) < _DEEPEST:
        if scope.owns(foreign.module_name(frame.f_globals)):
            code = frame.f_code
            line = frame.f_lineno or code.co_firstlineno
            found.append(Place(foreign.code_location(code)[0], line, foreign.code_name(code), 0))
        frame = frame.f_back
    return tuple(found)
