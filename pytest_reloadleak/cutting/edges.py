"""Remove one reference between two objects, by the operations of CPython's own types, which no subclass overrides."""

from __future__ import annotations

import collections
import functools
import types
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import foreign, references

Removal = Callable[[], None]

_DEFAULTS: Any = vars(types.FunctionType)["__defaults__"]
_CELL: Any = vars(types.CellType)["cell_contents"]
_TABLES = (collections.OrderedDict, dict)
_OF_EXCEPTIONS = ("__traceback__", "__cause__", "__context__")
_LRU_CACHE: Any = functools._lru_cache_wrapper
FIXED = foreign.type_ids(tuple, frozenset)
"""Types whose instances cannot change: an object that refers to one can refer to a changed copy instead."""


def removal(path: Sequence[Any], at: int, children: Collection[int]) -> Removal | None:
    """A function that removes the reference to an object on a path; `None` if its owner does not allow that.

    Args:
        path: objects that each refer to the next.
        at: the position of the object that the reference leads to.
        children: ids of that object, and of others to which the same owner refers in the same way.
    """
    owner = path[at - 1]
    names_of = _class_of(path, at - 1)
    if names_of is not None:
        return lambda: _from_class(names_of, children)
    if type(owner) is tuple and at > 1 and type(path[at - 2]) is types.FunctionType:
        function = path[at - 2]
        return (lambda: _from_defaults(function, children)) if function.__defaults__ is owner else None
    remove, home = _remover(owner, path[at]), at - 1
    if remove is None:
        return None
    if home and references.is_namespace(path[home - 1], owner) and not foreign.is_module(path[home - 1]):
        # By then the instance may have another dict, or another instance may have taken its place.
        remove, home = _from_attributes, home - 1
    owner, above = path[home], places(path, home) if home and not foreign.is_module(path[home - 1]) else []
    return lambda: _from_present(remove, owner, above, children)


def is_whole(path: Sequence[Any], at: int) -> bool:
    """Whether the removal at a position of a path also removes the references to other generations."""
    return type(path[at - 1]) is _LRU_CACHE


def local_of(owner: Any, child: Any) -> str | None:
    """The name of a local of a frame or of suspended code; `None` if the reference is no local."""
    frame = owner
    for kind, name in _FRAMES:
        if type(owner) is kind:
            frame = object.__getattribute__(owner, name)
    if type(frame) is not types.FrameType:
        return None
    return next((name for name, value in references.frame_locals(frame) if value is child), None)


_FRAMES: tuple[tuple[type, str], ...] = (
    (types.GeneratorType, "gi_frame"),
    (types.CoroutineType, "cr_frame"),
    (types.AsyncGeneratorType, "ag_frame"),
)


def _class_of(path: Sequence[Any], at: int) -> Any:
    """The class whose namespace is at a position of a path, or `None`. Such a dict must not be changed directly."""
    if at < 1 or not issubclass(type(path[at]), dict) or not foreign.is_class(path[at - 1]):
        return None
    namespace = next(iter(gc.get_referents(foreign.class_dict(path[at - 1]))), None)
    return path[at - 1] if namespace is path[at] else None


Remover = Callable[[Any, Collection[int]], None]
"""Removes the references of an owner to the objects with some ids."""


def _remover(owner: Any, child: Any) -> Remover | None:
    """A function that removes such references between two objects; `None` if the owner does not allow that."""
    found = next((remove for kind, remove in _REMOVALS if issubclass(type(owner), kind)), None)
    if found is not None:
        return found
    if foreign.is_exception(owner):
        return _from_exception
    return _from_attributes if any(True for _ in _attributes(owner, {id(child)})) else None


def _from_class(cls: Any, children: Collection[int]) -> None:
    for name in [name for name, value in foreign.class_dict(cls).items() if id(value) in children]:
        type.__delattr__(cls, name)


def _from_present(remove: Remover, owner: Any, above: list[Place], children: Collection[int]) -> None:
    """Remove from an owner, and from the one that has taken its place since: each reload may create a new one."""
    remove(owner, children)
    for place in above:
        with suppress(AttributeError):  # the slot has been emptied
            present = place.get()
            if present is not owner and type(present) is type(owner):
                remove(present, children)


def _from_list(items: Any, children: Collection[int]) -> None:
    for index in reversed(range(list.__len__(items))):
        if id(list.__getitem__(items, index)) in children:
            list.__delitem__(items, index)


def _from_deque(items: Any, children: Collection[int]) -> None:
    deque = collections.deque
    for index in reversed(range(deque.__len__(items))):
        if id(deque.__getitem__(items, index)) in children:
            deque.__delitem__(items, index)


def _from_dict(table: Any, children: Collection[int]) -> None:
    kind = next(base for base in _TABLES if issubclass(type(table), base))
    for key, value in list(dict.items(table)):
        if id(value) in children or id(key) in children:
            kind.__delitem__(table, key)


def _from_set(members: Any, children: Collection[int]) -> None:
    for member in list(set.__iter__(members)):
        if id(member) in children:
            set.remove(members, member)


