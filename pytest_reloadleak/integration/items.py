"""Turn targets into test items, which pytest reports like any other test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from pytest_reloadleak.check import Check, settings_for
from pytest_reloadleak.errors import ReloadLeakError, UsageError
from pytest_reloadleak.integration import isolated, places
from pytest_reloadleak.integration.gate import fails, judged
from pytest_reloadleak.integration.noise.release import release
from pytest_reloadleak.integration.noise.table import keepers
from pytest_reloadleak.integration.options import Options, extra_presets, project_of
from pytest_reloadleak.integration.own_modules import OwnModules
from pytest_reloadleak.integration.reporting import junit
from pytest_reloadleak.integration.reporting.progress import Progress
from pytest_reloadleak.integration.reporting.styled import width_of
from pytest_reloadleak.isolation.worker import Job
from pytest_reloadleak.model import PASSING, Report
from pytest_reloadleak.report import jsonfile, terminal
from pytest_reloadleak.run.runner import Runner
from pytest_reloadleak.settings import Settings
from pytest_reloadleak.strategies import cascade
from pytest_reloadleak.strategies.catalogue import inapplicable
from pytest_reloadleak.strategies.dependencies.project import Project

if TYPE_CHECKING:
    from pytest_reloadleak.presets.preset import Preset


@dataclass(frozen=True, slots=True)
class Target:
    """What one item checks."""

    name: str
    submodules: tuple[str, ...] = ()
    """The modules below a package that was named, which are reloaded with it."""


class _NoFunction:
    """Stands in for an item's function, in whose globals pytest looks up the names of a `skipif` text."""

    __globals__: ClassVar[dict[str, object]] = {}


class _Item(pytest.Item):
    """An item of the plugin. It has the fixtures that marks ask for, and no function."""

    obj = _NoFunction()

    def setup(self) -> None:
        """Set up the fixtures of `usefixtures` marks."""
        names = [name for mark in self.iter_markers("usefixtures") for name in mark.args]
        if not names:
            return
        from _pytest.fixtures import TopRequest  # as pytest's own doctest items do

        self.funcargs: dict[str, object] = {}
        self._fixtureinfo = self.session._fixturemanager.getfixtureinfo(node=self, func=None, cls=None)
        self.fixturenames = self._fixtureinfo.names_closure
        self._request = TopRequest(self, _ispytest=True)  # type: ignore[arg-type]  # items without a function too
        for name in names:
            self._request.getfixturevalue(name)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """The file that annotations and editors show, and the headline."""
        # pytest replaces the dots of a headline that ends a node id with `::`, as if it named classes.
        headline = f"{self.nodeid} " if "." in self.nodeid.partition("[")[0] else self.nodeid
        return self.path, 0, headline


