"""Keep the settings of the process that a target may change, and put them back for the tests that follow.

Findings are about things that pile up. A working directory, a signal handler or a log level that each reload sets again
does not pile up, so no finding names it; but the next test would run with it.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping

from pytest_reloadleak.effects.system import orphans
from pytest_reloadleak.run.restoring import interpreter, libraries, system
from pytest_reloadleak.run.restoring.hook_lists import HookLists
from pytest_reloadleak.run.restoring.loggers import Loggers
from pytest_reloadleak.run.restoring.setting import UNREADABLE, Setting, belongs, is_same, read
from pytest_reloadleak.run.restoring.slots import Slots
from pytest_reloadleak.run.restoring.tables import Tables

_EXEMPT = frozenset({"PYTEST_CURRENT_TEST", orphans.VARIABLE})
"""Variables that the test runner and this tool set themselves."""
_environ = os.environ  # the target may replace it


class ProcessSettings:
    """The settings of the process at the start of a check.

    Args:
        is_targets: whether a module is the target's. The target's objects are not kept, since they may leak.
        callables: names of the functions and classes of each module, without the target's.
        spared: ids of namespaces whose bindings to the target the caller renews.
    """

    def __init__(
        self,
        is_targets: Callable[[str], bool],
        callables: Mapping[str, Collection[str]],
        spared: Collection[int],
    ) -> None:
        values = ((one, read(one)) for one in _settings())
        self._settings = [
            (one, before)
            for one, before in values
            if before is not UNREADABLE and not belongs(before, is_targets)
        ]
        self._names = {one.name for one, _ in self._settings}
        self._environ = dict(_environ)
        self._streams = system.streams()
        self._slots = Slots(is_targets, callables, spared)
        self._parts = (HookLists(is_targets), Loggers(is_targets), Tables(is_targets), self._slots)

    def changed(self) -> list[str]:
        """The settings that the rounds changed and that will be put back, as text for a note; may be empty."""
        names = [one.name for one, _ in self._differing() if one.is_told]
        variables = sorted(name for name in self._variables())
        places = {one.place for one, _ in self._settings}
        parts = dict.fromkeys(name for part in self._parts for name in part.changed() if name not in places)
        return [*names, *(f"the environment variable {name}" for name in variables), *parts]

    def lost(self) -> list[str]:
        """The settings that the rounds changed and that cannot be put back, as text for a note."""
        pairs = zip(self._streams, system.streams(), strict=True)
        streams = [
            f"where descriptor {number} leads" for number, (old, new) in enumerate(pairs) if old != new
        ]
        return [*streams, *self._slots.lost()]

    def leave(self, places: Collection[str]) -> None:
        """Leave some slots of other modules as they are, by their paths."""
        self._slots.leave(places)

    def put_back(self) -> None:
        """Put back what was changed. A setting that resists stays as it is: a check must not fail for it."""
        for one, before in list(self._differing()):
            with contextlib.suppress(Exception):
                one.write(before)
        variables = self._variables()
        for name in variables:
            if name in self._environ:
                _environ[name] = self._environ[name]
            else:
                _environ.pop(name, None)
        if "TZ" in variables and hasattr(time, "tzset"):
            time.tzset()
        for part in self._parts:
            with contextlib.suppress(Exception):
                part.put_back()
        self._settings.clear()

    def _differing(self) -> Iterator[tuple[Setting, object]]:
        """The settings that have another value now, each with the earlier value."""
        for one, before in self._settings:
            if not is_same(read(one), before):
                yield one, before
        for one in libraries.settings():
            if one.name not in self._names and one.name in libraries.DEFAULTS:
                before = libraries.DEFAULTS[one.name]
                if not is_same(read(one), before):
                    yield one, before

    def _variables(self) -> list[str]:
        """Names of the environment variables that differ."""
        before, now = self._environ, dict(_environ)
        return [
            name for name in {**before, **now} if before.get(name) != now.get(name) and name not in _EXEMPT
        ]


def _settings() -> Iterator[Setting]:
    yield from interpreter.settings()
    yield from system.settings()
    yield from libraries.settings()
