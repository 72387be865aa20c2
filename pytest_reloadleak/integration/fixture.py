"""Provide the `reload_leaks` fixture, with which a test checks by hand. Using it is opting in: it needs no flag."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pytest

from pytest_reloadleak.check import Check, settings_for
from pytest_reloadleak.errors import ReloadLeakError, RoundError, UsageError, unknown_keyword
from pytest_reloadleak.heap.failure import failure_text
from pytest_reloadleak.integration.gate import fails, gate_for, judged
from pytest_reloadleak.integration.items import keep, render
from pytest_reloadleak.integration.marked import KEYWORDS, disposal, reloader_of, runner_of
from pytest_reloadleak.integration.options import (
    expected_of,
    extra_presets,
    extra_probes,
    probes_of,
    project_of,
    wants_unload,
)
from pytest_reloadleak.model import PASSING, Report
from pytest_reloadleak.settings import whole_number

if TYPE_CHECKING:
    from typing_extensions import Self  # in `typing` since 3.11 only

    from pytest_reloadleak.presets.hosting import Hosting


class ReloadLeaks:
    """The checks of one test. Each is independent, and adds an entry to the JSON report."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._item: pytest.Item = request.node
        self._begun: list[Coroutine[Any, Any, Report]] = []
        self._watches: list[Watch] = []
        request.addfinalizer(self._end)

    def check(self, target: str, **keywords: Any) -> Report:
        """Reload a target several times, and raise if an old generation stays alive.

        Args:
            target: a module or package; with `reload` also a glob of the modules that it creates.
            keywords: `strategy`, `rounds`, `warmup`, `reload`, `dispose`, `unload`, `probes`, `ignore`, `expect`,
                `force`, `preset`, `host`.

        Returns:
            The report, whose outcome is `clean` or `known`.

        Raises:
            ReloadLeakError: any other outcome. The text is the full report; `report` is the `Report`.
        """
        __tracebackhide__ = True
        return self._passing(self.measure(target, **keywords))

    def acheck(self, target: str, **keywords: Any) -> Coroutine[Any, Any, Report]:
        """Do what `check` does on the running loop, when it is awaited. `reload` may be a coroutine function."""
        self._begun.append(self._acheck(target, keywords))
        return self._begun[-1]

    async def _acheck(self, target: str, keywords: dict[str, Any]) -> Report:
        __tracebackhide__ = True
        check, accepted = self._check(target, keywords)
        report = accepted(await check.aperform())
        keep(self._item, report)
        return self._passing(report)

    def measure(self, target: str, **keywords: Any) -> Report:
        """Do what `check` does, but return the report whatever its outcome."""
        __tracebackhide__ = True
        reload = keywords.get("reload")
        check, accepted = self._check(target, keywords)
        report = accepted(check.perform())
        if report.outcome == "error" and inspect.iscoroutinefunction(reload):
            report = _with_hint(report)
        keep(self._item, report)
        return report

    def watch(self, target: str, **keywords: Any) -> Watch:
        """A context manager for reloads that the test itself does, in a loop over `watch.rounds(n)`."""
        __tracebackhide__ = True
        if keywords.get("reload") is not None:
            raise UsageError(
                "watch takes no reload=: the block itself reloads; use check(..., reload=...) for a callable"
            )
        self._watches.append(Watch(self, target, keywords))
        return self._watches[-1]

    def _end(self) -> None:
        """Fail the test if one of its checks never ran: otherwise it would pass whatever leaks."""
        __tracebackhide__ = True
        idle = [one for one in self._begun if inspect.getcoroutinestate(one) == inspect.CORO_CREATED]
        for one in idle:
            one.close()
        is_unused = any(not watch.is_used for watch in self._watches)
        self._begun.clear()
        self._watches.clear()
        if idle:
            pytest.fail("acheck(...) checked nothing: write `await reload_leaks.acheck(...)`", pytrace=False)
        if is_unused:
            text = "watch(...) checked nothing: write `with reload_leaks.watch(...) as watch:`"
            pytest.fail(text, pytrace=False)

    def _check(self, target: str, keywords: dict[str, Any]) -> tuple[Check, Callable[[Report], Report]]:
        """The check, and a function that marks the findings in its report that the team accepts."""
        __tracebackhide__ = True
        config = self._item.config
        if config.getoption("reload_leak_check") is False:
            pytest.skip("--no-reload-leak-check skips checks with the reload_leaks fixture")
        force = keywords.pop("force", bool(config.getoption("reload_leak_force")))
        try:
            given, dispose = keywords.pop("reload", None), keywords.pop("dispose", None)
            hosts = self._hosting(
                target,
                keywords.pop("preset", None),
                keywords.pop("host", None),
                reload=given,
                dispose=dispose,
            )
            reload = hosts.reload if hosts is not None else reloader_of(self._item, given)
            unknown = sorted(set(keywords) - set(KEYWORDS))
            if unknown:
                raise UsageError(unknown_keyword(unknown[0], [*KEYWORDS, "force"]))
            ignore, expect = keywords.pop("ignore", None), keywords.pop("expect", None)
            gate_for(config, ignore, expect)  # report wrong patterns before anything runs
            extra = extra_probes(config)
            keywords = {"unload": wants_unload(config), "probes": probes_of(config) or None, **keywords}
            known = hosts.preset.known if hosts is not None else ()
            settings = settings_for(
                force=force,
                extra=extra,
                nodeid=self._item.nodeid,
                project=project_of(config),
                expected=(*expected_of(config), *known),
                reload=reload,
                **keywords,
            )
            runner = replace(runner_of(self._item, probes=extra), puts_settings_back=reload is not _by_hand)
            check = (
                hosts.check([target], settings, runner)
                if hosts is not None
                else Check([target], settings, reload, disposal(self._item, dispose), runner)
            )
            return check, functools.partial(judged, config, ignore=ignore, expect=expect)
        except UsageError as error:
            text = str(error)
        raise UsageError(text)

    def _hosting(self, target: str, preset: object, host: object, **others: object) -> Hosting | None:
        """The host that a preset brings; `others` are keywords that it excludes."""
        if preset is None and host is None:
            return None
        from pytest_reloadleak.presets.hosting import hosting  # only who names a preset needs them

        fixtures = getattr(self._item, "funcargs", {})
        return hosting(preset, [target], host, others, extra_presets(self._item.config), fixtures)

    def _passing(self, report: Report) -> Report:
        __tracebackhide__ = True
        if report.outcome not in PASSING and fails(self._item.config):
            raise ReloadLeakError(render(self._item.config, report), report)
        return report


