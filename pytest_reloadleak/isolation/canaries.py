"""A check of which the outcome is known: of a leak that must be found, and of a module beside it that must be clean.

A debugger that keeps frames, a loader that keeps modules, a collector that somebody froze or patched: what defeats the
check of a target defeats these too, and then its verdict means nothing. The modules are made in memory, and only the
heap is looked at: together they cost some 60 % of a clean check of a small module, after a clean one 20 % (3.11, 3.13).
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
_MISSED = "a leak that was made on purpose was not found"
_Answer = TypeVar("_Answer")


class _Memory:
    """Finds and loads the canaries: see `importlib.abc.MetaPathFinder` and `Loader`."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a canary."""
        del path, target
        return ModuleSpec(name, self) if name in _SOURCES else None  # type: ignore[arg-type]  # a loader by its methods

    def create_module(self, spec: ModuleSpec) -> None:
        """Nothing special: the import system makes the module."""

    def exec_module(self, module: ModuleType) -> None:
        """Execute a canary's source."""
        exec(compile(_SOURCES[module.__name__], f"<{module.__name__}>", "exec"), vars(module))  # noqa: S102 - our own


@contextmanager
def _importable() -> Iterator[None]:
    """Within the block the canaries can be imported; afterwards none of them is loaded."""
    try:
        with in_front(_Memory()):
            yield
    finally:
        unload([name for name in _SOURCES if name in sys.modules])


def defeated(*, was_clean: bool = False) -> str | None:
    """Why no check in this process means anything; `None` if both canaries came out as they must.

    Args:
        was_clean: whether a check was. Then it is its own canary of a clean module, and as it ended with the suspicion,
            which it did not have, no holder need be found.
    """
    try:
        with _importable():
            __import__(_HOST)
            if was_clean:
                return None if _reloaded(Looking.is_suspicious) else _said(_MISSED)
            paths = [retention.holder.path for retention in _reloaded(Looking.look).retentions]
    except Exception as error:  # noqa: BLE001 - whatever it is, it would have met the target as well
        return _said(f"the self-check failed with {type(error).__name__}: {error}")
    if _PATH not in paths:
        return _said(_MISSED)
    other = next((path for path in paths if path != _PATH), None)
    return (
        _said(f"a module that does nothing was found to be held, by {other}") if other is not None else None
    )


def _reloaded(ask: Callable[[Looking], _Answer]) -> _Answer:
    """Reload both together until a generation is old enough to be judged, and ask."""
    rounds = GRACE + 1
    subject = Subject(Unit((_LEAKS, _CLEAN)), Reimport(Project.nowhere()))
    run = Run(subject, Settings(rounds=rounds, warmup=0))
    try:
        run.reloads.begin()
        for _ in range(rounds):
            run.reloads.reload()
        # Once: the leak stays, however often it is done.
        settle.settle(lambda: 0, lambda: None, is_patient=False)
        return ask(run.looks)
    finally:
        run.reloads.end()


def _said(why: str) -> str:
    return f"the environment defeats the check: {why}"
