"""List the settings of loaded libraries. This module imports none of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType
from typing import Any

from pytest_reloadleak.heap import foreign
from pytest_reloadleak.run.restoring.setting import Setting, slot, whole_list


def settings() -> Iterator[Setting]:
    """The settings of each library that is loaded now."""
    loaded = dict(foreign.loaded_modules())
    for name, of_library in _LIBRARIES.items():
        module = loaded.get(name)
        if type(module) is ModuleType:
            yield from of_library(module)


def _logging(module: Any) -> Iterator[Setting]:
    manager = vars(module)["root"].manager
    yield Setting("logging.disable", lambda: manager.disable, partial(setattr, manager, "disable"))
    for name in ("raiseExceptions", "lastResort"):
        yield slot(f"logging.{name}", module, name)
    yield slot("the class of new loggers", module, "_loggerClass")
    yield slot("the factory of log records", module, "_logRecordFactory")
    yield slot("logging.captureWarnings", module, "_warnings_showwarning")


def _warnings(module: Any) -> Iterator[Setting]:
    for name in ("showwarning", "formatwarning"):
        yield slot(f"warnings.{name}", module, name)
    filters = whole_list("the warning filters", module, "filters")
    yield filters._replace(write=partial(_write_filters, module, filters.write))


def _write_filters(module: Any, write: Callable[[Any], object], value: Any) -> None:
    write(value)
    with vars(module)["catch_warnings"]():  # its end drops the cached decisions of the other filters
        pass


_KINDS = ("prec", "rounding", "Emin", "Emax", "capitals", "clamp")


def _decimal(module: Any) -> Iterator[Setting]:
    space = vars(module)
    get, put = space["getcontext"], space["setcontext"]
    yield Setting("the context of decimal", partial(_context, get), partial(_set_context, put))
    default = space["DefaultContext"]
    yield Setting("decimal.DefaultContext", partial(_context, lambda: default), partial(_set_context, None))


def _context(get: Callable[[], Any]) -> tuple[Any, ...]:
    found = get()
    if type(found).__module__ != "decimal":  # a class of the program's
        return (found, (), ())
    return (found, tuple(getattr(found, name) for name in _KINDS), tuple(map(bool, found.traps.values())))


def _set_context(put: Callable[[Any], object] | None, value: tuple[Any, ...]) -> None:
    context, numbers, traps = value
    for name, number in zip(_KINDS, numbers, strict=bool(numbers)):
        setattr(context, name, number)
    for trap, is_on in zip(list(context.traps) if traps else (), traps, strict=True):
        context.traps[trap] = is_on
    if put is not None:
        put(context)


_HAD_LOOP = "whether there was an event loop"


def _policy(module: Any) -> Iterator[Setting]:
    # The first read of the policy makes asyncio choose one, which is not a setting of the program.
    policy = vars(module).get("_event_loop_policy")
    if policy is None:
        return
    yield slot("the event loop policy", module, "_event_loop_policy")
    if type(policy).__module__ != "asyncio.unix_events":
        return
    local = vars(policy).get("_local")
    if local is not None:
        yield Setting("the current event loop", partial(_loop, local), partial(setattr, local, "_loop"))
        name = "_set_called"
        if hasattr(local, name):  # until this is true, reading the loop creates one
            yield Setting(
                _HAD_LOOP, partial(getattr, local, name), partial(setattr, local, name), is_told=False
            )
    if "_watcher" in vars(policy):
        yield slot("the child watcher of asyncio", policy, "_watcher")


def _loop(local: Any) -> Any:
    return local._loop


def _sockets(module: Any) -> Iterator[Setting]:
    space = vars(module)
    yield Setting("the default timeout of sockets", space["getdefaulttimeout"], space["setdefaulttimeout"])


def _locale(module: Any) -> Iterator[Setting]:
    space = vars(module)
    for name in ("LC_CTYPE", "LC_COLLATE", "LC_TIME", "LC_NUMERIC", "LC_MONETARY", "LC_MESSAGES"):
        if name in space:
            call = partial(space["setlocale"], space[name])
            yield Setting(f"the locale {name}", partial(call, None), call)


def _csv(module: Any) -> Iterator[Setting]:
    limit = vars(module)["field_size_limit"]
    yield Setting("the largest field of csv", limit, limit)


def _tempfile(module: Any) -> Iterator[Setting]:
    choice = slot("tempfile.tempdir", module, "tempdir")
    yield choice._replace(read=partial(_chosen, module, choice.read))


def _chosen(module: Any, read: Callable[[], Any]) -> Any:
    """The folder that the program chose; `None` also if it is the default, which the first reader sets."""
    found, space = read(), vars(module)
    return None if type(found) is str and found in space["_candidate_tempdir_list"]() else found


def _start_method(module: Any) -> Iterator[Setting]:
    context = vars(module)["_default_context"]
    yield slot("the start method of multiprocessing", context, "_actual_context")


def _faulthandler(module: Any) -> Iterator[Setting]:
    space = vars(module)
    enable, disable = space["enable"], space["disable"]

    def write(is_enabled: bool) -> None:
        # The file to which it wrote cannot be read. pytest lets it write to the first standard error too.
        enable(sys.__stderr__) if is_enabled else disable()

    yield Setting("faulthandler", space["is_enabled"], write)


def _opener(module: Any) -> Iterator[Setting]:
    yield slot("the opener of urllib.request", module, "_opener")


def _ssl(module: Any) -> Iterator[Setting]:
    name = "_create_default_https_context"
    yield slot(f"ssl.{name}", module, name)


def _tracemalloc(module: Any) -> Iterator[Setting]:
    space = vars(module)
    start, stop, limit = space["start"], space["stop"], space["get_traceback_limit"]
    yield Setting(
        "the tracing of allocations (tracemalloc)",
        lambda: limit() if space["is_tracing"]() else 0,
        lambda frames: start(frames) if frames else stop(),
    )


def _random(module: Any) -> Iterator[Setting]:
    space = vars(module)
    yield Setting("the state of random", space["getstate"], space["setstate"], is_told=False)


def _numpy(module: Any) -> Iterator[Setting]:
    space = vars(module)
    # The state is a tuple whose third part is an array. That is compared by identity, so it is always written.
    yield Setting("the state of numpy.random", space["get_state"], space["set_state"], is_told=False)


def _numpy_errors(module: Any) -> Iterator[Setting]:
    space = vars(module)
    get, put = space.get("geterr"), space.get("seterr")
    if get is None or put is None:
        return
    yield Setting(
        "how numpy treats floating-point errors",
        lambda: tuple(sorted(get().items())),
        lambda pairs: put(**dict(pairs)),
    )


_LIBRARIES: dict[str, Callable[[Any], Iterator[Setting]]] = {
    "logging": _logging,
    "warnings": _warnings,
    "decimal": _decimal,
    "asyncio.events": _policy,
    "_socket": _sockets,
    "_locale": _locale,
    "_csv": _csv,
    "tempfile": _tempfile,
    "multiprocessing.context": _start_method,
    "faulthandler": _faulthandler,
    "urllib.request": _opener,
    "ssl": _ssl,
    "_tracemalloc": _tracemalloc,
    "random": _random,
    "numpy.random.mtrand": _numpy,
    "numpy": _numpy_errors,
}

DEFAULTS: dict[str, Any] = {
    "the default timeout of sockets": None,
    "the largest field of csv": 131072,
    "the start method of multiprocessing": None,
    "tempfile.tempdir": None,
    "faulthandler": False,
    "the opener of urllib.request": None,
    "the current event loop": None,
    _HAD_LOOP: False,
}
"""The defaults of settings: for a library that the target is the first to load, and for asyncio's policy, which the
first read creates."""
