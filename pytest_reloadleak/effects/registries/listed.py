"""Entries that are left in process-wide registries, of all that can be listed."""

from __future__ import annotations

import collections
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.machinery import ModuleSpec
from typing import Any

from pytest_reloadleak.effects.attribution import owner
from pytest_reloadleak.effects.probe import Effect, Identity, Probe, Scope
from pytest_reloadleak.effects.registries.import_registries import IMPORT
from pytest_reloadleak.effects.registries.library_registries import LIBRARY
from pytest_reloadleak.effects.registries.logging_registries import LOGGING
from pytest_reloadleak.effects.registries.process_registries import PROCESS
from pytest_reloadleak.effects.registries.registry import Entry, Registry, namespace
from pytest_reloadleak.effects.spelling import open_numbers
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.holders.sweep import Cause
from pytest_reloadleak.model import Held

REGISTRIES: tuple[Registry, ...] = (*PROCESS, *IMPORT, *LOGGING, *LIBRARY)

_KEYS = re.compile(r"[\[(].*")
"""Where in a registry: the part of a path in which numbers may change from round to round."""
_QUOTED = re.compile(r"(?<=[\[(]')([^']*)(?='[\])])")
"""A key within its brackets and quotes."""
_COLLECTIONS = foreign.type_ids(tuple, list, set, frozenset)


class Registrations(Probe):
    """What is registered.

    An entry that is the target's is dated by the heap, which knows of which generation it is: a date of its own would
    be wrong where an entry takes the place, and so the address, of its predecessor. All others are dated by round.
    """

    name = "registrations"
    kinds = ("registration",)

    def begin(self, scope: Scope) -> None:
        """Note what is there before the target is."""
        super().begin(scope)
        self._keys: dict[str, str] = {}
        self._before = frozenset(_identities())

    def identities(self) -> Iterable[Identity]:
        """Every entry: texts by what they say, objects by their address."""
        present = _identities()
        self._before = self._before.intersection(present)
        return present

    def effects(self) -> list[Effect]:
        """Every entry that is new or the target's."""
        return [self._effect(registry, entry, held) for registry, entry, held in self._entries()]

    def containers(self) -> Iterable[object]:
        """The lists and dicts of those entries. One without any of them stays what it is: somebody's list."""
        for _, entry, _ in self._entries():
            yield from entry.containers

    def _entries(self) -> Iterator[tuple[Registry, Entry, Held | None]]:
        """Entries that are the target's, with what of it they are, and others that are new."""
        for registry in _loaded():
            new: collections.Counter[str] = collections.Counter()
            for entry in registry.entries():
                if self.scope.owns(entry.module) or (entry.part_of and self._is_told(entry.part_of, new)):
                    continue
                held = self._owner(entry)
                if held is None and owner((entry.ends_with,), self.scope.owns, self.scope.rename) is not None:
                    continue
                is_new = entry.identity not in self._before
                new[entry.path] += is_new
                if held is not None or is_new:
                    yield registry, entry, held

    def _is_told(self, entry: Entry, new: Mapping[str, int]) -> bool:
        """Whether an entry is reported: as the target's, or because there are ever more of them."""
        return self._owner(entry) is not None or new[entry.path] > 1

    def _owner(self, entry: Entry) -> Held | None:
        return owner(_asked(entry.values), self.scope.owns, self.scope.rename)

    def _effect(self, registry: Registry, entry: Entry, held: Held | None) -> Effect:
        path = _KEYS.sub(lambda found: self._open(found[0]), self.scope.rename(entry.path))
        return Effect(
            identity=entry.identity if held is None else ("of the target", *entry.identity),
            cause=Cause("registration", registry.name, path, self._type(entry, held), registry.name),
            values=entry.values,
            held=held,
            bars=registry.bars,
            advice=f"when its code is unloaded, {registry.undo}",
        )

    def _open(self, where: str) -> str:
        """A place in a registry without the numbers that may be others in the next round or run.

        Entries that agree in a number now may all have the one of this process, so that they agree proves nothing. One
        in the name of a module, which its file has too, is no such number.
        """
        parts = _QUOTED.split(where)
        return "".join(self._key(part) if at % 2 else open_numbers(part) for at, part in enumerate(parts))

    def _key(self, text: str) -> str:
        """Decided once: the same entry must be called the same when its module is unloaded."""
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


def _identities() -> list[Identity]:
    out: list[Identity] = []
    for registry in _loaded():
        if registry.identities is not None:
            out += registry.identities()
        else:
            out += [entry.identity for entry in registry.entries()]
    return out


def _of_module(text: str) -> str:
    """The longest part of a dotted text that names a loaded module, as its file has it; '' if there is none."""
    names = text.split(".")
    for count in range(len(names), 0, -1):
        spec = namespace(".".join(names[:count])).get("__spec__")
        origin = foreign.text(spec.origin) if type(spec) is ModuleSpec else ""
        directory, file = os.path.split(origin)
        stem = file.partition(".")[0]
        place = directory if stem == "__init__" else os.path.join(directory, stem)
        if place.endswith(os.path.join(os.sep, *names[:count])):
            return ".".join(names[:count])
    return ""


def _loaded() -> Iterator[Registry]:
    return (registry for registry in REGISTRIES if registry.module in sys.modules)


def _asked(values: tuple[Any, ...]) -> Iterator[Any]:
    """What tells whose an entry is: its values, and what is in them if they are collections."""
    for value in values:
        yield value
        if foreign.is_exactly(value, _COLLECTIONS):
            yield from list(value)
        elif type(value) is dict:
            yield from list(value.values())
