"""Distinguish the tool's own frames, modules and classes from those of the program under check."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.heap.references import frame_locals

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
"""The directory of this tool's code."""


def is_own(frame: types.FrameType) -> bool:
    """Whether a frame belongs to this tool, so that its locals are not the program's."""
    return foreign.code_location(frame.f_code)[0].startswith(PACKAGE)


def is_frame_or_own_generator(o: Any) -> bool:
    """Whether `o` is a frame, whose locals are roots of their own, or a generator of this tool."""
    if type(o) is types.GeneratorType:
        return foreign.code_location(o.gi_code)[0].startswith(PACKAGE)
    return type(o) is types.FrameType


def own_ids() -> set[int]:
    """Ids of the objects that a sweep does not enter: this tool's modules, namespaces and classes, and `sys.modules`.

    Each module is a root with a name of its own; reached through `sys.modules` it would be a mere item.
    """
    modules = [m for name, m in foreign.loaded_modules() if is_of_tool(name)]
    return set(map(id, [sys.modules, *modules, *own_namespaces_and_classes()]))


def own_namespaces_and_classes() -> list[Any]:
    """The namespaces and classes of this tool, and of packages that were loaded only for it."""
    namespaces = [vars(m) for name, m in foreign.loaded_modules() if is_of_tool(name)]
    classes = [value for n in namespaces for value in n.values() if foreign.is_class(value)]
    return [*namespaces, *(cls for cls in classes if is_of_tool(foreign.class_module(cls)))]


_adopted: set[str] = set()


def adopt(package: str) -> None:
    """Treat a package as part of this tool. The tool has just loaded it, so no other code refers to it yet."""
    _adopted.add(package)


def is_of_tool(module: str) -> bool:
    """Whether a module of this name belongs to this tool, or was loaded only for it."""
    package = module.partition(".")[0]
    return package == "pytest_reloadleak" or package in _adopted


def own_locals() -> list[object]:
    """Values of the locals in the frames of this tool, except this function's own."""
    frames = [frame for frame in outward(gc.getframe().f_back) if is_own(frame)]
    return [value for frame in frames for _, value in frame_locals(frame)]


def kept_locals() -> list[object]:
    """What finished frames of this tool hold. A debugger may keep these, since `sys.settrace` shows it all frames."""
    running = set(map(id, outward(gc.getframe())))
    frames = [o for o in gc.get_objects() if type(o) is types.FrameType and id(o) not in running]
    return [value for frame in frames if is_own(frame) for value in gc.get_referents(frame)]


def untrace(is_targets: Callable[[object], bool]) -> None:
    """Take the target's trace functions from the running frames of this tool.

    A frame keeps the function that `sys.settrace` had set when the frame began, for as long as it runs.

    Args:
        is_targets: whether an object is the target's.
    """
    for frame in outward(gc.getframe()):
        if frame.f_trace is not None and is_own(frame) and is_targets(frame.f_trace):
            frame.f_trace = None


def stack() -> list[types.FrameType]:
    """Frames of the calling thread that are not this tool's, innermost first."""
    return [frame for frame in outward(gc.getframe()) if not is_own(frame)]


def outward(frame: types.FrameType | None) -> Iterator[types.FrameType]:
    """Yield a frame and its callers, innermost first."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def caller_namespaces() -> Iterable[dict[str, Any]]:
    """Globals of the frames that called the check, without those of this tool."""
    for frame in stack():
        yield frame.f_globals


def caller_frames() -> set[int]:
    """Ids of the frames that called the check, without those of this tool."""
    return {id(frame) for frame in stack()}


_HEAP = 1000
"""Every process has more objects than this, so a list that is longer counts as a listing of the heap."""


def is_heap_listing(o: object) -> bool:
    """Whether `o` is a list of the heap's objects that the tool made; such a list holds what others hold."""
    return type(o) is list and len(o) > _HEAP
