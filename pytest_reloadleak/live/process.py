"""Watch a program that reloads by itself, such as a development server: `watch_process`."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from types import TracebackType
from typing import TYPE_CHECKING, Any

from pytest_reloadleak.errors import RoundError, UsageError
from pytest_reloadleak.heap import settle
from pytest_reloadleak.holders.retention import GRACE
from pytest_reloadleak.live.followed import Followed
from pytest_reloadleak.live.notices import Notices, is_executing
from pytest_reloadleak.live.worker import Worker
from pytest_reloadleak.model import Report, StillAlive
from pytest_reloadleak.report import terminal
from pytest_reloadleak.settings import seconds
from pytest_reloadleak.strategies.imports import targets as resolver
from pytest_reloadleak.strategies.imports.locks import imports_locked
from pytest_reloadleak.strategies.imports.unit import is_glob, module_names

if TYPE_CHECKING:
    from typing_extensions import Self

_log = logging.getLogger("pytest_reloadleak")
_SOON_S = 0.1
"""Seconds before the look at a module that was replaced without an import: its execution may not have ended."""
_PATIENCE_S = 2.0
"""Seconds that the end of the watch waits for work that is under way."""
_MOST = 3
"""Number of graces after which a notification comes although reloads go on."""
_BUSY_S = 0.25
"""Seconds that a reload waits while another thread notes or explains. After that its own note comes later."""
_now_s = time.monotonic

OnReload = Callable[[StillAlive], object]


class ProcessWatch:
    """Watches the reloads of a running program; made by `watch_process`.

    It notices each reload, dates what the reload created, and looks after a grace which older generations are alive.
    It keeps no object of the program, has no thread while nothing is due, and may be entered several times.

    Args:
        names: targets and globs.
        grace_s: seconds that an old generation may live.
        on_reload: receives the notifications; `None` to log them.
        explain_on: the number of a signal upon which the holders are written to standard error.
    """

    def __init__(
        self, names: tuple[str, ...], grace_s: float, on_reload: OnReload | None, explain_on: int | None
    ) -> None:
        self._names = tuple(name for name in names if not is_glob(name))
        self._globs = tuple(name for name in names if is_glob(name))
        self._below = tuple(f"{name}." for name in self._names)
        self._grace_s, self._on_reload, self._explain_on = grace_s, on_reload, explain_on
        self._entered = 0
        self._lock = threading.Lock()  # held for milliseconds, and for a search of the heap
        self._followed: dict[str, Followed] = {}
        self._told: dict[str, tuple[int, ...]] = {}
        self._first_s: float | None = None
        self._last_s = 0.0
        self._is_asked = False
        self._before: Any = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> Self:
        """Begin to watch; each call needs one of `stop`."""
        self._entered += 1
        if self._entered > 1:
            return self
        self._worker = Worker(self._work)
        self._notices = Notices(self._owns, self._beginning, self._ended, lambda _: self._worker.arm(_SOON_S))
        self._followed = {name: Followed(name) for name in self._names}
        self._note(is_patient=True)
        self._notices.start()
        if self._explain_on is not None:
            self._before = signal.signal(self._explain_on, self._ask)
        return self

    def stop(self) -> None:
        """End the watch, wait for what is under way, and take the markers out of the modules."""
        self._entered -= 1
        if self._entered:
            return
        if self._explain_on is not None:
            signal.signal(self._explain_on, self._before)
            self._before = None
        self._notices.stop()
        self._worker.stop(_PATIENCE_S)
        with self._lock:
            for followed in self._followed.values():
                followed.end()
            self._followed = {}
            self._told = {}

    def look(self) -> tuple[StillAlive, ...]:
        """Look now, without waiting for the grace. Returns what is alive of each target that was reloaded."""
        self._note(is_patient=True)
        return self._looked(lambda followed: followed.generation > 0)

    def reports(self, *, previous: bool = False) -> tuple[Report, ...]:
        """Name the holders: a report for each target that was reloaded. It searches the heap.

        Args:
            previous: whether to name also what holds the generation just before the current one, which may still be
                in use.
        """
        self._note(is_patient=True)
        with self._lock:
            reloaded = [f for f in self._followed.values() if f.generation > 0]
            settle.collect_while_it_helps(lambda: sum(f.count_old() for f in reloaded))
            return tuple(followed.report(0 if previous else GRACE) for followed in reloaded)

    def explain(self, *, previous: bool = False) -> str:
        """The same as text: `print(watch.explain())`. Arguments as for `reports`."""
        found = self.reports(previous=previous)
        quiet = sorted({*self._names, *self._globs} - {report.target for report in found})
        texts = [terminal.text(report, verbose=False) for report in found]
        with self._lock:
            texts += [f"{name}: no reload was seen" for name in quiet if not self._is_covered(name)]
        return "\n\n".join(texts)

    def _is_covered(self, name: str) -> bool:
        """Whether a glob stands for a target that was reloaded."""
        reloaded = [f.name for f in self._followed.values() if f.generation > 0]
        return any(fnmatchcase(other, name) for other in reloaded)

    # -- what is noticed ----------------------------------------------------------------------------------------------

    def _owns(self, name: str) -> bool:
        if name in self._names or name.startswith(self._below):
            return True
        return any(fnmatchcase(name, glob) for glob in self._globs)

    def _beginning(self, name: str) -> None:
        """Note the outgoing generation while it exists, unless an earlier note has it."""
        self._note(but=name)
        self._worker.arm(_SOON_S)

    def _ended(self, name: str) -> None:
        del name
        self._note()

    def _note(self, *, is_patient: bool = False, but: str | None = None) -> None:
        """Note new generations, or let the worker do it if another thread is busy or a module is being executed.

        Args:
            is_patient: whether to wait for the other thread.
            but: a module whose execution is about to begin; `None` if there is none.
        """
        if not self._lock.acquire(timeout=-1 if is_patient else _BUSY_S):
            self._worker.arm(_SOON_S)
            return
        is_reloaded = False
        try:
            self._follow_new()
            for followed in self._followed.values():
                if any(map(is_executing, (name for name, _ in followed.entries() if name != but))):
                    self._worker.arm(_SOON_S)
                    continue
                before = followed.generation
                for name, module in followed.note(but):
                    self._notices.follow(name, module)
                is_reloaded = is_reloaded or 0 <= before < followed.generation
            if is_reloaded:
                self._last_s = _now_s()
                self._first_s = self._first_s or self._last_s
                self._worker.arm(self._grace_s)
        except Exception:  # noqa: BLE001 - the program goes on
            _log.exception("the watch of %s could not note a reload", self._described())
        finally:
            self._lock.release()

    def _follow_new(self) -> None:
        """Follow the modules that match a glob, unless they belong to a target that is followed."""
        if not self._globs:
            return
        for name in module_names():
            if any(fnmatchcase(name, glob) for glob in self._globs):
                above = (name[:at] for at, letter in enumerate(f"{name}.") if letter == ".")
                if not any(parent in self._followed for parent in above):
                    self._followed[name] = Followed(name)

    # -- what is done later -------------------------------------------------------------------------------------------

    def _work(self) -> float | None:
        """Do what is due, in the worker's thread. Returns the seconds until the next look, or `None`."""
        try:
            return self._do()
        except Exception:  # noqa: BLE001 - the program goes on
            _log.exception("the watch of %s could not look", self._described())
            return None

    def _do(self) -> float | None:
        if self._is_asked:
            self._is_asked = False
            sys.stderr.write(f"{self.explain()}\n")
            sys.stderr.flush()
        names = [name for followed in list(self._followed.values()) for name, _ in followed.entries()]
        try:
            with imports_locked(names):  # waits for the end of what is being executed
                self._note()
        except RoundError:
            return _SOON_S
        if self._first_s is None:
            return None
        left_s = min(self._last_s + self._grace_s, self._first_s + _MOST * self._grace_s) - _now_s()
        if left_s > 0:
            return left_s
        self._first_s = None
        for one in self._looked(lambda followed: followed.is_untold):
            self._tell(one)
        return None

    def _looked(self, is_due: Callable[[Followed], bool]) -> tuple[StillAlive, ...]:
        """Find the generations that are alive. A collection follows only if it is not certain that none is."""
        with self._lock:
            due = [followed for followed in self._followed.values() if is_due(followed)]
            clean = {followed.name for followed in due if followed.is_clean()}
        unclean = [followed for followed in due if followed.name not in clean]
        if unclean:  # reloads go on meanwhile
            settle.collect_while_it_helps(lambda: self._count_old(unclean))
        with self._lock:
            return tuple(followed.told(is_clean=followed.name in clean) for followed in due)

    def _count_old(self, several: list[Followed]) -> int:
        with self._lock:
            return sum(followed.count_old() for followed in several)

    def _tell(self, one: StillAlive) -> None:
        if self._on_reload is not None:
            try:
                self._on_reload(one)
            except Exception:  # noqa: BLE001 - the program goes on
                _log.exception("on_reload raised")
            return
        level = logging.DEBUG if not one.generations else logging.INFO
        if one.retained and one.retained != self._told.get(one.target):
            level = logging.WARNING
        self._told[one.target] = one.retained
        _log.log(level, "%s", _sentence(one, self._grace_s))

    def _described(self) -> str:
        return ", ".join((*self._names, *self._globs))

    def _ask(self, *_: object) -> None:
        """Handle the signal. The worker explains, since the program may be at any point."""
        self._is_asked = True
        self._worker.arm(0)


