"""Keep the settings of the process that a target may change, and put them back for the tests that follow.

Findings are about what piles up. A working directory, a signal handler or a log level that each reload sets again piles
up nowhere, so no finding names it; but the next test would run with it.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from pytest_reloadleak.effects.system import orphans
from pytest_reloadleak.heap import foreign

_EXEMPT = frozenset({"PYTEST_CURRENT_TEST", orphans.VARIABLE})
"""Variables that the test runner and this tool set themselves."""
_HOOKS = ("excepthook", "displayhook", "unraisablehook", "stdin", "stdout", "stderr")
# Private copies: the target may patch the originals.
_getcwd, _chdir, _environ = os.getcwd, os.chdir, os.environ
_getsignal, _signal, _signals = signal.getsignal, signal.signal, tuple(signal.valid_signals())
_main_ident, _get_ident = threading.main_thread().ident, threading.get_ident


class _Setting(NamedTuple):
    """One setting: what it is called in a note, and how to read and write it."""

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], object]


class ProcessSettings:
    """The settings of the process at the start of a check.

    Args:
        is_targets: whether a module is the target's. Its own objects are not kept: they may be what leaks.
    """

    def __init__(self, is_targets: Callable[[str], bool]) -> None:
        values = ((one, _read(one)) for one in _settings())
        self._settings = [(one, before) for one, before in values if not _belongs(before, is_targets)]
        self._environ = dict(_environ)
        self._random = random.getstate()

    def changed(self) -> list[str]:
        """What the check's rounds changed, in words for a note; empty if nothing."""
        names = [one.name for one, before in self._settings if not _is_same(_read(one), before)]
        variables = sorted(name for name in _differing(self._environ) if name not in _EXEMPT)
        return [*names, *(f"the environment variable {name}" for name in variables)]

    def put_back(self) -> None:
        """Put back what was changed. Whatever cannot be is left as it is: a check must not fail for it."""
        for one, before in self._settings:
            with contextlib.suppress(Exception):
                if not _is_same(_read(one), before):
                    one.write(before)
        variables = [name for name in _differing(self._environ) if name not in _EXEMPT]
        for name in variables:
            if name in self._environ:
                _environ[name] = self._environ[name]
            else:
                _environ.pop(name, None)
        if "TZ" in variables and hasattr(time, "tzset"):
            time.tzset()
        with contextlib.suppress(Exception):
            random.setstate(self._random)
        self._settings.clear()


def _settings() -> Iterator[_Setting]:
    yield _Setting("the working directory", _getcwd, _chdir)
    for name in _HOOKS:
        yield _slot(f"sys.{name}", sys, name)
    yield _slot("threading.excepthook", threading, "excepthook")
    yield _Setting("the trace function", sys.gettrace, sys.settrace)
    yield _Setting("the profile function", sys.getprofile, sys.setprofile)
    yield _Setting("the recursion limit", sys.getrecursionlimit, sys.setrecursionlimit)
    yield _Setting("the switch interval", sys.getswitchinterval, sys.setswitchinterval)
    for number in _signals if _get_ident() == _main_ident else ():  # only there can a handler be set
        if _getsignal(number) is not None:
            name = f"the handler of {_signal_name(number)}"
            yield _Setting(name, partial(_getsignal, number), partial(_signal, number))
    yield from _of_libraries()


def _of_libraries() -> Iterator[_Setting]:
    """Settings of modules that are loaded: none is imported for this."""
    loaded = dict(foreign.loaded_modules())
    if (logging := loaded.get("logging")) is not None:
        root = vars(logging)["root"]
        manager = root.manager
        yield _Setting("the level of the root logger", partial(_level, root), root.setLevel)
        yield _Setting("logging.disable", lambda: manager.disable, partial(setattr, manager, "disable"))
        for name, logger in list(manager.loggerDict.items()):
            if type(logger) is vars(logging)["Logger"]:
                text = f"the level of the logger {foreign.text(name)}"
                yield _Setting(text, partial(_level, logger), logger.setLevel)
    # The first one who asks for the policy makes asyncio choose one: no setting of the program's.
    if (events := loaded.get("asyncio.events")) is not None and vars(events).get(
        "_event_loop_policy"
    ) is not None:
        yield _slot("the event loop policy", events, "_event_loop_policy")
    if (sockets := loaded.get("_socket")) is not None:
        space = vars(sockets)
        yield _Setting(
            "the default timeout of sockets", space["getdefaulttimeout"], space["setdefaulttimeout"]
        )
    if (locales := loaded.get("_locale")) is not None:
        setlocale = vars(locales)["setlocale"]
        for name in ("LC_CTYPE", "LC_COLLATE", "LC_TIME", "LC_NUMERIC", "LC_MONETARY"):
            category = vars(locales).get(name)
            if category is not None:
                read = partial(setlocale, category, None)
                yield _Setting(f"the locale {name}", read, partial(setlocale, category))


def _slot(text: str, owner: Any, name: str) -> _Setting:
    """A setting that is an attribute of a module or object."""
    return _Setting(text, partial(vars(owner).get, name), partial(setattr, owner, name))


def _level(logger: Any) -> Any:
    return logger.level


def _read(setting: _Setting) -> Any:
    try:
        return setting.read()
    except Exception:  # noqa: BLE001 - the target may have put anything there
        return None


_PLAIN = (str, int, float)


def _is_same(one: Any, other: Any) -> bool:
    """Whether two values are the same setting; objects of the program are compared by identity."""
    return one is other or (type(one) in _PLAIN and type(other) is type(one) and bool(one == other))


def _belongs(value: Any, is_targets: Callable[[str], bool]) -> bool:
    """Whether a value is a function, class, method or instance of the target's."""
    kind = type(value)
    if value is None or kind in _PLAIN:
        return False
    if kind is types.MethodType:
        return _belongs(value.__func__, is_targets) or _belongs(value.__self__, is_targets)
    if kind is types.FunctionType:
        return is_targets(foreign.module_name(value.__globals__))
    return is_targets(foreign.class_module(value if foreign.is_class(value) else kind))


def _differing(before: dict[str, str]) -> list[str]:
    now = dict(_environ)
    return [name for name in {**before, **now} if before.get(name) != now.get(name)]


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
