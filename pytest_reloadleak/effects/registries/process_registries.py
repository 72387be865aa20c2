"""Registries of the process and of the interpreter: handlers, hooks, the environment and the context.

`atexit` can be listed too, yet not cheaply: it is watched. The ids of `sys.monitoring` are six, so they run out before
they could be seen to grow, and the reload raises; its callbacks are watched.
"""

from __future__ import annotations

import contextvars
import os
import sys
import threading
import types
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from pytest_reloadleak.effects.probe import Identity
from pytest_reloadleak.effects.registries.registry import Entry, Registry, namespace, of_list, slot
from pytest_reloadleak.heap import foreign, settle
from pytest_reloadleak.holders import roots

_copy_context = contextvars.copy_context
_environ = os.environ


def _signals() -> Iterator[Entry]:
    for number in roots.VALID_SIGNALS:
        handler = roots.getsignal(number)
        if (
            type(handler) is types.FunctionType
            and foreign.module_name(handler.__globals__) == "asyncio.unix_events"
        ):
            continue  # an event loop's: told by the probe of loops
        if handler is not None and not foreign.is_atom(handler):
            name = roots.SIGNAL_NAMES.get(number, str(number))
            yield from slot("signal", f"signal.{name}", handler)


def _context() -> Iterator[Entry]:
    return (entry for entry in _variables() if entry.path != _DECIMAL)


def _decimal() -> Iterator[Entry]:
    """The context of `decimal`, which is a context variable."""
    return (entry._replace(path="decimal.setcontext") for entry in _variables() if entry.path == _DECIMAL)


_DECIMAL = "contextvars['decimal_context']"


def _variables() -> Iterator[Entry]:
    """The variables that are set in the current context, and what they are set to.

    The context keeps such a variable for good, and the variable its default.
    """
    for variable, value in list(_copy_context().items()):
        path = f"contextvars[{foreign.key_text(foreign.text(variable.name))}]"
        set_to = Entry(_identity(variable, value), path, type="contextvars.ContextVar")
        yield set_to._replace(values=() if foreign.is_atom(value) else (value,))
        default = _default(variable)
        if not foreign.is_atom(default):
            yield set_to._replace(identity=("contextvars default", id(variable)), values=(variable, default))


def _identity(variable: contextvars.ContextVar[Any], value: object) -> Identity:
    return ("contextvars", id(variable), id(value))


def _context_identities() -> list[Identity]:
    """Those of the values alone: a default counts only if it is the target's."""
    return [_identity(variable, value) for variable, value in list(_copy_context().items())]


def _default(variable: contextvars.ContextVar[Any]) -> object:
    try:
        return contextvars.Context().run(variable.get)
    except LookupError:
        return None


def _environment() -> Iterator[Entry]:
    """Variables by name, and the parts of one that is a list, such as `PATH`: by what they are, not what they say."""
    table = dict.get(foreign.instance_dict(_environ) or {}, "_data")
    for key, value in list(table.items()) if type(table) is dict else ():
        name, text = os.fsdecode(key), os.fsdecode(value)
        path = f"os.environ[{foreign.key_text(name)}]"
        yield Entry(("os.environ", name), path, type="str")
        counts: dict[str, int] = {}
        for part in text.split(os.pathsep) if os.pathsep in text else ():
            counts[part] = counts.get(part, 0) + 1
            yield Entry(("os.environ", name, part, counts[part]), f"{path}[*]", type="str")


def _collector() -> Iterator[Entry]:
    return of_list("gc.callbacks", "gc.callbacks[*]", settle.callbacks())


def _hook(name: str, get: Callable[[], object]) -> Iterator[Entry]:
    return slot(name, name, get())


def _asyncgen_hooks() -> Iterator[Entry]:
    hooks = sys.get_asyncgen_hooks()
    for name, hook in (("firstiter", hooks.firstiter), ("finalizer", hooks.finalizer)):
        yield from slot("sys.set_asyncgen_hooks", f"sys.set_asyncgen_hooks({name})", hook)


_CHAIN = "set what was there before, and do not build on what an older generation left there"
_HOOKS: dict[str, Callable[[], object]] = {
    "sys.settrace": sys.gettrace,
    "sys.setprofile": sys.getprofile,
    "threading.settrace": threading.gettrace,
    "threading.setprofile": threading.getprofile,
    "threading.excepthook": lambda: namespace("threading").get("excepthook"),
}

PROCESS = (
    Registry(
        name="signal",
        module="signal",
        entries=_signals,
        undo=f"{_CHAIN}: signal.signal() returns it",
    ),
    Registry(
        name="contextvars",
        module="contextvars",
        entries=_context,
        undo="reset() the variable with the token that set() returned, or create it once, outside what is reloaded",
        identities=_context_identities,
    ),
    Registry(
        name="decimal",
        module="decimal",
        entries=_decimal,
        undo="use decimal.localcontext(), or set the context that was there before",
        bars=True,
        identities=tuple,
    ),
    Registry(
        name="os.environ",
        module="os",
        entries=_environment,
        undo="delete the variable, or use a name that stays the same; add to a list only what is not there",
    ),
    Registry(
        name="gc.callbacks",
        module="gc",
        entries=_collector,
        undo="remove it from gc.callbacks",
    ),
    Registry(
        name="sys.set_asyncgen_hooks",
        module="sys",
        entries=_asyncgen_hooks,
        undo=_CHAIN,
        bars=True,
    ),
    *(
        Registry(name=name, module="threading", entries=partial(_hook, name, get), undo=_CHAIN, bars=True)
        for name, get in _HOOKS.items()
    ),
)
