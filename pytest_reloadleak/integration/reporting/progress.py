"""Show the progress of a long check: on a line of the terminal that vanishes, and in the logs of CI every 30 seconds.

A process of pytest-xdist has no terminal. Its controller knows which items run, and shows those.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pytest_reloadleak.integration.selection import ROOT
from pytest_reloadleak.report.progress import line

_PATIENCE_S = 2.0
"""Seconds that a check may take before anything is shown."""
_EVERY_S, _LOG_EVERY_S = 0.5, 30.0
_LINE = pytest.StashKey["Line"]()


class Line:
    """The line at the end of the output.

    Args:
        reporter: pytest's terminal reporter.
        capture: pytest's capture manager, if there is one: it has the terminal's descriptor while a test runs.
    """

    def __init__(self, reporter: Any, capture: Any) -> None:
        self._reporter, self._capture = reporter, capture
        self._width = 0
        """Number of columns of the line above it."""
        self._is_shown = False
        self.is_terminal = bool(reporter.isatty) and os.environ.get("TERM", "") != "dumb"

    def show(self, text: str) -> None:
        """Replace the text that is shown."""
        self.hide()
        writer = self._reporter._tw
        self._width = writer.width_of_current_line
        # It goes below a line that pytest has begun, such as a line of dots.
        begin = "\n" if self._width else "\r"
        self._write(f"{begin}{text[: max(writer.fullwidth - 1, 1)]}")
        self._is_shown = True

    def hide(self) -> None:
        """Remove the text, and go back to where the output was."""
        if self._is_shown:
            self._is_shown = False
            back = f"\x1b[A\x1b[{self._width}C" if self._width else ""
            self._write(f"\r\x1b[K{back}")

    def log(self, text: str) -> None:
        """Write a text as a line that stays."""
        with self._uncaptured():
            self._reporter.ensure_newline()
            self._reporter.write_line(text)

    def _write(self, text: str) -> None:
        writer = self._reporter._tw
        kept = vars(writer).get("_current_line")
        with self._uncaptured():
            writer.write(text, flush=True)
        if kept is not None:  # pytest uses it to place its percentages, and our text is not part of its line
            writer._current_line = kept

    @contextlib.contextmanager
    def _uncaptured(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            if self._capture is not None:
                stack.enter_context(self._capture.global_and_fixture_disabled())
            yield


def line_of(config: pytest.Config) -> Line | None:
    """The line of a session; `None` if there is no terminal and no log for it."""
    if _LINE not in config.stash:
        reporter = config.pluginmanager.getplugin("terminalreporter")
        if reporter is None:
            return None
        config.stash[_LINE] = Line(reporter, config.pluginmanager.getplugin("capturemanager"))
    found = config.stash[_LINE]
    return found if found.is_terminal or is_ci() else None


def hide(config: pytest.Config) -> None:
    """Remove the line of a session, if it is shown."""
    if _LINE in config.stash:
        config.stash[_LINE].hide()


def is_ci() -> bool:
    """Whether the output is the log of a CI."""
    return os.environ.get("CI", "").lower() not in {"", "0", "false"} or "BUILD_NUMBER" in os.environ


class Progress:
    """The progress of one check in this process or in a worker of it.

    Args:
        config: pytest's configuration.
        what: target and strategy.
        rounds: counted rounds of the first pass.
        warmup: rounds of the warm-up.
    """

    def __init__(self, config: pytest.Config, what: str, rounds: int, warmup: int) -> None:
        self._line = line_of(config)
        self._what, self._rounds, self._warmup = what, rounds, warmup
        self._begun_s = self._logged_s = time.monotonic()

    def tick(self, said: Callable[[], str]) -> float | None:
        """Show the progress of the check if that is due. Returns the seconds until it is due again, or `None`.

        Args:
            said: returns the number of the round and the phase.
        """
        if self._line is None:
            return None
        now_s = time.monotonic()
        if self._line.is_terminal:
            left_s = self._begun_s + _PATIENCE_S - now_s
            if left_s <= 0:
                self._line.show(self._text(now_s, said()))
            return max(left_s, _EVERY_S)
        left_s = self._logged_s + _LOG_EVERY_S - now_s
        if left_s <= 0:
            self._logged_s = now_s
            self._line.log(self._text(now_s, said()))
        return left_s if left_s > 0 else _LOG_EVERY_S

    def step(self, number: int, phase: str) -> None:
        """Show a step of a check in this process, which can show it only between steps."""
        self.tick(lambda: f"{number} {phase}")

    def end(self) -> None:
        """Remove the line."""
        if self._line is not None:
            self._line.hide()

    def _text(self, now_s: float, said: str) -> str:
        return line(self._what, now_s - self._begun_s, said, self._rounds, self._warmup)


class Controller:
    """Shows in a thread what the processes of pytest-xdist check. The controller itself runs no test.

    Args:
        config: pytest's configuration.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._running: dict[str, float] = {}
        """The start time of each running item, by node id."""
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._written_s = self._logged_s = time.monotonic()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Note an item that begins."""
        self._written(lambda: self._running.update({nodeid: time.monotonic()}))
        if (
            self._thread is None
            and self._running
            and nodeid.startswith(f"{ROOT}::")
            and line_of(self._config) is not None
        ):
            self._thread = threading.Thread(target=self._show, name="reload-leak progress", daemon=True)
            self._thread.start()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Hide the line before pytest writes, and forget an item that has ended."""
        self._written(lambda: self._running.pop(report.nodeid, None) if report.when != "setup" else None)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """End the thread."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        self._written(self._running.clear)

    def _written(self, change: Callable[[], object]) -> None:
        if not self._config.pluginmanager.hasplugin("dsession"):  # xdist registers it after this plugin
            return
        with self._lock:
            change()
            self._written_s = time.monotonic()
            shown = line_of(self._config)
            if shown is not None:
                shown.hide()

    def _show(self) -> None:
        shown = line_of(self._config)
        assert shown is not None
        while not self._over.wait(_EVERY_S):
            with self._lock:
                now_s = time.monotonic()
                long = [name for name, begun_s in self._running.items() if now_s - begun_s >= _PATIENCE_S]
                targets = [name for name in long if name.startswith(f"{ROOT}::")]
                if not targets:
                    continue
                text = line(_named(targets), now_s - min(self._running[name] for name in targets))
                if shown.is_terminal and now_s - self._written_s >= _EVERY_S:
                    shown.show(text)
                elif (
                    not shown.is_terminal
                    and now_s - max(self._logged_s, self._running[targets[0]]) >= _LOG_EVERY_S
                ):
                    self._logged_s = now_s
                    shown.log(text)


def _named(nodeids: list[str]) -> str:
    first = nodeids[0].partition("::")[2]
    return first if len(nodeids) == 1 else f"{first} and {len(nodeids) - 1} more"
