"""Define the registries of the process and the interpreter: handlers, hooks, environment and context.

Left out: `atexit`, which is watched, since listing it is not cheap; and the tool ids of `sys.monitoring`. There are six
ids, so they run out and the reload raises before growth could show. Its callbacks are watched.
"""

from __future__ import annotations

import contextvars
import os
import sys
import threading
import types
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Any

from pytest_reloadleak.effects.probe import Identity
from pytest_reloadleak.effects.registries.registry import Entry, Registry, Table, of_list, slot
from pytest_reloadleak.heap import foreign, settle
from pytest_reloadleak.holders import roots

_copy_context = contextvars.copy_context
_environ = os.environ


def _signals() -> Iterator[Entry]:
    for number, handler in zip(roots.VALID_SIGNALS, map(roots.getsignal, roots.VALID_SIGNALS), strict=True):
        if type(handler) is int:
            continue  # the default, or ignored
        if (
            type(handler) is types.FunctionType
            and foreign.module_name(handler.__globals__) == "asyncio.unix_events"
        ):
            continue  # an event loop's handler, which the probe for loops reports
        if handler is not None and not foreign.is_atom(handler):
            name = roots.SIGNAL_NAMES.get(number, str(number))
            yield from slot("signal", f"signal.{name}", handler)


def _context() -> Iterator[Entry]:
    return (entry for entry in _variables() if entry.path != _DECIMAL)


def _decimal() -> Iterator[Entry]:
    """The context of `decimal`, which is stored in a context variable."""
    return (entry._replace(path="decimal.setcontext") for entry in _variables() if entry.path == _DECIMAL)


_DECIMAL = "contextvars['decimal_context']"


def _variables() -> Iterator[Entry]:
    """The variables set in the current context, which it never drops, with their values and their defaults."""
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
    """Identities of the values only: a default counts only if it is the target's."""
    return [_identity(variable, value) for variable, value in list(_copy_context().items())]


def _default(variable: contextvars.ContextVar[Any]) -> object:
    try:
        return contextvars.Context().run(variable.get)
    except LookupError:
        return None


def _environment() -> Iterator[Entry]:
    """Variables by name, whatever their value, and the parts of a variable that is a list, such as `PATH`."""
    table = _encoded()
    yield from _variables_of(list(table.items()) if type(table) is dict else [])


def _encoded() -> object:
    return dict.get(foreign.instance_dict(_environ) or {}, "_data")


def _variables_of(items: list[tuple[Any, Any]]) -> Iterator[Entry]:
    for key, value in items:
        if foreign.is_exactly(key, _ENCODED) and foreign.is_exactly(value, _ENCODED):
            yield from _variable(key, value)


def _environment_identities(items: list[tuple[Any, Any]]) -> list[Identity]:
    return [entry.identity for entry in _variables_of(items)]


_ENCODED = foreign.type_ids(bytes, str)


@lru_cache(maxsize=1024)
def _variable(key: bytes | str, value: bytes | str) -> tuple[Entry, ...]:
    """The entries of one variable. They are texts only, and each round asks for the same ones."""
    name, text = os.fsdecode(key), os.fsdecode(value)
    path = f"os.environ[{foreign.key_text(name)}]"
    found = [Entry(("os.environ", name), path, type="str")]
    counts: dict[str, int] = {}
    for part in text.split(os.pathsep) if os.pathsep in text else ():
        counts[part] = counts.get(part, 0) + 1
        found.append(Entry(("os.environ", name, part, counts[part]), f"{path}[*]", type="str"))
    return tuple(found)


def _collector() -> Iterator[Entry]:
    return of_list("gc.callbacks", "gc.callbacks[*]", settle.callbacks())


def _hook(name: str, get: Callable[[], object]) -> Iterator[Entry]:
    return slot(name, name, get())


def _asyncgen_hooks() -> Iterator[Entry]:
    hooks = sys.get_asyncgen_hooks()
    for name, hook in (("firstiter", hooks.firstiter), ("finalizer", hooks.finalizer)):
        yield from slot("sys.set_asyncgen_hooks", f"sys.set_asyncgen_hooks({name})", hook)


_RESTORE = "on unload, restore the previous hook; do not wrap one that an older generation left"
_HOOKS: dict[str, Callable[[], object]] = {
    "sys.settrace": sys.gettrace,
    "sys.setprofile": sys.getprofile,
    "threading.settrace": threading.gettrace,
    "threading.setprofile": threading.getprofile,
    "threading.excepthook": lambda: foreign.namespace("threading").get("excepthook"),
}

PROCESS = (
    Registry(
        name="signal",
        module="signal",
        entries=_signals,
        undo="on unload, restore the handler that signal.signal() returned; do not wrap one of an older generation",
    ),
    Registry(
        name="contextvars",
        module="contextvars",
        entries=_context,
        undo="on unload, reset() the variable with the token of set(); or create it once, outside reloaded modules",
        identities=_context_identities,
    ),
    Registry(
        name="decimal",
        module="decimal",
        entries=_decimal,
        undo="use decimal.localcontext(), or restore the previous context on unload",
        bars=True,
        identities=tuple,
    ),
    Registry(
        name="os.environ",
        module="os",
        entries=_environment,
        table=Table(_encoded, _environment_identities, is_of_texts=True),
        undo="on unload, delete the variable, or use a fixed name; add to a list such as PATH only what is missing",
    ),
    Registry(
        name="gc.callbacks",
        module="gc",
        entries=_collector,
        undo="on unload, remove the callback from gc.callbacks",
    ),
    Registry(
        name="sys.set_asyncgen_hooks",
        module="sys",
        entries=_asyncgen_hooks,
        undo=_RESTORE,
        bars=True,
    ),
    *(
        Registry(name=name, module="threading", entries=partial(_hook, name, get), undo=_RESTORE, bars=True)
        for name, get in _HOOKS.items()
    ),
)