def _sentence(one: StillAlive, grace_s: float) -> str:
    """The log message for a reload."""
    if not one.generations:
        return f"{one.target} was reloaded (generation {one.current}): no older generation is alive"
    many = len(one.generations) > 1
    which = f"{len(one.generations)} older generations are" if many else "an older generation is"
    numbers = ", ".join(map(str, one.generations))
    made = f"{one.target} was reloaded (generation {one.current})"
    text = f"{made}, and {which} still alive {grace_s:g} s later: {numbers}"
    if not one.retained:
        return f"{text}; it may still be in use, so this is no leak yet"
    return f"{text}; watch.explain() names what holds {'them' if many else 'it'}"


def watch_process(
    targets: str | Iterable[str],
    *,
    grace_s: float = 5,
    on_reload: OnReload | None = None,
    explain_on: int | None = None,
) -> ProcessWatch:
    """Watch the reloads of a running program, and tell which old generations stay alive.

    Use it as a context manager, or call `start` and `stop`. It logs to the logger `pytest_reloadleak`: a warning where
    a generation is alive that should be dead. `explain` names the holders.

    Args:
        targets: modules, packages, or globs of modules, whether they are loaded yet or not.
        grace_s: seconds after a reload within which an old generation may live.
        on_reload: called with a `StillAlive` after each reload and the grace, in a thread of its own, in place of the
            log.
        explain_on: a signal, such as `signal.SIGUSR1`, upon which the holders are written to standard error. Then the
            watch must be started in the main thread.

    Returns:
        The watch, not started yet.

    Raises:
        UsageError: a target does not exist or is refused, or an argument is invalid.
    """
    names = [targets] if isinstance(targets, str) else list(targets)
    if not names:
        raise UsageError("no target given: name a module, such as 'myapp.plugins.weather'")
    for name in names:
        resolver.assert_name(name)
        if not is_glob(name):
            resolver.resolve(name)
    if on_reload is not None and not callable(on_reload):
        raise UsageError(f"on_reload must be a callable, not {on_reload!r}")
    return ProcessWatch(
        tuple(dict.fromkeys(map(str.strip, names))), seconds("grace_s", grace_s), on_reload, explain_on
    )
