"""List the settings of the interpreter: hooks, streams, limits, trace functions, the collector's thresholds."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

from pytest_reloadleak.heap import collector
from pytest_reloadleak.run.restoring.setting import Setting, slot, whole_list

_HOOKS = ("excepthook", "displayhook", "unraisablehook", "breakpointhook")
_STREAMS = ("stdin", "stdout", "stderr", "__stdin__", "__stdout__", "__stderr__")
_FLAGS = ("tracebacklimit", "dont_write_bytecode", "pycache_prefix", "ps1", "ps2")
_NUMBERS = (
    ("the recursion limit", "recursionlimit"),
    ("the switch interval", "switchinterval"),
    ("the most digits of an int as text", "int_max_str_digits"),
    ("the depth at which coroutines note their origin", "coroutine_origin_tracking_depth"),
    ("the flags with which extensions are loaded", "dlopenflags"),
)
"""Settings with functions `sys.get...` and `sys.set...`. Older interpreters lack some of them."""


def settings() -> Iterator[Setting]:
    """The settings of the interpreter and of the present thread."""
    space = vars(sys)
    for name in (*_HOOKS, *_STREAMS, *_FLAGS):
        yield slot(f"sys.{name}", sys, name)
    yield whole_list("sys.argv", sys, "argv")
    yield slot("threading.excepthook", threading, "excepthook")
    yield Setting("the trace function", sys.gettrace, sys.settrace)
    yield Setting("the profile function", sys.getprofile, sys.setprofile)
    for what in ("trace", "profile"):
        yield slot(f"the {what} function of new threads", threading, f"_{what}_hook")
    yield Setting("the stack size of new threads", threading.stack_size, threading.stack_size)
    for text, name in _NUMBERS:
        read, write = (space.get(f"{verb}{name}") or space.get(f"{verb}_{name}") for verb in ("get", "set"))
        if read is not None and write is not None:
            yield Setting(text, read, write)
    yield Setting(
        "the hooks of asynchronous generators", partial(_plain, sys.get_asyncgen_hooks), _set_generator_hooks
    )
    yield Setting("the thresholds of the collector", collector.get_threshold, _set_thresholds)
    yield Setting("the debugging flags of the collector", collector.get_debug, collector.set_debug)
    for name in ("environ", "environb"):
        if name in vars(os):
            yield slot(f"os.{name}", os, name)


def _plain(read: Any) -> tuple[Any, ...]:
    return tuple(read())


_generator_hooks = sys.set_asyncgen_hooks


def _set_generator_hooks(hooks: tuple[Any, ...]) -> None:
    _generator_hooks(*hooks)


def _set_thresholds(values: tuple[int, ...]) -> None:
    collector.set_threshold(*values)
