"""Run one check, from settings to report. `check_reload` and `measure_reload` are the plugin without pytest."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Any

from pytest_reloadleak.effects import catalogue
from pytest_reloadleak.effects.probe import Probe
from pytest_reloadleak.errors import ReloadLeakError, RoundError, UsageError
from pytest_reloadleak.heap import sources, unreadable
from pytest_reloadleak.holders.container_growth import Frames
from pytest_reloadleak.model import PASSING, Finding, Report, Site
from pytest_reloadleak.report import terminal
from pytest_reloadleak.run.performing import Performer, Reloader
from pytest_reloadleak.run.protocol import Run
from pytest_reloadleak.run.runner import Runner
from pytest_reloadleak.run.subject import Subject
from pytest_reloadleak.settings import TEST_FILES, Settings, truth, unknown_strategy
from pytest_reloadleak.strategies import catalogue as strategies
from pytest_reloadleak.strategies.dependencies.project import Project
from pytest_reloadleak.strategies.dispose import HOOK, Disposal
from pytest_reloadleak.strategies.imports import targets
from pytest_reloadleak.strategies.imports.unit import Unit, is_glob
from pytest_reloadleak.verdict import judge
from pytest_reloadleak.verdict.completion import completed, staying
from pytest_reloadleak.verdict.known import KNOWN, Known, reason_for
from pytest_reloadleak.verdict.sites import site_of

_now_s = time.perf_counter
"""A private copy, since the target may patch the original."""

Finish = Callable[[Report], Report]


class Check:
    """One check of one target, or of several that are reloaded together.

    Args:
        names: the name or names that the user gave as targets.
        settings: how to check.
        reload: the application's own reload, sync or async; `None` to use the strategy of the settings.
        disposal: the dispose hooks; `None` to use only those that the target's modules define.
        runner: the test runner's part.

    Raises:
        UsageError: a target does not exist or is refused.
    """

    def __init__(
        self,
        names: Iterable[str],
        settings: Settings,
        reload: Reloader | None = None,
        disposal: Disposal | None = None,
        runner: Runner | None = None,
    ) -> None:
        self.settings = settings
        runner = runner or Runner()
        known, refused = _resolved(names, settings, reload, runner.plugins)
        unit = Unit(tuple(known), submodules=settings.submodules)
        strategy = None if reload is not None else strategies.make(settings)
        if reload is not None:
            runner = dataclasses.replace(runner, spared=_spared_with(runner.spared, reload))
        own = strategy.probes() if strategy is not None else ()
        self.run = Run(
            Subject(unit, strategy, runner, disposal or Disposal(), settings.dependents),
            settings,
            catalogue.selected(settings.probes, runner.probes, own),
        )
        self.run.observations.note(*refused)
        self.performer = Performer(self.run, reload)
        self._project = Project(settings.rootdir, settings.test_files)
        self._begun_s = _now_s()
        self.judged: judge.Judged = ()

    def perform(self, exercise: Callable[[], object] | None = None, finish: Finish | None = None) -> Report:
        """Run the whole check at once.

        Args:
            exercise: called in each round on the fresh generation; its exceptions reach the caller.
            finish: completes the report while everything is as the run left it.
        """
        try:
            self.run.reloads.begin()
            self.performer.perform(exercise)
            return finish(self.report()) if finish is not None else self.report()
        except RoundError as error:
            return self.report(error.text)
        finally:
            try:
                self.performer.dispose()  # the last generation, if the run ended early
                self.performer.leave()
            finally:
                self.end()

    async def aperform(self, exercise: Callable[[], Awaitable[object]] | None = None) -> Report:
        """Do as `perform` does, on the running loop, which is the same for all rounds."""
        try:
            self.run.reloads.begin()
            await self.performer.aperform(exercise)
            return self.report()
        except RoundError as error:
            return self.report(error.text)
        finally:
            try:
                await self.performer.adispose()  # the last generation, if the run ended early
                await self.performer.aleave()
            finally:
                self.end()

    def set_rounds(self, rounds: int) -> None:
        """Set the number of counted rounds, which a loop in the user's test determines."""
        self.settings = dataclasses.replace(self.settings, rounds=rounds)

    def report(self, error: str | None = None) -> Report:
        """The report on everything seen so far; `error` says what ended the check early."""
        subject, seen, settings = self.run.subject, self.run.observations, self.settings
        target = subject.unit.target
        failures = subject.failures()
        if error is None and failures:
            error = failures[0]
        knowledge = judge.Knowledge(self._known, self._is_library, self._site, not settings.proves)
        verdict = judge.judge(target, settings.rounds, seen, knowledge)
        self.judged = verdict.judged
        verdict = completed(verdict, self.run, settings, self._known)
        notes = [*seen.notes, *verdict.notes, *seen.blind, *(text for text in failures if text != error)]
        notes += self.run.reloads.settings_note(staying(verdict.findings))
        never = subject.disposal.never_called(seen.not_reloaded) if subject.is_loaded_here else []
        notes += [f"{name}.{HOOK} was never called: {name} was not reloaded" for name in never]
        missing = [f.site_reason for f in verdict.findings if f.site is None and f.site_reason is not None]
        notes += [f"site: {reason}" for reason in dict.fromkeys(missing)]
        return Report(
            target=target,
            nodeid=settings.nodeid,
            strategy=settings.strategy,
            rounds=settings.rounds,
            warmup=settings.warmup,
            outcome="error" if error is not None else verdict.outcome,
            reason=error if error is not None else verdict.reason,
            duration_s=round(_now_s() - self._begun_s, 6),
            reload_s=round(seen.reload_s, 6),
            retained_generations=verdict.retained_generations,
            series=judge.series(seen.samples),
            growth_by_type=seen.by_type if verdict.findings else (),
            findings=verdict.findings,
            not_reloaded=seen.not_reloaded,
            notes=tuple(notes),
            error=error,
        )

    def _site(self, frames: Frames, files: Collection[str]) -> Site | None:
        return site_of(frames, files, self._project)

    def _is_library(self, module: str) -> bool:
        try:
            return self._project.is_library(module)
        except Exception:  # noqa: BLE001 - asks for files, by functions that the target may have patched
            return False

    def _known(self, finding: Finding) -> str | None:
        path = finding.holder.path if finding.holder is not None else ""
        builtin = [(known.pattern, known.sentence) for known in KNOWN if known.applies()]
        remainders = self.settings.remainders if finding.growth == "bounded" else ()
        return reason_for(finding.kind, path, [*self.settings.known, *remainders, *builtin])

    def end(self) -> None:
        """Put everything back."""
        unreadable.take()  # what was read after the report
        sources.forget()
        self.run.reloads.end()
        self.performer.end()


