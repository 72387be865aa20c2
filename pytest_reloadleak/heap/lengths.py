"""Read the lengths of containers and buffers: of one, of some, or of all that the process has.

This module calls no method of a subclass. It takes no view of a buffer, since a program that appends meanwhile would
get an error. Where it reads the whole heap, C code visits each object, and Python sees only the selected ones.
"""

from __future__ import annotations

import array
import io
import sys
import types
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from itertools import compress, repeat
from operator import gt
from typing import Any, NamedTuple

from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.heap.instances import with_subclasses
from pytest_reloadleak.heap.levels.choice import Addresses, of_types, untracked

_SLICE = 64
"""Objects whose references are read together, before those of each single object are."""

_tell_bytes, _tell_text = io.BytesIO.tell, io.StringIO.tell
_array_length = array.array.__len__


def _written(tell: Callable[[Any], int]) -> Callable[[Any], int]:
    def position(o: Any) -> int:
        try:
            return tell(o)
        except ValueError:  # it is closed, so it has released its contents
            return 0

    return position


BUFFERS: dict[type, Callable[[Any], int]] = {
    bytearray: bytearray.__len__,
    array.array: lambda o: _array_length(o) * o.itemsize,
    io.BytesIO: _written(_tell_bytes),
    io.StringIO: _written(_tell_text),
}
"""By the type of a buffer: a function that returns its number of bytes; of a stream, those before its position."""


class Kind(NamedTuple):
    """A type of container, with functions that read it without calling methods of a subclass."""

    base: type
    length: Callable[[Any], int]
    items: Callable[[Any], Iterable[tuple[Any, ...]]]
    is_buffer: bool = False
    """Whether it has bytes or characters instead of items, and its length is their number."""


def _no_items(_: object) -> tuple[()]:
    return ()


_KINDS = (
    Kind(dict, dict.__len__, dict.items),
    Kind(list, list.__len__, lambda o: zip(list.__iter__(o), strict=True)),
    Kind(set, set.__len__, lambda o: zip(set.__iter__(o), strict=True)),
    Kind(deque, deque.__len__, lambda o: zip(deque.__iter__(o), strict=True)),
    *(Kind(base, size_bytes, _no_items, is_buffer=True) for base, size_bytes in BUFFERS.items()),
)

_UNTRACKED = (bytearray, array.array, *(() if gc.is_tracked({}) else (dict,)))
"""The collector does not track these buffers, nor up to 3.13 a dict of atoms, so that only a reference shows them."""


def size_bytes(o: object) -> int:
    """How many bytes a buffer has; 0 if `o` is none."""
    read = BUFFERS.get(type(o))
    return read(o) if read is not None else 0


def kind_of(cls: type) -> Kind | None:
    """Which kind of container a type is; `None` if it is none."""
    return next((kind for base in foreign.mro(cls) for kind in _KINDS if kind.base is base), None)


def length(o: Any) -> int:
    """The length of a container or buffer; 0 if `o` is neither."""
    kind = kind_of(type(o))
    return kind.length(o) if kind is not None else 0


def every() -> dict[int, int]:
    """The lengths of all containers and buffers by id, untracked ones included."""
    found: dict[int, int] = {}
    for some, read in _by_kind():
        found.update(zip(map(id, some), map(read, some), strict=True))
    return found


def longer(known: Mapping[int, int]) -> list[Any]:
    """The containers and buffers that are longer than they were.

    Args:
        known: the earlier lengths by id, as from `every`.
    """
    found: dict[int, Any] = {}
    for some, read in _by_kind():
        before = map(known.get, map(id, some), repeat(sys.maxsize))
        found.update((id(o), o) for o in compress(some, map(gt, map(read, some), before)))
    return list(found.values())


def of_ids(ids: Mapping[int, int], owners: set[int]) -> Iterator[tuple[Any, int]]:
    """Some containers and buffers with their lengths.

    Args:
        ids: the ids of the wanted ones, as keys.
        owners: ids of the objects that refer to the untracked ones among them. If it is empty, this function searches
            the whole heap and fills it, so that later calls need no such search.
    """
    tracked = gc.get_objects()
    missing = set(ids)
    for o in _with_ids(tracked, ids):
        kind = kind_of(type(o))
        if kind is not None:
            missing.discard(id(o))
            yield o, kind.length(o)
    if not missing:
        return
    near = _with_ids(tracked, owners) if owners else tracked
    modules = Addresses(_ids_of_modules(near))
    for at in range(0, len(near), _SLICE):
        some = near[at : at + _SLICE]
        for o in untracked(some, modules, _UNTRACKED):
            if id(o) in missing:
                owners.update(
                    id(owner)
                    for owner in some
                    if any(one is o for one in untracked([owner], modules, _UNTRACKED))
                )
                yield o, length(o)


def _by_kind() -> Iterator[tuple[list[Any], Callable[[Any], int]]]:
    """All containers and buffers in groups, each with a function that reads lengths; untracked ones may repeat."""
    dicts, lists, modules = (_ids_of(base) for base in (dict, list, types.ModuleType))
    rest = modules.union(*(_ids_of(kind.base) for kind in _KINDS)) - dicts - lists
    tracked = gc.get_objects()
    selected = of_types(tracked, Addresses(dicts | lists | rest))
    yield of_types(selected, Addresses(dicts)), dict.__len__
    yield of_types(selected, Addresses(lists)), list.__len__
    others = of_types(selected, Addresses(rest))
    selected = []
    loose = untracked(tracked, Addresses(id(o) for o in others if id(type(o)) in modules), _UNTRACKED)
    yield [o for o in loose if type(o) is dict], dict.__len__
    others += [o for o in loose if type(o) is not dict]
    yield [o for o in others if id(type(o)) not in modules], length


def _ids_of(base: type) -> frozenset[int]:
    return frozenset(map(id, with_subclasses([base])))


def _ids_of_modules(objects: list[Any]) -> frozenset[int]:
    return frozenset(map(id, of_types(objects, Addresses(_ids_of(types.ModuleType)))))


def _with_ids(objects: list[Any], ids: Container[int]) -> list[Any]:
    """The objects whose ids are in `ids`, selected without running a line of Python for each."""
    return list(compress(objects, map(ids.__contains__, map(id, objects))))
