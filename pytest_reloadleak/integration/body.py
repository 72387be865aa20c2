"""Run the body of a marked test in each round, and say in which round it failed."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pytest_reloadleak.check import Check
from pytest_reloadleak.errors import RoundError
from pytest_reloadleak.heap.failure import failure_text
from pytest_reloadleak.integration import places
from pytest_reloadleak.integration.bindings import Bindings
from pytest_reloadleak.integration.gate import fails
from pytest_reloadleak.integration.items import keep, render
from pytest_reloadleak.integration.noise.rounds import undoing_patches
from pytest_reloadleak.model import PASSING, Report

MODULE = "reload_leak_module"
"""Attribute of an item: returns the module of the current round by name."""
FAILURE = "reload_leak_failure"
"""Attribute of an item: the form in which its failure is reported."""

Maker = Callable[[], tuple[Check, Bindings]]
_NO_FAILURES = (
    KeyboardInterrupt,
    GeneratorExit,
    pytest.skip.Exception,
    pytest.xfail.Exception,
    pytest.exit.Exception,
)


class Body:
    """The body of one marked test.

    Args:
        item: the test.
        original: its function.
        failed_subtests: returns the number of subtests of the item that have failed so far, which raise nothing.
        accepted: marks the findings that the team accepts.
    """

    def __init__(
        self,
        item: pytest.Function,
        original: Callable[..., Any],
        failed_subtests: Callable[[], int],
        accepted: Callable[[Report], Report],
    ) -> None:
        self._item = item
        self._original = original
        self._failed_subtests = failed_subtests
        self._accepted = accepted
        self._has_reported = False
        """Whether pytest has already been told what failed."""

    def in_rounds(self, checks: list[Maker]) -> Callable[..., Any]:
        """A function to call in place of the test's own: it runs all rounds of all checks."""
        if inspect.iscoroutinefunction(self._original):

            async def all_rounds(*args: Any, **kwargs: Any) -> None:
                __tracebackhide__ = True
                reports = []
                for make in checks:
                    check, bindings = make()
                    try:
                        reports.append(
                            self._accepted(await check.aperform(self._exercise(check, args, kwargs)))
                        )
                    finally:
                        bindings.put_back()
                    if self._has_reported:
                        break
                self._conclude(reports)

            return functools.wraps(self._original)(all_rounds)

        def rounds(*args: Any, **kwargs: Any) -> None:
            __tracebackhide__ = True
            reports = []
            for make in checks:
                check, bindings = make()
                try:
                    reports.append(self._accepted(check.perform(self._exercise(check, args, kwargs))))
                finally:
                    bindings.put_back()
                if self._has_reported:
                    break
            self._conclude(reports)

        return functools.wraps(self._original)(rounds)

    def _exercise(self, check: Check, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[[], Any]:
        """The body of one round."""

        def exercise() -> Any:
            __tracebackhide__ = True
            subject = check.run.subject
            self._item.__dict__[MODULE] = subject.module
            called = dict(kwargs)
            if "reloaded" in kwargs:
                called["reloaded"] = fresh(subject.unit.names, subject.module)
            values = list(getattr(self._item, "funcargs", {}).values())
            if inspect.iscoroutinefunction(self._original):
                return self._awaited(check, args, called, values)
            with self._watched(check), undoing_patches(values):
                return self._original(*args, **called)

        return exercise

    async def _awaited(
        self, check: Check, args: tuple[Any, ...], called: dict[str, Any], values: list[object]
    ) -> Any:
        __tracebackhide__ = True
        with self._watched(check), undoing_patches(values):
            return await self._original(*args, **called)

    @contextmanager
    def _watched(self, check: Check) -> Iterator[None]:
        """Say in which round the block failed. A failing subtest, which raises nothing, ends the rounds too."""
        __tracebackhide__ = True
        before = self._failed_subtests()
        try:
            yield
        except _NO_FAILURES:
            raise
        except BaseException as error:
            self._say(check, f"the test's body raised {failure_text(error)}")
            raise
        if self._failed_subtests() > before:
            self._has_reported = True
            text = f"{_round(check)}: a subtest failed"
            self._section(check, "A subtest failed")
            raise RoundError(text)

    def _say(self, check: Check, what: str) -> None:
        keep(self._item, self._accepted(check.report(f"{_round(check)}: {what}")))
        self._section(check, "The test's body raised")

    def _section(self, check: Check, what: str) -> None:
        settings = check.settings
        name = check.run.subject.unit.target
        text = f"{what} in {_round(check)} of {settings.rounds}, on a fresh {name} ({settings.strategy})."
        self._item.add_report_section("call", "reload leak", text)

    def _conclude(self, reports: list[Report]) -> None:
        __tracebackhide__ = True
        for report in reports:
            keep(self._item, report)
        failing = [report for report in reports if report.outcome not in PASSING]
        if not failing or self._has_reported or not fails(self._item.config):
            return
        text = "\n\n".join(render(self._item.config, report) for report in failing)
        path, line, _ = self._item.reportinfo()
        shown = places.of_reports(failing, text, (str(path), (line or 0) + 1), names_target=True)
        self._item.__dict__[FAILURE] = shown
        self._item.__dict__["reload_leak_shown"] = True
        pytest.fail(text, pytrace=False)


def fresh(names: tuple[str, ...], module: Callable[[str], object] = sys.modules.get) -> object:
    """The value of the fixture `reloaded`: the module, or a dict by name for several targets."""
    modules = {name: module(name) for name in names}
    return modules[names[0]] if len(names) == 1 else modules


def _round(check: Check) -> str:
    record = check.run.record
    return record.where(record.generation)
