"""List the roots, where reachability starts, as far as Python lets us list them.

Since 3.11 the frames of running code hide their locals, so this module reads them. Signal handlers, the current context
and the `atexit` table have no Python object that the collector could enter. `holders.native` looks for what cannot be
listed: fork and audit hooks, codec search functions, a temporary on a C stack.
"""

from __future__ import annotations

import atexit
import contextvars
import os
import re
import signal
import sys
import threading
import types
from collections.abc import Callable, Collection, Iterator
from typing import Any, cast

from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.heap.own_objects import is_own, outward
from pytest_reloadleak.heap.references import frame_locals
from pytest_reloadleak.holders.sweep import Root

# Private copies, as the target may patch them.
_get_ident, _enumerate = threading.get_ident, threading.enumerate
_RUNNERS = frozenset({"_pytest", "pytest", "pluggy", "xdist", "execnet"})
"""Packages whose frames run the test: traces through these frames explain the least."""


def is_runner(module: str) -> bool:
    """Whether a module belongs to the test runner."""
    return module.partition(".")[0] in _RUNNERS


# Copies: after a reload of `enum`, `Signals` no longer recognises its own members (3.13).
SIGNAL_NAMES = {int(number): number.name for number in signal.Signals}
"""Names of signals; those between the first and the last real-time signal have no name."""
VALID_SIGNALS = tuple(sorted(map(int, signal.valid_signals())))
getsignal = vars(signal)["_signal"].getsignal  # the public `signal.getsignal` makes an enum of each number


def collect(
    idents: Collection[int] = (),
    barred: Collection[int] = (),
    owns: Callable[[str], bool] = lambda _: False,
) -> list[list[Root]]:
    """Every root, in the order that gives a reader the clearest traces.

    Args:
        idents: threads that are effects; their frames belong to them and are left out.
        barred: ids of threads, tasks and registered objects that are effects.
        owns: whether a module name belongs to the target. The target's modules come late, so that a trace names a
            holder by its own module, and not by a name in the target.

    Returns:
        Groups to sweep one after the other: threads, tasks and modules; then the interpreter's registries; then
        locals; then the target's modules; and last the frames of the test runner, through which a trace explains the
        least.
    """
    ours: list[Root] = []
    runners: list[Root] = []
    for ident, frame in _frames():
        if ident in idents:
            continue
        runs_tests = is_runner(foreign.module_name(frame.f_globals))
        (runners if runs_tests else ours).extend(_locals(frame, ident == _get_ident(), runs_tests))
    # Of several equally short paths, the report shows that of the first root. Import order would vary with what else is
    # imported; order by name gives the same path in each run, and the outermost module comes first.
    modules = sorted(_modules(), key=lambda root: (root.path.count("."), root.path))
    runners += [root for root in modules if root.is_runner]
    modules = [root for root in modules if not root.is_runner]
    targets = [root for root in modules if owns(root.path)]
    modules = [root for root in modules if not owns(root.path)]
    groups = [[*_threads(), *_tasks(), *modules], registered(), ours, targets, runners]
    return [[root for root in group if id(root.value) not in barred] for group in groups]


def registered() -> list[Root]:
    """The objects that the interpreter's registries hold and that no Python object leads to."""
    return [*_signals(), *_atexit(), *_context(), *_hooks()]


_NUMBER = re.compile(r"\d+")


def _threads() -> Iterator[Root]:
    for thread in _enumerate():  # in the order of their start
        name = dict.get(foreign.instance_dict(thread) or {}, "_name")
        if thread is not threading.main_thread() and foreign.is_text(name):
            label = f"thread {foreign.key_text(_NUMBER.sub('*', foreign.text(name)))}"
            yield Root("thread", label, label, thread)


