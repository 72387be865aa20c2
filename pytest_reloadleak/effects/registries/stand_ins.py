"""Replace functions of the interpreter by stand-ins while a check listens to their calls, and leave no trace.

A stand-in replaces its original in the namespace of every loaded module, under any name. Where the program has put a
function of its own in the original's place, it also replaces the original in that function's closure, by which such a
function calls it: `ipykernel` does so with `faulthandler.register`. Other closures, class attributes, default arguments
and containers keep the original, so calls through them are not seen. The reverse is harmless: a stand-in that the
program kept delegates for ever.

A stand-in is not a plain function, because a function as a class attribute binds its instance; a builtin does not. It
refers to its original and to strings only. Only this module knows the listeners, so no reference leads from a program's
namespace through a stand-in into a check.
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
"""Gets the function and the arguments of each call that did not raise, in the thread of the call."""

_COPIED = ("__name__", "__qualname__", "__doc__", "__module__", "__self__", "__text_signature__")


class StandIn:
    """Behaves like a builtin function, and reports its calls to the listeners.

    It never equals its original: with an `__eq__`, it would keep `holders.roots` from listing callbacks of `atexit`.

    Args:
        spelling: the function's name as a program writes it: `codecs.register`.
        original: the function.
    """

    def __init__(self, spelling: str, original: Any) -> None:
        self.__wrapped__ = original
        self._spelling = spelling
        for name in _COPIED:
            self.__dict__[name] = object.__getattribute__(original, name)

    @property  # type: ignore[misc]  # nobody assigns it
    def __class__(self) -> type:
        """The original's type, for `isinstance` and `inspect.isbuiltin` of the program; `type()` tells the truth."""
        return type(self.__wrapped__)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the original, then the listeners."""
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
"""Stand-ins that the program kept: the next check uses them again."""
_lock = threading.RLock()


def listen(functions: Mapping[str, Any], listener: Listener) -> None:
    """Report calls of some functions to `listener` until `unlisten`. The first listener installs the stand-ins.

    Args:
        functions: the functions by their names as a program writes them, the same for all listeners.
        listener: must not raise.
    """
    global _listeners  # noqa: PLW0603 - the listeners are process-wide, as the stand-ins are
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
    """Stop reporting to `listener`, if it listens. The last one to stop puts the originals back.

    Only stand-ins are replaced, including those that modules imported since. A replacement of the program's own stays.
    """
    global _listeners  # noqa: PLW0603 - as above
    with _lock:
        _listeners = tuple(other for other in _listeners if other != listener)
        if not _listeners and _installed:
            _exchange((stand_in, stand_in.__wrapped__) for stand_in in _installed.values())
            _installed.clear()


def is_hidden(module: str, name: str) -> bool:
    """Whether the program put another function in a function's place, and calls of that one are not reported."""
    found = [_found(module, name), *(cell.cell_contents for cell in _cells(module, name))]
    return found[0] is not None and not any(o is stand_in for o in found for stand_in in _installed.values())


def _exchange(pairs: Iterable[tuple[object, object]]) -> None:
    """Replace the first of each pair by the second, in the namespaces of all loaded modules."""
    others = {id(old): (old, new) for old, new in pairs}
    wanted = frozenset(others)
    for namespace in _namespaces():
        # Nearly all namespaces have none of them. This finds out without running Python code for each name.
        if wanted.isdisjoint(map(id, list(namespace.values()))):
            continue
        for name, value in list(namespace.items()):
            if id(value) in wanted:
                namespace[name] = others[id(value)][1]
    for spelling in _installed:
        module, _, name = spelling.rpartition(".")
        for cell in _cells(module, name):
            if id(cell.cell_contents) in wanted:
                cell.cell_contents = others[id(cell.cell_contents)][1]


def _namespaces() -> Iterator[dict[str, Any]]:
    modules = [module for _, module in foreign.loaded_modules()]
    for module in (*modules, vars(sys).get("monitoring")):  # which `sys.modules` does not list
        namespace = foreign.module_dict(module)
        if namespace is not None:
            yield namespace


def builtin(module: str, name: str) -> Any | None:
    """A builtin function of a loaded module; `None` if it does not exist, or the program replaced and forgot it."""
    for found in (_found(module, name), *(cell.cell_contents for cell in _cells(module, name))):
        original = found.__wrapped__ if type(found) is StandIn else found
        if type(original) is types.BuiltinFunctionType and original.__name__ == name:
            return original
    return None


def _found(module: str, name: str) -> Any:
    """What programs find under a function's name."""
    place = vars(sys).get("monitoring") if module == "sys.monitoring" else sys.modules.get(module)
    return dict.get(foreign.module_dict(place) or {}, name)


def _cells(module: str, name: str) -> list[types.CellType]:
    """The closure of a function that the program put in the place of another; empty where the other is in its place."""
    found = _found(module, name)
    cells = found.__closure__ or () if type(found) is types.FunctionType else ()
    return [cell for cell in cells if _is_filled(cell)]


def _is_filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:  # an empty one
        return False