def _from_cell(cell: Any, children: Collection[int]) -> None:
    if any(id(o) in children for o in gc.get_referents(cell)):
        _CELL.__delete__(cell)


def _from_cache(cache: Any, children: Collection[int]) -> None:
    del children
    _LRU_CACHE.cache_clear(cache)


_REMOVALS: tuple[tuple[type, Remover], ...] = (
    (list, _from_list),
    (dict, _from_dict),
    (set, _from_set),
    (collections.deque, _from_deque),
    (types.CellType, _from_cell),
    (_LRU_CACHE, _from_cache),
)


def _from_defaults(function: Any, children: Collection[int]) -> None:
    """Replace a default with `None`. Removing it would assign the other defaults to other parameters."""
    defaults = function.__defaults__ or ()
    _DEFAULTS.__set__(function, tuple(None if id(o) in children else o for o in defaults))


def _from_exception(error: Any, children: Collection[int]) -> None:
    for name in _OF_EXCEPTIONS:
        descriptor = vars(BaseException)[name]
        if id(descriptor.__get__(error)) in children:
            descriptor.__set__(error, None)
    _from_attributes(error, children)


def _from_attributes(owner: Any, children: Collection[int]) -> None:
    """Delete attributes of an instance, from its dict, from a slot or from the instance itself."""
    for delete in list(_attributes(owner, children)):
        delete()


def _attributes(owner: Any, children: Collection[int]) -> Iterator[Removal]:
    """Functions that delete the attributes of an instance whose values are among some objects."""
    own = foreign.instance_dict(owner)
    if own is not None:
        for name, value in list(dict.items(own)):
            if id(value) in children:
                yield partial(dict.__delitem__, own, name)
    for descriptor, value in _slots(owner):
        if id(value) in children:
            yield partial(descriptor.__delete__, owner)


def _slots(owner: Any) -> Iterator[tuple[Any, Any]]:
    """The filled slots of an instance: each descriptor, with its value."""
    for cls in foreign.mro(type(owner)):
        # C code may need what it keeps in its own structure.
        for descriptor in list(foreign.class_dict(cls).values()) if not foreign.is_c_type(cls) else ():
            if type(descriptor) is types.MemberDescriptorType:
                try:
                    value = descriptor.__get__(owner)
                except AttributeError:  # the slot is empty
                    continue
                yield descriptor, value


# -- objects that cannot change ---------------------------------------------------------------------------------------


class Place(NamedTuple):
    """A place that refers to an object, and can refer to another one instead."""

    get: Callable[[], Any]
    put: Callable[[Any], None]


def places(path: Sequence[Any], at: int) -> list[Place]:
    """The places where the owner of an object on a path refers to it; empty if the owner does not allow a change.

    Args:
        path: objects that each refer to the next.
        at: the position of the object.
    """
    owner, wanted = path[at - 1], id(path[at])
    cls = _class_of(path, at - 1)
    if cls is not None:
        names = [name for name, value in foreign.class_dict(cls).items() if id(value) == wanted]
        return [_in_class(cls, name) for name in names]
    if issubclass(type(owner), dict):
        return _in_table(owner, wanted)
    for kind in (list, collections.deque):
        if issubclass(type(owner), kind):
            items = list(kind.__iter__(owner))
            return [_at(kind, owner, n) for n, item in enumerate(items) if id(item) == wanted]
    if type(owner) is types.CellType:
        return [Place(lambda: _CELL.__get__(owner), lambda new: _CELL.__set__(owner, new))]
    if type(owner) is types.FunctionType and owner.__defaults__ is path[at]:
        return [Place(lambda: _DEFAULTS.__get__(owner), lambda new: _DEFAULTS.__set__(owner, new))]
    own = foreign.instance_dict(owner)
    found = _in_table(own, wanted) if own is not None else []
    return found + [
        Place(partial(descriptor.__get__, owner), partial(descriptor.__set__, owner))
        for descriptor, value in _slots(owner)
        if id(value) == wanted
    ]


def _in_class(cls: Any, name: Any) -> Place:
    return Place(lambda: foreign.class_dict(cls).get(name), lambda new: type.__setattr__(cls, name, new))


def _in_table(table: Any, wanted: int) -> list[Place]:
    keys = [key for key, value in list(dict.items(table)) if id(value) == wanted]
    return [Place(partial(dict.get, table, key), partial(dict.__setitem__, table, key)) for key in keys]


def _at(kind: Any, items: Any, index: int) -> Place:
    return Place(partial(kind.__getitem__, items, index), partial(kind.__setitem__, items, index))


def release(place: Place, children: Collection[int]) -> None:
    """Replace a tuple or frozenset with one that lacks some objects."""
    place.put(_without(place.get(), children))


def _without(o: Any, children: Collection[int]) -> Any:
    """A copy of a tuple or frozenset without some objects, at any depth."""
    if type(o) is tuple:
        return tuple(_without(item, children) for item in o if id(item) not in children)
    if type(o) is frozenset:
        return frozenset(item for item in o if id(item) not in children)
    return o