def _resolved(
    names: Iterable[str], settings: Settings, reload: Reloader | None, plugins: tuple[str, ...]
) -> tuple[list[str], Iterable[str]]:
    """The targets, and the reasons why some globs match only what is refused."""
    out: list[str] = []
    refused: dict[str, str] = {}
    if reload is None:
        out, refused = targets.resolve_all(names, force=settings.force, plugins=plugins)
    for name in names if reload is not None else ():
        targets.assert_name(name)
        reason = None if is_glob(name) else targets.refusal(name, force=settings.force, plugins=plugins)
        if reason is not None and "refused" in reason:
            raise UsageError(reason)
        out.append(name.strip())
    if not out:
        raise UsageError("no target given: name a module, such as 'myapp.plugins.weather'")
    return list(dict.fromkeys(out)), refused.values()


def _spared_with(
    spared: Callable[[], Iterable[dict[str, Any]]], reload: Reloader
) -> Callable[[], list[dict[str, Any]]]:
    """The spared namespaces and that of the reload callable, which may well import the module that it reloads."""
    function = inspect.unwrap(reload)
    while isinstance(function, functools.partial):
        function = function.func
    function = getattr(function, "__func__", function)
    namespace = getattr(function, "__globals__", None)
    return lambda: [*spared(), *([namespace] if isinstance(namespace, dict) else [])]