def _with_hint(report: Report) -> Report:
    """The report on a coroutine function that did not reload, with the call that would run it on the test's loop."""
    text = (
        f"{report.reason}; reload= is a coroutine function, which ran on a loop of its own: use "
        "`await reload_leaks.acheck(...)` to run it on the test's loop"
    )
    return replace(report, reason=text, error=text)


class Watch:
    """Watches reloads that its block does. `report` is set when the block ends."""

    report: Report

    def __init__(self, leaks: ReloadLeaks, target: str, keywords: dict[str, Any]) -> None:
        self._leaks = leaks
        self._target = target
        self._keywords = keywords
        self._check: Check | None = None
        self._accepted: Callable[[Report], Report] = lambda report: report
        self._count: int | None = None
        self._ran = 0
        self._is_judged = False
        self.is_used = False
        """Whether its block was entered, or an error has told the user to enter it."""

    def __enter__(self) -> Self:
        __tracebackhide__ = True
        self.is_used = True
        self._keywords["reload"] = _by_hand
        self._check, self._accepted = self._leaks._check(self._target, self._keywords)
        self._check.run.reloads.begin()
        return self

    async def __aenter__(self) -> Self:
        __tracebackhide__ = True
        return self.__enter__()

    def rounds(self, count: int) -> Iterator[int]:
        """Yield once for each warm-up round, then `count` times. The loop's body reloads the target once."""
        __tracebackhide__ = True
        check = self._start(count)
        for number in range(1 - check.settings.warmup, count + 1):
            check.performer.dispose()
            yield from self._round(check, number)

    async def arounds(self, count: int) -> AsyncIterator[int]:
        """Do what `rounds` does, for `async for`."""
        __tracebackhide__ = True
        from pytest_reloadleak.run.performing import pause_of_running_loop

        check = self._start(count)
        for number in range(1 - check.settings.warmup, count + 1):
            await check.performer.adispose()
            for one in self._round(check, number):
                yield one
        if self._check is not None and self._ran == count:
            await self._check.run.looks.asettle(pause_of_running_loop())
            self._check.run.looks.end_only_pass(count)
            await self._check.performer.adispose()
            self._is_judged = True

    def _round(self, check: Check, number: int) -> Iterator[int]:
        """Run one round: yield its number once, while the loop's body reloads."""
        if number == 1:
            check.run.looks.settle()
            check.run.looks.take_baseline()
        with check.run.reloads.one():
            yield number
        self._ran = number

    def _start(self, count: int) -> Check:
        __tracebackhide__ = True
        self.is_used = True
        if self._check is None:
            raise UsageError(
                "watch.rounds(...) works only inside its block: `with reload_leaks.watch(...) as watch:`"
            )
        if self._count is not None:
            raise UsageError("watch.rounds(...) was called twice: use one loop per watch")
        try:
            self._count = whole_number("rounds", count, least=1)
        except UsageError as error:
            text = str(error)
        else:
            self._check.set_rounds(count)
            return self._check
        raise UsageError(text)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        __tracebackhide__ = True
        check = self._take_check()
        try:
            failure = self._failure(check, error)
            check.performer.dispose()
            self.report = self._accepted(check.report(failure))
        finally:
            check.end()
        self._conclude(error)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        __tracebackhide__ = True
        check = self._take_check()
        try:
            failure = self._failure(check, error)
            await check.performer.adispose()
            self.report = self._accepted(check.report(failure))
        finally:
            check.end()
        self._conclude(error)

    def _take_check(self) -> Check:
        check, self._check = self._check, None
        assert check is not None
        return check

    def _conclude(self, error: BaseException | None) -> None:
        __tracebackhide__ = True
        if error is not None and (isinstance(error, UsageError) or not isinstance(error, Exception)):
            return
        keep(self._leaks._item, self.report)
        if self.report.outcome not in PASSING and fails(self._leaks._item.config):
            text = render(self._leaks._item.config, self.report)
            chained = None if isinstance(error, RoundError) else error
            raise ReloadLeakError(text, self.report) from chained

    def _failure(self, check: Check, error: BaseException | None) -> str | None:
        """Why the block cannot be judged. If it can, look at what the rounds left, and return `None`."""
        if isinstance(error, RoundError):
            return error.text
        if error is not None:
            record = check.run.record
            where = record.where(record.generation)
            return f"{where}: the watched block raised: {failure_text(error)}"
        if self._count is None:
            return "the watched block ran no round: loop over watch.rounds(n) and reload in its body"
        if self._ran < self._count:
            ran = max(self._ran, 0)
            return f"the watched block ran {ran} of {self._count} rounds: do not leave the loop early"
        if check.run.record.is_too_short():
            return (
                "one round without a warm-up proves nothing: a generation may outlive its replacement by one round; "
                "watch at least 2 rounds, or leave the warm-up at 1"
            )
        if not self._is_judged:
            check.run.looks.settle()
            check.run.looks.end_only_pass(self._count)
        return None


def _by_hand() -> None:
    """Stand in for the reloads that the watched block itself does."""