def _tasks() -> Iterator[Root]:
    """Tasks of the running asyncio loop. A weak set lists them, and their real holders are many references away."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return
    try:
        tasks = list(vars(asyncio)["all_tasks"]())
    except RuntimeError:  # no loop runs in this thread
        return
    for task in tasks:
        if type(task) is vars(asyncio)["Task"]:
            label = f"task {foreign.key_text(_NUMBER.sub('*', foreign.text(task.get_name())))}"
            yield Root("task", label, label, task)


def _modules() -> Iterator[Root]:
    for name, module in foreign.loaded_modules():
        if module is not None and not name.startswith("pytest_reloadleak"):
            label = f"sys.modules[{foreign.key_text(name)}]"
            value = foreign.module_dict(module) if name in gc.UNSAFE else module
            yield Root("sys.modules", label, name, value, is_runner=is_runner(name))


def _frames() -> Iterator[tuple[int, types.FrameType]]:
    for ident, frame in gc.current_frames().items():
        yield from ((ident, f) for f in outward(frame) if not is_own(f))


def _locals(frame: types.FrameType, is_caller: bool, runs_tests: bool) -> Iterator[Root]:
    code = frame.f_code
    module = foreign.module_name(frame.f_globals) or os.path.basename(foreign.code_location(code)[0])
    where = f"{module}.{foreign.code_text(code)}"
    for name, value in frame_locals(frame):
        yield Root(
            "frame", f"local {name} of {where}", f"{where}.<local {name}>", value, is_caller, runs_tests
        )


def _signals() -> Iterator[Root]:
    for number in VALID_SIGNALS:
        handler = getsignal(number)
        if handler is not None and not _is_int(handler):
            name = SIGNAL_NAMES.get(number, str(number))
            yield Root("signal", f"signal {name}", f"signal.{name}", handler)


def _is_int(o: object) -> bool:
    """Whether the type of `o` is an int or an enum of ints (`SIG_DFL`, `SIG_IGN`)."""
    return issubclass(type(o), int)


class _Listener:
    """Equal to nothing. Records what it is compared with: `atexit.unregister(f)` compares `f` with every callback."""

    __slots__ = ("callbacks",)
    __hash__ = None  # type: ignore[assignment]  # never hashed, only compared

    def __init__(self) -> None:
        self.callbacks: list[object] = []

    def __eq__(self, other: object) -> bool:
        self.callbacks.append(other)
        return False


def _may_unregister() -> bool:
    """Whether listing could run an `__eq__` of the program: if that claims equality, its callback is unregistered."""
    # Functions and methods compare by identity; only a callable object with its own `__eq__` is at risk.
    stack: list[type] = [object]
    seen: set[int] = set()
    while stack:
        for cls in foreign.subclasses(stack.pop()):
            if id(cls) in seen:
                continue
            seen.add(id(cls))
            stack.append(cls)
            own = foreign.class_dict(cls)
            module = foreign.class_module(cls)
            is_library = module.partition(".")[0] in sys.stdlib_module_names or is_runner(module)
            # An `__eq__` that `dataclass` and similar tools generate is true only for objects of its own class.
            code = foreign.own_code(own.get("__eq__"))
            compares = (
                not is_library and code is not None and not foreign.code_location(code)[0].startswith("<")
            )
            if compares and foreign.defines(cls, "__call__"):
                return True
    return False


def _atexit() -> Iterator[Root]:
    if _may_unregister():
        return
    listener = _Listener()
    try:
        atexit.unregister(cast(Any, listener))
    except BaseException:  # noqa: BLE001 - a callback whose own `__eq__` raises ends the listing, not the check
        listener.callbacks.append(None)
    for callback in listener.callbacks:
        if callback is not None:
            yield Root("atexit", "atexit", "atexit", callback)


def _context() -> Iterator[Root]:
    for variable, value in contextvars.copy_context().items():
        name = f"contextvars[{foreign.key_text(foreign.text(variable.name))}]"
        yield Root("contextvars", name, name, value)
        yield Root("contextvars", name, name, variable)


def _hooks() -> Iterator[Root]:
    hooks: dict[str, object] = {
        "sys.gettrace()": sys.gettrace(),
        "sys.getprofile()": sys.getprofile(),
        "threading.gettrace()": threading.gettrace(),
        "threading.getprofile()": threading.getprofile(),
    }
    asyncgen = sys.get_asyncgen_hooks()
    hooks["sys.get_asyncgen_hooks().firstiter"] = asyncgen.firstiter
    hooks["sys.get_asyncgen_hooks().finalizer"] = asyncgen.finalizer
    for name, hook in hooks.items():
        if hook is not None:
            yield Root(name.partition("(")[0], name, name, hook)
