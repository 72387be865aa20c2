"""Watch one container: compute a cheap fingerprint after each line, and read the new items if it changed."""

from __future__ import annotations

import collections
import functools
import re
import types
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import foreign, references
from pytest_reloadleak.watchpoints.births import Births, Blame

_MANY = 2000
"""The largest number of items that are read; of a larger container only the ends are read."""
_ENDS = 64
_NUMBER = re.compile(r"\d+")
_IMMUTABLE = foreign.type_ids(tuple, frozenset, types.ModuleType, types.CodeType, types.FrameType)

Likeness = tuple[str, str]
"""The type and the name without numbers, which items of different generations share."""


def likeness(o: Any) -> Likeness:
    """The likeness of an object."""
    if type(o) is types.FunctionType:
        return "function", _without_numbers(foreign.function_name(o))
    if type(o) is types.MethodType:
        return "method", likeness(o.__func__)[1]
    if type(o) is functools.partial:
        return "partial", likeness(o.func)[1]
    if foreign.is_class(o):
        return "class", _without_numbers(foreign.class_name(o))
    return "", _without_numbers(foreign.type_name(o))


def _without_numbers(text: str) -> str:
    return _NUMBER.sub("*", text)


def can_change(o: object) -> bool:
    """Whether an object can take another item. A module cannot, since its namespace is an object of its own."""
    return not (foreign.is_exactly(o, _IMMUTABLE) or foreign.is_module(o))


class Container:
    """A container whose new items are watched. It holds the container while the round is traced, but no items.

    Args:
        container: a list, dict, set, deque, or any other object that refers to others.
        keys: the keys of a namespace whose values are watched; empty to watch all items.
        wants: whether an item under a key is watched.
    """

    __slots__ = ("_before", "_fingerprint", "_keys", "_of", "_print", "_wants", "births")

    def __init__(
        self, container: object, keys: tuple[str, ...], wants: Callable[[object], bool] = lambda _: True
    ) -> None:
        self._of: Any = container
        self._wants = wants
        self._keys = keys
        self._fingerprint = _fingerprint_of(container, keys)
        self.births = Births()
        self._before = {token for token, _ in self._items()}
        self._print = self._fingerprint(container)

    def look(self, blame: Blame, returned: object = None) -> None:
        """Note which items are new since the last look.

        Args:
            blame: returns the stack that made them.
            returned: the value that the line returns.
        """
        del returned
        now = self._fingerprint(self._of)
        if now == self._print:
            return
        self._print = now
        present: set[tuple[object, ...]] = set()
        for token, item in self._items():
            present.add(token)
            if token not in self._before:
                self.births.add(token, likeness(item), blame())
        self.births.keep(present)
        self._before = present

    def close(self) -> None:
        """Let go of the container."""
        self._of = None
        self._before = set()

    def _items(self) -> Iterator[tuple[tuple[object, ...], Any]]:
        """Every item, each with its identity: its address, and its key if it has one."""
        o = self._of
        for key in self._keys:
            if key in o:
                yield (key, id(o[key])), o[key]
        if self._keys:
            return
        if issubclass(type(o), dict):
            for key, value in _ends(list(dict.items(o)) if dict.__len__(o) <= _MANY else _last_of(o)):
                label = key if type(key) is str else id(key)
                if self._wants(label):
                    yield (label, id(value)), value
                if not foreign.is_atom(key):
                    yield ("key", id(key)), key
            return
        counts: collections.Counter[int] = collections.Counter()
        for item in _ends(_children(o)):
            counts[id(item)] += 1
            yield (id(item), counts[id(item)]), item


def _children(o: Any) -> list[Any]:
    for kind in (list, set, collections.deque):
        if issubclass(type(o), kind):
            return list(kind.__iter__(o))
    return list(_referents(o))


def _referents(o: Any) -> Iterator[Any]:
    """The objects to which an object refers, directly or through its attribute dict.

    Before 3.13 an instance holds its attributes itself until something reads its dict; then the dict holds them.
    """
    for item in gc.get_referents(o):
        if type(item) is dict and references.is_namespace(o, item):
            yield from dict.values(item)
        else:
            yield item


def _ends(items: list[Any]) -> list[Any]:
    return items if len(items) <= _MANY else [*items[:_ENDS], *items[-_ENDS:]]


def _last_of(o: Any) -> list[Any]:
    found = list(islice(dict.__reversed__(o), _ENDS))
    return [(key, dict.__getitem__(o, key)) for key in found if type(key) is str or type(key) is int]


def _fingerprint_of(o: Any, keys: tuple[str, ...]) -> Callable[[Any], object]:
    """The cheapest function whose value changes when the container takes an item."""
    if keys:
        return lambda d: [id(dict.get(d, key)) for key in keys]
    kind = type(o)
    if issubclass(kind, dict):
        return _of_dict
    for base in (list, collections.deque):
        if issubclass(kind, base):
            return functools.partial(_of_sequence, base.__len__, base.__getitem__)
    if issubclass(kind, set):
        return set.__len__
    if kind is functools._lru_cache_wrapper:
        return lambda cache: cache.cache_info()[1:]
    return _of_others


def _of_dict(d: Any) -> object:
    last = next(dict.__reversed__(d), None) if dict.__len__(d) else None
    # It includes the last value, since setting a key again does not change the length.
    return dict.__len__(d), id(last), [id(value) for value in islice(dict.values(d), _ENDS)]


def _of_sequence(length: Callable[[Any], int], item: Callable[[Any, int], Any], o: Any) -> object:
    count = length(o)
    return (count, id(item(o, 0)), id(item(o, count - 1))) if count else (0,)


def _of_others(o: Any) -> object:
    return [id(item) for item in islice(_referents(o), _MANY)]
