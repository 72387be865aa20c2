"""The roots: where reachability starts, as far as Python lets us list it.

The frames of running code show their locals to nobody since 3.11, so they are read here; signal handlers, the current
context and the `atexit` table have no Python object that the collector could enter. What cannot be listed (fork and
audit hooks, codec search functions, a temporary on a C stack) is left to `heap.native`.
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
from collections.abc import Collection, Iterator
from typing import Any, cast

from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.heap.own_objects import is_own, outward
from pytest_reloadleak.heap.references import frame_locals
from pytest_reloadleak.holders.sweep import Root

# Private copies, as the target may patch them.
_get_ident, _enumerate = threading.get_ident, threading.enumerate
_RUNNERS = frozenset({"_pytest", "pytest", "pluggy", "xdist", "execnet"})
"""Packages whose frames run the test; a trace through them explains less than any other."""


def is_runner(module: str) -> bool:
    """Whether a module belongs to what runs the tests."""
    return module.partition(".")[0] in _RUNNERS


# Copies: after a reload of `enum` the enumeration of signals no longer knows its own members (3.13).
SIGNAL_NAMES = {int(number): number.name for number in signal.Signals}
"""Those that have a name: the ones between the first and the last real-time one have none."""
VALID_SIGNALS = tuple(sorted(map(int, signal.valid_signals())))
getsignal = vars(signal)["_signal"].getsignal  # `signal`'s own makes an enum of each number


def collect(idents: Collection[int] = (), barred: Collection[int] = ()) -> list[list[Root]]:
    """Every root, in the order in which a reader would want to hear of it.

    Args:
        idents: threads that are effects: their frames are theirs.
        barred: ids of threads, tasks and registered objects that are effects.

    Returns:
        Groups that are swept one after the other: what threads run and modules hold; then the interpreter's
        registries; then locals; and last the frames of whatever runs the tests, through which a trace explains least.
    """
    ours: list[Root] = []
    runners: list[Root] = []
    for ident, frame in _frames():
        if ident in idents:
            continue
        runs_tests = is_runner(foreign.module_name(frame.f_globals))
        (runners if runs_tests else ours).extend(_locals(frame, ident == _get_ident(), runs_tests))
    # Of paths of equal length the first root's is told. In the order of import that would change with what else was
    # imported meanwhile; by name it is the same from run to run, and that of the outermost module.
    modules = sorted(_modules(), key=lambda root: (root.path.count("."), root.path))
    runners += [root for root in modules if root.is_runner]
    modules = [root for root in modules if not root.is_runner]
    groups = [[*_threads(), *_tasks(), *modules], registered(), ours, runners]
    return [[root for root in group if id(root.value) not in barred] for group in groups]


def registered() -> list[Root]:
    """What the interpreter's registries hold that no object of Python's leads to."""
    return [*_signals(), *_atexit(), *_context(), *_hooks()]


_NUMBER = re.compile(r"\d+")


def _threads() -> Iterator[Root]:
    for thread in _enumerate():  # in the order of their start
        name = dict.get(foreign.instance_dict(thread) or {}, "_name")
        if thread is not threading.main_thread() and foreign.is_text(name):
            label = f"thread {foreign.key_text(_NUMBER.sub('*', foreign.text(name)))}"
            yield Root("thread", label, label, thread)


def _tasks() -> Iterator[Root]:
    """Tasks of the running asyncio loop. They are in a weak set, and what keeps them is a long way round."""
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
    """Whether `o` is an int or an enum of ints (`SIG_DFL`, `SIG_IGN`), asked of its type."""
    return issubclass(type(o), int)


class _Listener:
    """Equal to nothing; remembers what it was compared with.

    `atexit.unregister(f)` compares every callback with `f`, so this one is shown them all and none is removed.
    """

    __slots__ = ("callbacks",)
    __hash__ = None  # type: ignore[assignment]  # never hashed: it only stands on one side of a comparison

    def __init__(self) -> None:
        self.callbacks: list[object] = []

    def __eq__(self, other: object) -> bool:
        self.callbacks.append(other)
        return False


def _may_be_hurt() -> bool:
    """Whether listing could run an `__eq__` of the program's, which might claim to be equal and be unregistered.

    Functions and methods compare by identity; only an object that can be called and has an `__eq__` of its own may.
    """
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
            # What `dataclass` and the like generate compares with its own kind only.
            code = foreign.own_code(own.get("__eq__"))
            compares = (
                not is_library and code is not None and not foreign.code_location(code)[0].startswith("<")
            )
            if compares and any("__call__" in foreign.class_dict(base) for base in foreign.mro(cls)):
                return True
    return False


def _atexit() -> Iterator[Root]:
    if _may_be_hurt():
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
