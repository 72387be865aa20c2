"""Keep the objects of other modules in places where a target may put its own.

A host with room for one plugin, an entry with a constant key, or a replaced function do not pile up. But the next test
would find the last generation there, while `sys.modules` has the original again.
"""

from __future__ import annotations

import contextlib
import types
import weakref
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache
from operator import is_
from typing import Any, NamedTuple

from pytest_reloadleak.heap import foreign
from pytest_reloadleak.holders.patches import is_standard
from pytest_reloadleak.run.restoring.setting import ABSENT, belongs

_FUNCTION = types.FunctionType
_KINDS = foreign.type_ids(_FUNCTION, types.BuiltinFunctionType, type, type(None))
_DEAD: Any = object()
_MOST = 1000
"""The largest number of entries of a table that is read: a host's table of plugins is short."""
_OWN = frozenset({"__main__", __name__.partition(".")[0]})
_COPIED = frozenset({"sys", "builtins"})
"""Modules of the standard library where a program leaves its own objects: the last exception, the last result."""
_INSTALLED = ("/site-packages/", "/dist-packages/")


class _Space(NamedTuple):
    """The names of one module, instance or class, or the entries of one table."""

    path: str
    """The path of a name or entry, with `{}` for the name or key."""
    space: Any
    kept: dict[Any, Any]
    """The objects that it had. The target's own objects are referred to weakly, since they may leak."""
    keys: tuple[Any, ...] | None
    """All names that it had; `None` if `kept` has all."""


