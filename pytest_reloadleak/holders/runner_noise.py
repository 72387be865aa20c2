"""What the test runner and its plugins keep until the test is over: noise, told from leaks and named.

It is never a finding, but it is not passed over in silence either: each keeper is a note. Which keepers there are is
for those to say who know the plugins; here is how a reference is recognised as theirs. In three ways:

- *kept*: an object of theirs, a list of recorded calls or of saved originals. Nothing else leads through it, so what
  only it leads to is its doing, whatever lies between. The program's own holders are looked for first.
- *places*: an attribute or item of the program's that they replaced for the length of the test and will put back.
- *types*: an object of the runner's own on the way, with nothing of the program's below it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_reloadleak.heap import describe, foreign, references
from pytest_reloadleak.holders import roots
from pytest_reloadleak.holders.sweep import Arrival, Cause, Root

_NOISE = "noise"
"""What a cause that is noise has as its root."""
_VALUE = "the fixture {name} keeps {held} until its scope ends: not a leak"
_RUNNER = "pytest keeps {held} until the test is over: not a leak"


@dataclass(slots=True, eq=False, repr=False)
class Noise:
    """The keepers at one look. Each is named by the sentence of its note, in which `{held}` is what it keeps."""

    kept: list[tuple[str, object]] = field(default_factory=list)
    places: list[tuple[str, object, str]] = field(default_factory=list)
    """Sentence, whose attribute or item, and which, as a trace spells it: `.send`, `['key']`."""
    types: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """By the name of a type of the runner's: the sentence, and the attribute that is `{name}` in it, or ''."""
    runner: list[object] = field(default_factory=list)
    """Objects of the runner's own that lead to all it has. Modules of the program lead to them, by their loader."""
    _by_owner: dict[int, dict[str, str]] = field(default_factory=dict)

    def runners(self) -> list[Root]:
        """A root for each object of the runner's own."""
        return [Root("pytest", "pytest", "pytest", o, is_runner=True, bars=True) for o in self.runner]

    def roots(self) -> list[Root]:
        """A root for each object that is kept. A second one for the same object would be the first one's again."""
        unique = {id(value): (sentence, value) for sentence, value in reversed(self.kept)}
        return [
            Root(_NOISE, cause.path, cause.path, value, cause=cause, bars=True)
            for sentence, value in unique.values()
            for cause in (_cause(sentence),)
        ]

    def own_objects(self) -> list[Any]:
        """The containers that hold the keepers' objects for the look."""
        return [self, self.kept, *self.kept, self.places, *self.places, self.runner]

    def cause_of_kept(self, o: object) -> Cause | None:
        """The keeper that has an object as its own; `None` if none has."""
        return next((_cause(sentence) for sentence, value in self.kept if value is o), None)

    def cause_of_items(self, items: Sequence[Sequence[object]]) -> Cause | None:
        """The keeper that has a part of each of some items as its own; `None` if there is no such one."""
        kept = {id(value): sentence for sentence, value in self.kept}
        found = [next((kept[id(part)] for part in item if id(part) in kept), None) for item in items]
        return _cause(found[0]) if found and found[0] is not None and None not in found else None

    def cause_of_place(self, arrival: Arrival) -> Cause | None:
        """The keeper that put the object where it is, or a mock that recorded it; `None` if none did.

        A module or list that a test puts in a place of the program's is the program's for that long: what others leave
        in it is a leak.
        """
        owners = self._owners()
        if not owners:
            return None
        if arrival.root.kind == "sys.modules":
            replaced = owners.get(id(foreign.module_table()), {})
            sentence = replaced.get(f"[{foreign.key_text(arrival.root.path)}]")
            if sentence is not None and len(arrival.path) == 1:
                return _cause(sentence)
        if owners.keys().isdisjoint(map(id, arrival.path)):
            return None
        steps = references.folded(arrival.path)
        found = (
            owners[id(parent)].get(step)
            for parent, step, child in steps
            if id(parent) in owners and (child is arrival.path[-1] or _is_mock(child))
        )
        return next((_cause(sentence) for sentence in found if sentence is not None), None)

    def _owners(self) -> dict[int, dict[str, str]]:
        """The sentences of the places, by the id of the owner and by the step; the first of each place."""
        if self.places and not self._by_owner:
            for sentence, owner, step in self.places:
                self._by_owner.setdefault(id(owner), {}).setdefault(step, sentence)
        return self._by_owner

    def cause_of_runner(self, arrival: Arrival, is_plain: Callable[[Any], bool]) -> Cause | None:
        """The part of the runner that keeps what an arrival leads to; `None` if it is not the runner's doing.

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
            sentence, attribute = self.types.get(foreign.type_name(o), ("", ""))
            if sentence:
                name = (foreign.instance_dict(o) or {}).get(attribute) if attribute else None
                return _cause(sentence.replace("{name}", name if type(name) is str else "?"))
        return _cause(_RUNNER)


def _cause(sentence: str) -> Cause:
    return Cause("retained-generation", _NOISE, sentence, _NOISE)


def is_noise(cause: Cause | None) -> bool:
    """Whether a cause is a keeper of the runner's."""
    return cause is not None and cause.root == _NOISE


def notes(found: Sequence[tuple[Cause, str]]) -> tuple[str, ...]:
    """The notes for keepers and what each keeps, which is said of the runner as a whole only if of no part of it."""
    named = [(cause, held) for cause, held in found if cause.path != _RUNNER]
    return tuple(sorted({cause.path.replace("{held}", held) for cause, held in named or found}))


def _is_mock(o: object) -> bool:
    return foreign.class_module(type(o)) == "unittest.mock"


def _is_of_runner(o: Any) -> bool:
    """Whether an object belongs to what runs the tests."""
    if foreign.own_code(o) is not None:
        return roots.is_runner(foreign.module_name(o.__globals__))
    if foreign.is_module(o):
        return roots.is_runner(foreign.module_name(foreign.module_dict(o) or {}))
    if describe.is_handle(o):
        return False
    return roots.is_runner(foreign.class_module(o if foreign.is_class(o) else type(o)))
