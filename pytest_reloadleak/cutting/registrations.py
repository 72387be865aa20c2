"""Remove entries of process-wide registries: by the registry's own function where it has one, else from its table."""

from __future__ import annotations

import contextvars
import os
import signal
import sys
import threading
import types
from collections.abc import Callable
from typing import Any

from pytest_reloadleak.cutting.cut import CannotCutError
from pytest_reloadleak.effects.probe import Identity
from pytest_reloadleak.effects.registries.listed import REGISTRIES
from pytest_reloadleak.effects.registries.registry import Entry, Registry, attribute
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.holders import roots

_OF_TARGET = "of the target"
_WHOLE = frozenset(
    {
        "signal",
        "contextvars",
        "decimal",
        "sys.set_asyncgen_hooks",
        "sys.settrace",
        "sys.setprofile",
        "threading.settrace",
        "threading.setprofile",
        "threading.excepthook",
        "unittest.mock",
    }
)
"""Registries with a single slot, or whose entries go together: removing one entry releases all generations."""

_environ = os.environ
_copy_context = contextvars.copy_context
_signal = signal.signal


def is_whole(registry: str | None, path: str) -> bool:
    """Whether removing one entry releases all: see `_WHOLE`."""
    return registry in _WHOLE or path in _MAKERS


def remove(identity: Identity) -> None:
    """Remove the entry with an identity, as the probe for registrations gives it.

    Raises:
        CannotCutError: its registry cannot release an entry.
    """
    wanted = identity[1:] if identity[:1] == (_OF_TARGET,) else identity
    for registry in REGISTRIES:
        if registry.module not in sys.modules:
            continue
        # The entry of a single slot may have been replaced since; then the new entry keeps the old ones.
        count = 2 if registry.name in _WHOLE or wanted[1] in _MAKERS else len(wanted)
        entry = next(
            (entry for entry in registry.entries() if entry.identity[:count] == wanted[:count]), None
        )
        if entry is None:
            continue
        _OWN.get(registry.name, _from_container)(registry, entry)
        # Equal texts in a list are numbered, so the next one now has the number of the removed one.
        if entry.values and any(other.identity == wanted for other in registry.entries()):
            raise CannotCutError(f"{registry.name} still has it after it was removed")
        return


def _from_container(registry: Registry, entry: Entry) -> None:
    """Remove an entry from the list or table that has it."""
    containers = entry.containers or (_table(registry, entry),)
    is_removed = False
    for container in containers:
        if issubclass(type(container), list):
            is_removed |= _from_list(container, entry.identity)
        elif issubclass(type(container), dict):
            is_removed |= _from_table(container, entry.identity)
    if not is_removed:
        raise CannotCutError(f"{registry.name} does not let go of an entry")


def _from_list(items: Any, identity: Identity) -> bool:
    """Remove one occurrence, counted as `of_list` does."""
    _, key, count = identity
    found = [
        n for n, item in enumerate(list.__iter__(items)) if (item if type(item) is str else id(item)) == key
    ]
    if len(found) < int(count):
        return False
    list.__delitem__(items, found[int(count) - 1])
    return True


def _from_table(table: Any, identity: Identity) -> bool:
    """Remove the entry with a key, named as `table_identities` does."""
    label = identity[2]
    keys = [key for key in list(dict.keys(table)) if (key if type(key) in (str, int) else id(key)) == label]
    for key in keys:
        dict.__delitem__(table, key)
    return bool(keys)


def _table(registry: Registry, entry: Entry) -> Any:
    """The table of an entry that has no objects: it is at the path that the identity names."""
    return attribute(registry.module, str(entry.identity[1]).removeprefix(f"{registry.module}."))


# -- registries with functions of their own ---------------------------------------------------------------------------


def _from_signal(_registry: Registry, entry: Entry) -> None:
    name = entry.path.partition(".")[2]
    number = next((n for n in roots.VALID_SIGNALS if roots.SIGNAL_NAMES.get(n, str(n)) == name), None)
    if number is None or threading.current_thread() is not threading.main_thread():
        raise CannotCutError("only the main thread may set a signal's handler")
    _signal(number, signal.SIG_DFL)


def _from_context(_registry: Registry, entry: Entry) -> None:
    if entry.identity[0] == "contextvars default":
        raise CannotCutError("a context variable keeps its default")
    variable = next((v for v in _copy_context() if id(v) == entry.identity[1]), None)
    if variable is not None:
        variable.set(None)


def _from_decimal(_registry: Registry, _entry: Entry) -> None:
    own = foreign.namespace("decimal")
    own["setcontext"](own["Context"]())