class Slots:
    """Names and entries of other modules at the start of a check.

    Args:
        is_targets: whether a module is the target's.
        callables: names of the functions and classes of each module, without the target's.
        spared: ids of namespaces whose bindings the caller itself renews.
    """

    def __init__(
        self,
        is_targets: Callable[[str], bool],
        callables: Mapping[str, Collection[str]],
        spared: Collection[int],
    ) -> None:
        self._is_targets = cache(is_targets)  # called for each class, but most come from few modules
        self._found: list[tuple[_Space, Any, Any]] | None = None
        self._spaces: list[_Space] = []
        for name, module in foreign.loaded_modules():
            space = foreign.module_dict(module)
            if space is None or id(space) in spared or name.partition(".")[0] in _OWN or is_targets(name):
                continue
            if is_standard(name) and name not in _COPIED:
                # The names of the standard library are not bound to objects of a program.
                self._spaces.append(_Space(name + ".{}", space, dict(space), None))
                continue
            if name in callables and not _is_near(space):
                kept = {key: _held(space[key]) for key in callables[name] if key in space}
                self._spaces.append(_Space(name + ".{}", space, kept, tuple(space)))
                continue
            self._spaces.append(self._space(name + ".{}", space))
            for key, value in list(space.items()) if name in callables else ():
                if type(key) is str and not key.startswith("__"):
                    self._spaces += self._inside(f"{name}.{key}", value, name)

    def leave(self, places: Collection[str]) -> None:
        """Leave some places as they are: a finding names them, and the next check must find them again."""
        self._found = [found for found in self._overwritten() if _place(*found[:2]) not in places]

    def changed(self) -> Iterator[str]:
        """Places that have other objects of the target now and that can be put back."""
        return (_place(one, key) for one, key, value in self._overwritten() if value is not _DEAD)

    def lost(self) -> Iterator[str]:
        """Places that have other objects of the target now and whose earlier object is dead."""
        return (_place(one, key) for one, key, value in self._overwritten() if value is _DEAD)

    def put_back(self) -> None:
        """Put back the earlier objects."""
        for one, key, value in self._overwritten():
            if value is _DEAD:
                continue
            if type(one.space) is not dict:
                (type.__delattr__ if value is ABSENT else type.__setattr__)(one.space, key, *_given(value))
            elif value is ABSENT:
                one.space.pop(key, None)
            else:
                one.space[key] = value
        self._spaces.clear()
        self._found = None

    def _space(self, path: str, space: dict[Any, Any]) -> _Space:
        kept = {}
        for key, value in list(space.items()):
            if id(type(value)) in _KINDS:
                kept[key] = weakref.ref(value) if belongs(value, self._is_targets) else _held(value)
            elif not foreign.is_atom(value):
                with contextlib.suppress(TypeError):  # some types have no weak references
                    kept[key] = weakref.ref(value)
        return _Space(path, space, kept, tuple(space))

    def _inside(self, path: str, value: object, module: str, depth: int = 2) -> Iterator[_Space]:
        """The tables, instances and classes that are bound to names of a module near the target."""
        if type(value) is dict:
            if len(value) <= _MOST and all(type(key) is str for key in value):
                yield self._space(path + "['{}']", value)
        elif foreign.is_class(value):
            if type(value) is type and foreign.class_module(value) == module:
                names = dict(foreign.class_dict(value))
                yield self._space(path + ".{}", names)._replace(space=value)
        elif depth and id(type(value)) not in _KINDS and not foreign.is_atom(value):
            if foreign.is_module(value) or is_standard(foreign.class_module(type(value))):
                return
            own = foreign.instance_dict(value)
            if own is not None and len(own) <= _MOST:
                yield self._space(path + ".{}", own)
                for key, part in list(own.items()):
                    yield from self._inside(f"{path}.{foreign.text(key)}", part, module, depth - 1)

    def _overwritten(self) -> list[tuple[_Space, Any, Any]]:
        """Each overwritten place with its earlier object: `ABSENT` if there was none, `_DEAD` if it is dead.

        This is computed once, since the rounds are over.
        """
        if self._found is None:
            self._found = [found for one in self._spaces for found in self._readable(one)]
        return self._found

    def _readable(self, one: _Space) -> list[tuple[_Space, Any, Any]]:
        try:
            return list(self._differing(one))
        except Exception:  # noqa: BLE001 - the hash of a key may be the program's and raise anything
            return []

    def _differing(self, one: _Space) -> Iterator[tuple[_Space, Any, Any]]:
        now, kept = (one.space if type(one.space) is dict else foreign.class_dict(one.space)), one.kept
        if one.keys is None and len(now) == len(kept) and all(map(is_, now.values(), kept.values())):
            return
        get = now.get
        for key in [key for key, value in kept.items() if get(key, ABSENT) is not value]:
            value = kept[key]
            if type(value) is weakref.ref:
                value = value()
                value = _DEAD if value is None else value
            found = get(key, ABSENT)
            if found is not value and self._is_put(found):
                yield one, key, value
        if len(now) > len(kept if one.keys is None else one.keys):
            yield from ((one, key, ABSENT) for key in self._added(one, now))

    def _added(self, one: _Space, now: Any) -> list[Any]:
        """Names that the target's objects got, one each. Several generations of one object are a finding instead."""
        before = set(one.kept if one.keys is None else one.keys)
        added = {key: now[key] for key in list(now) if key not in before and self._is_put(now[key])}
        names = [_qualified(value) for value in added.values()]
        return list(added) if len(set(names)) == len(names) else []

    def _is_put(self, value: object) -> bool:
        """Whether the target put a value there: it belongs to the target, or is a mock."""
        if value is None or value is ABSENT:
            return False
        return belongs(value, self._is_targets) or foreign.class_module(type(value)) == "unittest.mock"


def _held(value: Any) -> Any:
    """A function or class, or a weak reference to one that may hold others, as a closure holds objects."""
    return weakref.ref(value) if type(value) is _FUNCTION and value.__closure__ is not None else value


def _is_near(space: dict[str, Any]) -> bool:
    """Whether a module is not installed, and so is a host or another part of the project."""
    file = foreign.text(space.get("__file__"))
    return bool(file) and not any(part in file for part in _INSTALLED)


def _place(one: _Space, key: Any) -> str:
    return one.path.format(foreign.text(key))


def _given(value: Any) -> tuple[Any, ...]:
    return () if value is ABSENT else (value,)


def _qualified(value: Any) -> str:
    if type(value) is types.MethodType:
        value = value.__func__
    if type(value) is _FUNCTION:
        return f"{foreign.module_name(value.__globals__)}.{foreign.text(value.__qualname__)}"
    return foreign.class_name(value if foreign.is_class(value) else type(value))
