"""Recognise noise: what the test runner and its plugins keep until the test is over, and what a debugger keeps.

Noise is never a finding, but each keeper gets a note. Code that knows the plugins lists the keepers; this module
recognises their references in three ways:

- *kept*: an object of the keeper, such as a list of recorded calls or saved originals. No other root enters it, so the
  keeper is the cause of everything that only this object leads to. The program's own holders are found first.
- *places*: an attribute or item of the program that the keeper replaced during the test and will put back.
- *types*: an object of the runner on the path, with no object of the program below it.
"""

from __future__ import annotations

import signal
import sys
import threading
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_reloadleak.heap import describe, foreign, references
from pytest_reloadleak.holders import roots
from pytest_reloadleak.holders.sweep import Arrival, Cause, Root

_NOISE = "noise"
"""The root of every cause that is noise."""
_VALUE = "the fixture {name} keeps {held} until its scope ends: not a leak"
_RUNNER = "pytest keeps {held} until the test is over: not a leak"


@dataclass(slots=True, eq=False, repr=False)
class Noise:
    """The keepers in one diagnosis. Each is named by the text of its note, in which `{held}` is what it keeps."""

    kept: list[tuple[str, object]] = field(default_factory=list)
    places: list[tuple[str, object, str]] = field(default_factory=list)
    """Note, owner, and the step from the owner to the attribute or item, as a trace spells it: `.send`, `['key']`."""
    types: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """By the name of a type of the runner: the note, and the attribute whose value replaces `{name}` in it, or ''."""
    runner: list[object] = field(default_factory=list)
    """The runner's own objects, which lead to all its others. The program's modules lead here through their loaders."""
    _by_owner: dict[int, dict[str, str]] = field(default_factory=dict)

    def runners(self) -> list[Root]:
        """A root for each of the runner's own objects."""
        return [Root("pytest", "pytest", "pytest", o, is_runner=True, bars=True) for o in self.runner]

    def roots(self) -> list[Root]:
        """A root for each kept object. The first keeper gets it, since a second root would reach nothing more."""
        unique = {id(value): (note, value) for note, value in reversed(self.kept)}
        return [
            Root(_NOISE, cause.path, cause.path, value, cause=cause, bars=True)
            for note, value in unique.values()
            for cause in (_cause(note),)
        ]

    def own_objects(self) -> list[Any]:
        """The containers that hold the keepers' objects during the diagnosis."""
        return [self, self.kept, *self.kept, self.places, *self.places, self.runner]

    def cause_of_kept(self, o: object) -> Cause | None:
        """The keeper to which an object itself belongs; `None` if there is none."""
        return next((_cause(note) for note, value in self.kept if value is o), None)

    def cause_of_items(self, items: Sequence[Sequence[object]]) -> Cause | None:
        """The keeper to which a part of each item belongs; `None` if an item has no such part."""
        kept = {id(value): note for note, value in self.kept}
        found = [next((kept[id(part)] for part in item if id(part) in kept), None) for item in items]
        return _cause(found[0]) if found and found[0] is not None and None not in found else None

    def cause_of_place(self, arrival: Arrival) -> Cause | None:
        """The keeper that put the object in its place, or a mock that recorded it; `None` if there is none."""
        # A module or list that a test puts in a place of the program belongs to the program during the test: what other
        # code leaves in it is a leak.
        owners = self._owners()
        if not owners:
            return None
        if arrival.root.kind == "sys.modules":
            replaced = owners.get(id(foreign.module_table()), {})
            note = replaced.get(f"[{foreign.key_text(arrival.root.path)}]")
            if note is not None and len(arrival.path) == 1:
                return _cause(note)
        if owners.keys().isdisjoint(map(id, arrival.path)):
            return None
        steps = references.folded(arrival.path)
        found = (
            owners[id(parent)].get(step)
            for parent, step, child in steps
            if id(parent) in owners and (child is arrival.path[-1] or _is_mock(child))
        )
        return next((_cause(note) for note in found if note is not None), None)

    def _owners(self) -> dict[int, dict[str, str]]:
        """The notes by id of the owner and by step; the first note of each place."""
        if self.places and not self._by_owner:
            for note, owner, step in self.places:
                self._by_owner.setdefault(id(owner), {}).setdefault(step, note)
        return self._by_owner

    def cause_of_runner(self, arrival: Arrival, is_plain: Callable[[Any], bool]) -> Cause | None:
        """The part of the runner that keeps what an arrival leads to; `None` if the runner does not keep it.

        Args:
            arrival: the reference.
            is_plain: whether an object merely passes on what it holds.
        """
        if arrival.root.kind == "fixture" and len(arrival.path) == 1:
            return _cause(_VALUE.replace("{name}", arrival.root.path.partition(".")[2]))
        path = arrival.path[:-1]
        first = (
            0 if arrival.root.is_runner else next((n for n, o in enumerate(path) if _is_of_runner(o)), None)
        )
        if first is None or not all(is_plain(o) or _is_of_runner(o) for o in path[first:]):
            return None
        for o in reversed(path[first:]):
            note, attribute = self.types.get(foreign.type_name(o), ("", ""))
            if note:
                name = (foreign.instance_dict(o) or {}).get(attribute) if attribute else None
                return _cause(note.replace("{name}", name if type(name) is str else "?"))
        return _cause(_RUNNER)


