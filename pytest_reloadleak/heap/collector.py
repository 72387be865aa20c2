"""Keep private copies of what the check calls in `gc` and `sys`: a target may patch the originals."""

from __future__ import annotations

import gc as _gc
import sys as _sys
from types import FrameType as _FrameType
from types import FunctionType as _FunctionType
from types import MethodType as _MethodType
from types import ModuleType as _ModuleType
from typing import Any as _Any

callbacks = _gc.callbacks
collect = _gc.collect
disable = _gc.disable
enable = _gc.enable
freeze = _gc.freeze
get_debug = _gc.get_debug
get_freeze_count = _gc.get_freeze_count
get_referents_of_all = _gc.get_referents
"""Referents of several objects at once. None of them may be a module that `get_referents` treats as unsafe."""
get_referrers = _gc.get_referrers
get_threshold = _gc.get_threshold
is_tracked = _gc.is_tracked
isenabled = _gc.isenabled
set_debug = _gc.set_debug
set_threshold = _gc.set_threshold
unfreeze = _gc.unfreeze

current_frames = _sys._current_frames
getframe = _sys._getframe
getrefcount = _sys.getrefcount

_gettrace = _sys.gettrace


def is_tracing() -> bool:
    """Whether a trace function in Python is set: when it returns, the interpreter writes a frame's snapshot back."""
    return type(_gettrace()) in _PYTHON


_PYTHON = (_FunctionType, _MethodType)

UNSAFE = frozenset({"_asyncio"})
"""Modules whose referents must not be read; only their namespaces may. `_asyncio` also shows dead objects from a free
list. Dropping a reference to one of those puts it into that list a second time, and a later collection crashes or loops
forever (CPython 3.12 and 3.13, gh-122695)."""

_all_objects = _gc.get_objects
_PACKAGE = __name__.partition(".")[0]


def _objects_without_own_frames() -> list[_Any]:
    """All objects that the collector tracks, except the frames of this tool that ask for them.

    Before 3.11 such a frame is tracked and holds the list: a cycle that keeps all objects alive until the next gc.
    """
    found = _all_objects()
    frame: _FrameType | None = getframe()
    own = set()
    while frame is not None:
        name = frame.f_globals.get("__name__")
        if type(name) is not str or name.partition(".")[0] != _PACKAGE:
            break
        own.add(id(frame))
        frame = frame.f_back
    objects = [o for o in found if id(o) not in own]
    found.clear()
    return objects


get_objects = _all_objects if _sys.version_info >= (3, 11) else _objects_without_own_frames

_module_dict = vars(_ModuleType)["__dict__"].__get__


def get_referents(o: object) -> list[_Any]:
    """What an object refers to; for an unsafe module, only its namespace."""
    if type(o) is _ModuleType:
        namespace = _module_dict(o)
        name = namespace.get("__name__")
        if type(name) is str and name in UNSAFE:  # other types may have a hostile `__hash__`
            return [namespace]
    return get_referents_of_all(o)
