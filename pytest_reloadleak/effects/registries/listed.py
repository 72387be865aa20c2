"""Find entries left in the process-wide registries that can be listed."""

from __future__ import annotations

import collections
import os
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from importlib.machinery import ModuleSpec
from itertools import chain
from operator import is_not
from typing import Any

from pytest_reloadleak.effects.attribution import owner
from pytest_reloadleak.effects.probe import Effect, Identity, Probe, Scope
from pytest_reloadleak.effects.registries.import_registries import IMPORT
from pytest_reloadleak.effects.registries.library_registries import LIBRARY
from pytest_reloadleak.effects.registries.logging_registries import LOGGING
from pytest_reloadleak.effects.registries.process_registries import PROCESS
from pytest_reloadleak.effects.registries.registry import Entry, Registry
from pytest_reloadleak.effects.registries.snapshots import dated, reader
from pytest_reloadleak.effects.spelling import open_numbers
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.holders.sweep import Cause
from pytest_reloadleak.model import Held

REGISTRIES: tuple[Registry, ...] = (*PROCESS, *IMPORT, *LOGGING, *LIBRARY)

_KEYS = re.compile(r"[\[(].*")
"""The place in a registry: the part of a path whose numbers may change from round to round."""
_QUOTED = re.compile(r"(?<=[\[(]')([^']*)(?='[\])])")
"""A key inside its brackets and quotes."""
_COLLECTIONS = foreign.type_ids(tuple, list, set, frozenset)


class Registrations(Probe):
    """Entries of registries that can be listed.

    The heap dates the target's entries, since it knows their generation. A date by identity would be wrong for an entry
    that reuses the address of the one it replaces. All other entries are dated by round.
    """

    name = "registrations"
    kinds = ("registration",)
    is_always_asked = True

    def begin(self, scope: Scope) -> None:
        """Note the entries that exist before the target is loaded."""
        super().begin(scope)
        self._keys: dict[str, str] = {}
        self._readers = [(one.module, reader(one, scope.owns)) for one in REGISTRIES]
        self._parts: list[list[Identity]] = []
        self._present: tuple[Identity, ...] = ()
        self._before: frozenset[Identity] = frozenset()
        self._before = frozenset(self.identities())

    def identities(self) -> tuple[Identity, ...]:
        """Every entry: texts by content, objects by address. The same tuple as before where nothing changed."""
        parts = [read() for module, read in self._readers if module in sys.modules]
        if len(parts) != len(self._parts) or any(map(is_not, parts, self._parts)):
            self._parts, self._present = parts, tuple(chain.from_iterable(parts))
            self._before = self._before.intersection(self._present)
        return self._present

    def glance(self, causes: Collection[Cause]) -> Iterable[Identity]:
        """Every entry of the registries in question."""
        return _identities({cause.registry for cause in causes})

    def effects(self) -> list[Effect]:
        """Every entry that is new or is the target's."""
        return [self._effect(registry, entry, held) for registry, entry, held in self._entries()]

    def containers(self) -> Iterable[object]:
        """The lists and dicts of those entries. Any other list remains an ordinary holder."""
        for _, entry, _ in self._entries():
            yield from entry.containers

    def _entries(self) -> Iterator[tuple[Registry, Entry, Held | None]]:
        """The target's entries, each with the object of the target, and other entries that are new."""
        for registry in _loaded():
            new: collections.Counter[str] = collections.Counter()
            for entry in registry.entries():
                if self.scope.owns(entry.module) or (entry.part_of and self._is_reported(entry.part_of, new)):
                    continue
                held = self._owner(entry) if entry.values else None
                if held is None and entry.ends_with is not None and self._is_owned(entry.ends_with):
                    continue
                is_new = entry.identity not in self._before
                new[entry.path] += is_new
                if held is not None or is_new:
                    yield registry, entry, held

    def _is_reported(self, entry: Entry, new: Mapping[str, int]) -> bool:
        """Whether an entry is reported, because it is the target's or because its number grows."""
        return self._owner(entry) is not None or new[entry.path] > 1

    def _is_owned(self, o: object) -> bool:
        return owner((o,), self.scope.owns, self.scope.rename) is not None

    def _owner(self, entry: Entry) -> Held | None:
        return owner(_with_items(entry.values), self.scope.owns, self.scope.rename)

    def _effect(self, registry: Registry, entry: Entry, held: Held | None) -> Effect:
        path = _KEYS.sub(lambda found: self._stable_place(found[0]), self.scope.rename(entry.path))
        return Effect(
            identity=entry.identity if held is None else ("of the target", *entry.identity),
            cause=Cause("registration", registry.name, path, self._type(entry, held), registry.name),
            values=entry.values,
            held=held,
            watches=() if entry.ends_with is None else (entry.ends_with,),
            bars=registry.bars,
            advice=registry.undo,
        )

    def _stable_place(self, where: str) -> str:
        """A place in a registry, without the numbers that may differ in the next round or run.

        Equal numbers in several entries prove nothing: all may stem from this process. A number in the name of a module
        stays if the module's file has it too.
        """
        parts = _QUOTED.split(where)
        return "".join(self._key(part) if at % 2 else open_numbers(part) for at, part in enumerate(parts))

    def _key(self, text: str) -> str:
        """Decided once, so that an entry keeps its name when its module is unloaded."""
        if open_numbers(text) == text:
            return text
        if text not in self._keys:
            known = _of_module(text)
            self._keys[text] = known + open_numbers(text[len(known) :])
        return self._keys[text]

    def _type(self, entry: Entry, held: Held | None) -> str:
        if entry.type or held is not None:
            return entry.type or (held.type if held is not None else "")
        value = entry.values[0] if entry.values else ()
        return "class" if foreign.is_class(value) else self.scope.rename(foreign.type_name(value))


def _identities(names: Collection[str | None]) -> list[Identity]:
    """The identities of all entries of some registries."""
    out: list[Identity] = []
    for registry in _loaded():
        if registry.name in names:
            out += list(dated(registry)) or [entry.identity for entry in registry.entries()]
    return out


def _of_module(text: str) -> str:
    """The longest start of a dotted text that names a loaded module whose file has that name; '' if there is none."""
    names = text.split(".")
    for count in range(len(names), 0, -1):
        spec = foreign.namespace(".".join(names[:count])).get("__spec__")
        origin = foreign.text(spec.origin) if type(spec) is ModuleSpec else ""
        directory, file = os.path.split(origin)
        stem = file.partition(".")[0]
        place = directory if stem == "__init__" else os.path.join(directory, stem)
        if place.endswith(os.path.join(os.sep, *names[:count])):
            return ".".join(names[:count])
    return ""


def _loaded() -> Iterator[Registry]:
    return (registry for registry in REGISTRIES if registry.module in sys.modules)


def _with_items(values: tuple[Any, ...]) -> Iterator[Any]:
    """The objects that decide whether an entry is the target's: its values, and the items of collections."""
    for value in values:
        yield value
        if foreign.is_exactly(value, _COLLECTIONS):
            yield from list(value)
        elif type(value) is dict:
            yield from list(value.values())