_DEBUGGER = "a debugger keeps {held} of the frame at which it stopped last: not a leak"
_gettrace, _getsignal = sys.gettrace, signal.getsignal
_LAST = "_last_pdb_instance"
"""The attribute of `pdb` for the instance of the last `breakpoint()`, since 3.13."""
_VARIABLES = "__pdb_convenience_variables"
"""The name that `pdb` adds to a module in which it stopped, since 3.12: a dict that holds the frame, among others."""


def debuggers() -> list[tuple[str, object]]:
    """Debuggers as keepers: the tracer, the Ctrl-C handler, and what `pdb` keeps for the next `breakpoint()`."""
    base = foreign.namespace("bdb").get("Bdb")
    if base is None:
        return []
    found = {id(o): o for o in _tracing() if any(cls is base for cls in foreign.mro(type(o)))}
    spaces = (foreign.module_dict(module) or {} for _, module in foreign.loaded_modules())
    found.update((id(space[_VARIABLES]), space[_VARIABLES]) for space in spaces if _VARIABLES in space)
    return [(_DEBUGGER, o) for o in found.values()]


def _tracing() -> Iterator[Any]:
    hooks: tuple[Any, ...] = (_gettrace(), vars(threading).get("_trace_hook"), _getsignal(signal.SIGINT))
    yield from (hook.__self__ for hook in hooks if type(hook) is types.MethodType)
    cls: Any = foreign.namespace("pdb").get("Pdb")
    if foreign.is_class(cls):
        yield foreign.class_dict(cls).get(_LAST)


def _cause(note: str) -> Cause:
    return Cause("retained-generation", _NOISE, note, _NOISE)


def is_noise(cause: Cause | None) -> bool:
    """Whether a cause is a keeper of the test runner."""
    return cause is not None and cause.root == _NOISE


def notes(found: Sequence[tuple[Cause, str]]) -> tuple[str, ...]:
    """The notes on what each keeper keeps. The runner as a whole gets one only if no part of it gets one."""
    named = [(cause, held) for cause, held in found if cause.path != _RUNNER]
    return tuple(sorted({cause.path.replace("{held}", held) for cause, held in named or found}))


def _is_mock(o: object) -> bool:
    return foreign.class_module(type(o)) == "unittest.mock"


def _is_of_runner(o: Any) -> bool:
    """Whether an object belongs to the test runner."""
    if foreign.own_code(o) is not None:
        return roots.is_runner(foreign.module_name(o.__globals__))
    if foreign.is_module(o):
        return roots.is_runner(foreign.module_name(foreign.module_dict(o) or {}))
    if describe.is_handle(o):
        return False
    return roots.is_runner(foreign.class_module(o if foreign.is_class(o) else type(o)))
