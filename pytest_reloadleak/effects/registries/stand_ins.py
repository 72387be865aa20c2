"""Stand in for functions of the interpreter while somebody wants to know who calls them, and leave no trace.

A stand-in takes the place of its original in the namespace of every loaded module, under whatever name it was imported
there. It is not found in class attributes, closures, default arguments and containers that took the original before:
calls through those are not seen. The reverse is harmless: a stand-in that somebody took along delegates for ever.

A stand-in is no plain function, because a function that becomes a class attribute binds its instance and a builtin does
not. It refers to its original and to strings; who listens is known to this module alone, so that no path leads from a
program's namespace through a stand-in into a check.
"""

from __future__ import annotations

import sys
import threading
import types
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from pytest_reloadleak.heap import foreign

Listener = Callable[[str, Sequence[Any], Mapping[str, Any]], None]
"""Is told the function and the arguments of each call that raised nothing, in the thread of the call."""

_COPIED = ("__name__", "__qualname__", "__doc__", "__module__", "__self__", "__text_signature__")


class StandIn:
    """Behaves as a builtin function, and tells the listeners of its calls.

    It is no equal of its original: a class with an `__eq__` and a `__call__` is what keeps `heap.roots` from listing
    the callbacks of `atexit`.

    Args:
        spelling: the function's name in the words of a program: `codecs.register`.
        original: the function.
    """

    def __init__(self, spelling: str, original: Any) -> None:
        self.__wrapped__ = original
        self._spelling = spelling
        for name in _COPIED:
            self.__dict__[name] = object.__getattribute__(original, name)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the original, and tell who listens."""
        result = self.__wrapped__(*args, **kwargs)
        for listener in _listeners:
            listener(self._spelling, args, kwargs)
        return result

    def __repr__(self) -> str:
        return str(self.__wrapped__.__repr__())

    def __reduce__(self) -> str:
        return str(self.__dict__["__qualname__"])


_listeners: tuple[Listener, ...] = ()
"""Replaced as a whole, so that calls in other threads need no lock."""
_installed: dict[str, StandIn] = {}
_kept: weakref.WeakValueDictionary[str, StandIn] = weakref.WeakValueDictionary()
"""Stand-ins that somebody took along: they serve the next check too."""
_lock = threading.RLock()


def listen(functions: Mapping[str, Any], listener: Listener) -> None:
    """Tell `listener` of calls of some functions, until `unlisten`. The first listener has the stand-ins put up.

    Args:
        functions: the functions by their names in the words of a program, the same for all listeners.
        listener: must not raise.
    """
    global _listeners  # noqa: PLW0603 - who listens is a fact of the process, as the stand-ins are
    with _lock:
        _listeners = (*_listeners, listener)
        for spelling, original in functions.items():
            if spelling not in _installed:
                stand_in = _kept.get(spelling)
                if stand_in is None:
                    stand_in = _kept[spelling] = StandIn(spelling, original)
                _installed[spelling] = stand_in
        _exchange((stand_in.__wrapped__, stand_in) for stand_in in _installed.values())


def unlisten(listener: Listener) -> None:
    """Tell `listener` no more; the last one has the originals put back. Nothing happens if it does not listen.

    What the program has meanwhile put in a function's place stays: only stand-ins are exchanged, those included that
    modules have imported since.
    """
    global _listeners  # noqa: PLW0603 - as above
    with _lock:
        _listeners = tuple(other for other in _listeners if other != listener)
        if not _listeners and _installed:
            _exchange((stand_in, stand_in.__wrapped__) for stand_in in _installed.values())
            _installed.clear()


def is_standing_in(o: object) -> bool:
    """Whether `o` is a stand-in that is put up."""
    return any(o is stand_in for stand_in in _installed.values())


def _exchange(pairs: Iterable[tuple[object, object]]) -> None:
    """Put the second of each pair in the place of the first, in the namespaces of all loaded modules."""
    others = {id(old): (old, new) for old, new in pairs}
    wanted = frozenset(others)
    for namespace in _namespaces():
        # Nearly all namespaces have none of them, which this tells without a step of Python per name.
        if wanted.isdisjoint(map(id, list(namespace.values()))):
            continue
        for name, value in list(namespace.items()):
            if id(value) in wanted:
                namespace[name] = others[id(value)][1]


def _namespaces() -> Iterator[dict[str, Any]]:
    modules = [module for _, module in foreign.loaded_modules()]
    for module in (*modules, vars(sys).get("monitoring")):  # which is in no table of modules
        namespace = foreign.module_dict(module)
        if namespace is not None:
            yield namespace


def builtin(module: str, name: str) -> Any | None:
    """A builtin function of a loaded module; `None` if this interpreter has none, or the program replaced it."""
    place = vars(sys).get("monitoring") if module == "sys.monitoring" else sys.modules.get(module)
    found = dict.get(foreign.module_dict(place) or {}, name)
    if type(found) is StandIn:
        found = found.__wrapped__
    return found if type(found) is types.BuiltinFunctionType else None