def settings_for(  # noqa: PLR0913 - one keyword per setting
    *,
    strategy: object = "reimport",
    reload: object = None,
    rounds: object = 5,
    warmup: object = 1,
    force: bool = False,
    unload: bool = False,
    probes: object = None,
    extra: Iterable[type[Probe]] = (),
    nodeid: str | None = None,
    project: Project | None = None,
    expected: Iterable[Known] = (),
    has_series: bool = True,
) -> Settings:
    """Validated settings from a caller's arguments.

    Raises:
        UsageError: a value is invalid.
    """
    if reload is not None and not callable(reload):
        raise UsageError(f"reload must be a callable, not {reload!r}")
    if not isinstance(strategy, str):
        raise UsageError(unknown_strategy(strategy, is_call=True))
    return Settings(
        strategy="callable" if reload is not None else strategy,
        rounds=rounds,  # type: ignore[arg-type]  # validated by Settings
        warmup=warmup,  # type: ignore[arg-type]  # as above
        force=truth("force", force),
        unload=truth("unload", unload),
        probes=_chosen(probes, extra),
        nodeid=nodeid,
        rootdir=project.root if project is not None else ".",
        test_files=project.test_files if project is not None else TEST_FILES,
        known=tuple((o.pattern, o.sentence) for o in expected if not (o.is_ignored or o.is_bounded)),
        remainders=tuple((one.pattern, one.sentence) for one in expected if one.is_bounded),
        ignored=tuple(one.pattern for one in expected if one.is_ignored),
        has_series=has_series,
    )


def _chosen(names: object, extra: Iterable[type[Probe]]) -> tuple[str, ...]:
    if names is None:
        return ()
    if isinstance(names, str):
        names = [name.strip() for name in names.split(",")]
    if not isinstance(names, Iterable) or not all(isinstance(name, str) for name in names):
        raise UsageError(f"probes must be a list of names, such as ['threads', 'fds'], not {names!r}")
    return catalogue.chosen(names, "probes", extra)


def measure_reload(  # noqa: PLR0913 - the public keywords
    target: str,
    *,
    strategy: str = "reimport",
    rounds: int = 5,
    warmup: int = 1,
    reload: Reloader | None = None,
    dispose: str | Callable[..., object] | None = None,
    force: bool = False,
    unload: bool = False,
    probes: Iterable[str] | None = None,
) -> Report:
    """Reload a target in this process, report what stays alive, and put everything back.

    Args:
        target: a module, a package, or with `reload` also a glob of the modules that it creates.
        strategy: one of `reload`, `decache`, `reimport`, `cascade`, `alias` and `worker`.
        rounds: counted reloads, at least 1.
        warmup: warm-up reloads, not counted.
        reload: the application's own reload, sync or async, instead of a strategy.
        dispose: the hook for an outgoing generation before it is dropped: the name of a function of the target, or a
            callable, sync or async. A callable that takes an argument receives the outgoing module.
        force: check a target that is refused by default.
        unload: also drop the target after the last round, and report what still pins it.
        probes: names of probes or kinds of findings to look for; all if not given.

    Returns:
        The report, whatever its outcome.

    Raises:
        UsageError: an argument is invalid, or the target does not exist or is refused.
    """
    settings = settings_for(
        strategy=strategy,
        reload=reload,
        rounds=rounds,
        warmup=warmup,
        force=force,
        unload=unload,
        probes=probes,
    )
    if not (dispose is None or isinstance(dispose, str) or callable(dispose)):
        raise UsageError(
            f"dispose must be a callable or the name of a function of the target, not {dispose!r}"
        )
    return Check([target], settings, reload, Disposal(dispose)).perform()


def check_reload(  # noqa: PLR0913 - the public keywords
    target: str,
    *,
    strategy: str = "reimport",
    rounds: int = 5,
    warmup: int = 1,
    reload: Reloader | None = None,
    dispose: str | Callable[..., object] | None = None,
    force: bool = False,
    unload: bool = False,
    probes: Iterable[str] | None = None,
) -> Report:
    """Call `measure_reload`, and raise unless the outcome is `clean` or `known`.

    Raises:
        ReloadLeakError: the outcome is another one; it has the full report as its text, and as `report`.
        UsageError: as for `measure_reload`.
    """
    __tracebackhide__ = True
    report = measure_reload(
        target,
        strategy=strategy,
        rounds=rounds,
        warmup=warmup,
        reload=reload,
        dispose=dispose,
        force=force,
        unload=unload,
        probes=probes,
    )
    raise_unless_passing(report)
    return report


def raise_unless_passing(report: Report) -> None:
    """Raise `ReloadLeakError` unless the report's outcome passes."""
    __tracebackhide__ = True
    if report.outcome not in PASSING:
        raise ReloadLeakError(terminal.text(report), report)