class TargetItem(_Item):
    """One target under one strategy."""

    target: str
    strategy: str
    options: Options
    plugins: tuple[str, ...]
    submodules: tuple[str, ...]
    _job: Job | None = None

    @classmethod
    def make(
        cls,
        parent: pytest.Collector,
        target: Target,
        strategy: str,
        options: Options,
        plugins: tuple[str, ...],
    ) -> TargetItem:
        """Return an item named `target[strategy]`."""
        name = f"{target.name}[{strategy}]"
        file = places.file_of(target.name)
        # Pass the id as text: pytest 9.2 parses the brackets of a cached id as parameters, and compares those.
        item: TargetItem = cls.from_parent(
            parent, name=name, nodeid=f"{parent.nodeid}::{name}", path=Path(file) if file else parent.path
        )
        item.target, item.strategy, item.options, item.plugins = target.name, strategy, options, plugins
        item.submodules = target.submodules
        item.add_marker("reloadable")
        return item

    @property
    def is_isolated(self) -> bool:
        """Whether the check runs in a worker."""
        return self.options.isolation == "process"

    def runtest(self) -> None:
        """Check the target; raise `ReloadLeakError` unless the outcome passes."""
        options = self.options
        reason = self._inapplicable()
        if reason is not None:
            entry = {"target": self.target, "strategy": self.strategy, "reason": reason}
            self.__dict__["reload_leak_inapplicable"] = [entry]
            pytest.skip(f"the strategy {self.strategy} does not apply to {self.target}: {reason}")
        if self.is_isolated:
            outcome = isolated.outcome(self, self.job(), options.jobs, self._following())
            report = _with_hint(outcome.report)
            if outcome.output:
                self.add_report_section("call", "output of the target", outcome.output)
        else:
            own = OwnModules(self.session)
            progress = Progress(self.config, self.name, options.rounds, options.warmup)
            runner = Runner(
                progress=progress.step,
                plugins=self.plugins,
                probes=options.extra,
                release=lambda: release(self, own.namespaces()),
                spared=own.namespaces,
                helpers=own.helpers,
                keepers=lambda: keepers(self),
            )
            try:
                report = self._check(runner).perform()
            finally:
                progress.end()
        report = judged(self.config, report, is_audit=options.is_audit)
        keep(self, report)
        if report.outcome not in PASSING and fails(self.config):
            raise ReloadLeakError(render(self.config, report), report)

    def job(self) -> Job:
        """What a worker checks for this item."""
        if self._job is None:
            options = self.options
            current = f"{self.nodeid} (call)"  # as pytest sets the variable
            job = Job(
                self.target,
                self._settings(),
                options.timeout_s,
                self.plugins,
                options.extra,
                current,
                isolated.wants_files(self.config),
            )
            if self._preset is not None:
                from pytest_reloadleak.presets.catalogue import packed  # only who names a preset needs it

                job = replace(job, preset=packed(self._preset))
            self._job = job
        return self._job

    def is_foreseeable(self) -> bool:
        """Whether its check may begin before its turn: it needs no fixture, and will not be skipped."""
        marks = ("skip", "skipif", "usefixtures", "xfail")
        is_marked = any(self.get_closest_marker(name) for name in marks)
        if not self.is_isolated or is_marked:
            return False
        try:
            return self._inapplicable() is None and self.job() is not None
        except UsageError:
            return False  # the item reports that in its own turn

    def _following(self) -> Iterator[tuple[str, Job]]:
        """The next items whose checks may begin now, up to the next other test, which must find no worker."""
        items = iter(self.session.items)
        for one in items:
            if one is self:
                break
        for one in items:
            if not isinstance(one, TargetItem) or not one.is_isolated:
                break
            if one.is_foreseeable():
                yield one.nodeid, one.job()

    def _settings(self) -> Settings:
        options = self.options
        project, preset = project_of(self.config), self._preset
        settings = settings_for(
            strategy=self.strategy,
            rounds=options.rounds,
            warmup=options.warmup,
            force=options.force,
            unload=options.unload,
            probes=options.probes or None,
            extra=options.extra,
            nodeid=self.nodeid,
            project=project,
            expected=(*options.expected, *(preset.known if preset is not None else ())),
            has_series=options.has_series,
        )
        if preset is not None and preset.reloads:
            settings = replace(settings, strategy="callable")
        return replace(settings, dependents=self._dependents(project), submodules=self.submodules)

    @cached_property
    def _preset(self) -> Preset | None:
        """The preset that the options name for this target, or that its source fits."""
        if not self.options.preset:
            return None
        from pytest_reloadleak.presets.catalogue import chosen  # only who names a preset needs them

        return chosen(self.options.preset, self.target, extra_presets(self.config))

    def _check(self, runner: Runner) -> Check:
        """The check in this process."""
        if self._preset is None:
            return Check([self.target], self._settings(), runner=runner)
        from pytest_reloadleak.presets.hosting import Hosting  # as above

        return Hosting.of(self._preset, self.target).check([self.target], self._settings(), runner)

    def _inapplicable(self) -> str | None:
        """Why this item's strategy cannot reload its target, in one sentence; `None` if it can."""
        if self._preset is not None:
            from pytest_reloadleak.presets.hosting import inapplicable as of_host  # as above

            is_first = self.strategy not in self.options.strategies[1:]  # a node id may name another one
            reason = of_host(self._preset, self.strategy, is_first=is_first)
            if reason is not None:
                return reason
        return inapplicable(self.strategy, self.target)

    def _dependents(self, project: Project) -> tuple[str, ...]:
        """Modules to load beside the target: strategies are compared by their effect on a whole program."""
        if self.options.is_audit or self.strategy == "cascade":
            return tuple(cascade.loaded_with(self.target, project))
        return ()

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The report, with a place but without a traceback through this plugin."""
        error = excinfo.value
        if isinstance(error, ReloadLeakError):
            self.__dict__["reload_leak_shown"] = True
            return places.of_reports([error.report], str(error), (str(self.path), 1))
        if isinstance(error, UsageError):
            return places.shown(str(error), str(error), str(self.path), 1)
        return super().repr_failure(excinfo, style)


class RefusedItem(_Item):
    """A glob that matches only modules that are refused: it is skipped, and the other targets are checked."""

    reason: str

    @classmethod
    def make(cls, parent: pytest.Collector, target: str, reason: str) -> RefusedItem:
        """Return an item with the glob's name."""
        item: RefusedItem = cls.from_parent(parent, name=target, nodeid=f"{parent.nodeid}::{target}")
        item.reason = reason
        return item

    def runtest(self) -> None:
        """Skip, with the reason."""
        pytest.skip(self.reason)


_NEEDS_SETUP = ("AppRegistryNotReady: ", "ImproperlyConfigured: ", "Working outside of application context")
"""Beginnings of the errors of Django and Flask for code that is imported before they are set up."""


def _with_hint(report: Report) -> Report:
    """The report of a worker, with a hint if the target needs what the tests set up."""
    if report.error is None or not any(text in report.error for text in _NEEDS_SETUP):
        return report
    hint = (
        "; a worker process has nothing that a conftest.py or a plugin sets up: mark a test reloadable, or use "
        "--reload-leak-isolation=none"
    )
    return replace(report, reason=report.reason + hint, error=report.error + hint)


_MARGIN = 4
"""Columns that pytest puts before the lines of an exception."""


def keep(item: pytest.Item, report: Report) -> None:
    """Store a check on the item, where the plugin's report hook finds it."""
    checks: list[dict[str, Any]] = item.__dict__.setdefault("reload_leak_checks", [])
    checks.append(jsonfile.to_dict(report))
    if junit.has_place(item.config):
        item.user_properties += junit.properties(checks[-1])


def render(config: pytest.Config, report: Report) -> str:
    """A report as text, with the verbosity of this run and the width of its terminal."""
    return terminal.text(
        report,
        verbose=config.get_verbosity() > 0,
        rootdir=str(config.rootpath),
        width=width_of(config) - _MARGIN,
    )