def _from_environment(_registry: Registry, entry: Entry) -> None:
    name = str(entry.identity[1])
    if len(entry.identity) == 2:
        _environ.pop(name, None)
        return
    parts = _environ[name].split(os.pathsep)
    found = [n for n, part in enumerate(parts) if part == entry.identity[2]]
    del parts[found[int(entry.identity[3]) - 1]]
    _environ[name] = os.pathsep.join(parts)


def _from_dialects(_registry: Registry, entry: Entry) -> None:
    foreign.namespace("_csv")["unregister_dialect"](entry.identity[1])


def _from_modules(_registry: Registry, entry: Entry) -> None:
    table = foreign.module_table()
    if id(dict.get(table, entry.identity[1])) == entry.identity[2]:
        dict.__delitem__(table, entry.identity[1])


def _from_asyncgen_hooks(_registry: Registry, entry: Entry) -> None:
    if "firstiter" in entry.path:
        sys.set_asyncgen_hooks(firstiter=None)
    else:
        sys.set_asyncgen_hooks(finalizer=None)


def _from_excepthook(_registry: Registry, _entry: Entry) -> None:
    own = foreign.namespace("threading")
    dict.__setitem__(own, "excepthook", own["__excepthook__"])


def _from_logging(registry: Registry, entry: Entry) -> None:
    own = foreign.namespace("logging")
    manager: Any = foreign.class_dict(own["Logger"])["manager"]
    label = entry.identity[0]
    if label == "logging name":
        dict.pop(foreign.instance_dict(manager.loggerDict) or manager.loggerDict, entry.identity[1], None)
    elif label == "logging level":
        own["_levelToName"].pop(own["_nameToLevel"].pop(entry.identity[2], None), None)
    elif entry.path in _MAKERS:
        _MAKERS[entry.path](own, manager)
    else:
        _from_container(registry, entry)


_MAKERS: dict[str, Callable[[dict[str, Any], Any], None]] = {
    "logging.setLoggerClass": lambda own, _: dict.__setitem__(own, "_loggerClass", own["Logger"]),
    "logging.setLogRecordFactory": lambda own, _: dict.__setitem__(
        own, "_logRecordFactory", own["LogRecord"]
    ),
    "logging.Manager.setLoggerClass": lambda _, manager: setattr(manager, "loggerClass", None),
    "logging.Manager.setLogRecordFactory": lambda _, manager: setattr(manager, "logRecordFactory", None),
}


def _from_finalizers(_registry: Registry, entry: Entry) -> None:
    table: Any = entry.containers[0]
    finalizer = next((f for f in list(dict.keys(table)) if id(f) == entry.identity[1]), None)
    if finalizer is not None:
        finalizer.detach()


def _from_patches(_registry: Registry, _entry: Entry) -> None:
    # Each patch puts back what it found, which may be an older patch. So all must be stopped, the newest first.
    foreign.namespace("unittest.mock")["patch"].stopall()


def _from_dispatchers(registry: Registry, entry: Entry) -> None:
    registered, cached = entry.containers
    _from_container(registry, entry._replace(containers=(registered,)))
    if type(cached) is dict:
        dict.clear(cached)


def _from_copyreg(registry: Registry, entry: Entry) -> None:
    if not str(entry.identity[1]).endswith("_extension_registry"):
        _from_container(registry, entry)
        return
    table = _table(registry, entry)
    for key, code in list(dict.items(table)):
        if id(key) == entry.identity[2]:
            foreign.namespace("copyreg")["remove_extension"](*key, code)


def _from_warnings(registry: Registry, entry: Entry) -> None:
    _from_container(registry, entry)
    mutated: Any = foreign.namespace("warnings").get("_filters_mutated")
    if foreign.is_exactly(mutated, _FUNCTIONS):
        mutated()


_FUNCTIONS = foreign.type_ids(types.FunctionType, types.BuiltinFunctionType)


_OWN: dict[str, Callable[[Registry, Entry], None]] = {
    "signal": _from_signal,
    "contextvars": _from_context,
    "decimal": _from_decimal,
    "os.environ": _from_environment,
    "csv": _from_dialects,
    "sys.modules": _from_modules,
    "sys.set_asyncgen_hooks": _from_asyncgen_hooks,
    "sys.settrace": lambda *_: sys.settrace(None),
    "sys.setprofile": lambda *_: sys.setprofile(None),
    "threading.settrace": lambda *_: threading.settrace(None),
    "threading.setprofile": lambda *_: threading.setprofile(None),
    "threading.excepthook": _from_excepthook,
    "logging": _from_logging,
    "weakref.finalize": _from_finalizers,
    "unittest.mock": _from_patches,
    "functools.singledispatch": _from_dispatchers,
    "copyreg": _from_copyreg,
    "warnings": _from_warnings,
}
