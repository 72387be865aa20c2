"""Check canaries, whose outcome is certain: a leak that must be found, and a module beside it that must be clean.

A debugger that keeps frames, a loader that keeps modules, a frozen or patched collector: anything that breaks the check
of a target breaks these too, and then the verdict is worthless. The modules are created in memory, and only the heap is
searched. Together they cost about 60 % of a clean check of a small module, and 20 % after a clean check (3.11, 3.13).
After a leak whose findings are all proven they cost twice as much as after a clean check.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TypeVar

from pytest_reloadleak.heap import settle
from pytest_reloadleak.holders.retention import GRACE
from pytest_reloadleak.run.looking import Looking
from pytest_reloadleak.run.protocol import Run
from pytest_reloadleak.run.runner import Runner
from pytest_reloadleak.run.subject import Subject
from pytest_reloadleak.settings import Settings
from pytest_reloadleak.strategies.dependencies.project import Project
from pytest_reloadleak.strategies.imports.finder import in_front
from pytest_reloadleak.strategies.imports.unit import Unit
from pytest_reloadleak.strategies.imports.unload import unload
from pytest_reloadleak.strategies.reimport import Reimport

_HOST, _LEAKS, _CLEAN = "reloadleak_canary_host", "reloadleak_canary_leak", "reloadleak_canary_clean"
_SOURCES = {
    _HOST: "kept = []\n",
    _LEAKS: f"import {_HOST} as host\n\ndef event(): pass\n\nhost.kept.append(event)\n",
    _CLEAN: "def event(): pass\n\nclass Plugin:\n    def start(self): return event\n",
}
_PATH = f"{_HOST}.kept[*]"
_MISSED = "a deliberate leak was not found"
_Answer = TypeVar("_Answer")


class _Memory:
    """Finds and loads the canaries: see `importlib.abc.MetaPathFinder` and `Loader`."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a canary."""
        del path, target
        return ModuleSpec(name, self) if name in _SOURCES else None  # type: ignore[arg-type]  # has a loader's methods

    def create_module(self, spec: ModuleSpec) -> None:
        """`None`: the import system creates the module."""

    def exec_module(self, module: ModuleType) -> None:
        """Execute a canary's source."""
        exec(compile(_SOURCES[module.__name__], f"<{module.__name__}>", "exec"), vars(module))  # noqa: S102 - our own


@contextmanager
def _importable() -> Iterator[None]:
    """A block within which the canaries can be imported; after it none of them is loaded."""
    try:
        with in_front(_Memory()):
            yield
    finally:
        unload([name for name in _SOURCES if name in sys.modules])


def defeated(*, was_clean: bool = False, is_proven: bool = False) -> str | None:
    """Why the results of checks in this process are worthless; `None` if both canaries have the right outcome.

    Args:
        was_clean: whether a check was clean. Then that check serves as the clean canary. Its verdict rested on
            `is_any_alive` alone, so for the leak that must be true, but no holder need be found.
        is_proven: whether trial removals confirmed all findings. Then the search for holders works, and what remains to
            be seen is that a clean module is clean here, where for instance a debugger may keep all frames.
    """
    try:
        with _importable():
            __import__(_HOST)
            if was_clean:
                return None if _is_alive(_LEAKS, _CLEAN) else _unreliable(_MISSED)
            if is_proven and _is_alive(_LEAKS) and not _is_alive(_CLEAN):
                return None
            paths = [
                retention.holder.path for retention in _reloaded(Looking.look, _LEAKS, _CLEAN).retentions
            ]
    except Exception as error:  # noqa: BLE001 - any error would have hit the target as well
        return _unreliable(f"{FAILED} {type(error).__name__}: {error}")
    if _PATH not in paths:
        return _unreliable(_MISSED)
    other = next((path for path in paths if path != _PATH), None)
    return _unreliable(f"a clean module was reported as held by {other}") if other is not None else None


def _is_alive(*names: str) -> bool:
    """Whether an old generation of some canaries is alive."""
    return _reloaded(Looking.is_any_alive, *names, is_glance=settle.HAS_AGES)


def _reloaded(ask: Callable[[Looking], _Answer], *names: str, is_glance: bool = False) -> _Answer:
    """Reload canaries until a generation is old enough to be judged, and return the answer of `ask`.

    Args:
        ask: asks a question of the run's looks.
        names: the canaries.
        is_glance: whether to collect only young objects, as all objects of the canaries are.
    """
    rounds = GRACE + 1
    # They patch nothing and change no setting.
    runner = Runner(puts_settings_back=False, recognises_patches=False)
    subject = Subject(Unit(names), Reimport(Project.nowhere()), runner)
    run = Run(subject, Settings(rounds=rounds, warmup=0))
    try:
        run.reloads.begin()
        for _ in range(rounds):
            run.reloads.reload()
        # Settle once: the leak stays, however often the run settles.
        if is_glance:
            settle.glance(lambda: None)
        else:
            settle.settle(lambda: 0, lambda: None, is_patient=bool)
        return ask(run.looks)
    finally:
        run.reloads.end()


FAILED = "the self-check failed with"
"""Beginning of the reason if a canary could not be checked at all, and so was neither missed nor reported wrongly."""


def _unreliable(why: str) -> str:
    return f"checks are unreliable in this process: {why}"
