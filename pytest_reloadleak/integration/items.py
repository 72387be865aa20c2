"""Make targets test items, which pytest reports like any other test."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pytest_reloadleak.check import PASSING, Check, settings_for
from pytest_reloadleak.errors import ReloadLeakError, UsageError
from pytest_reloadleak.integration import automatic_targets
from pytest_reloadleak.integration.noise.release import release
from pytest_reloadleak.integration.noise.table import keepers
from pytest_reloadleak.integration.options import Options
from pytest_reloadleak.isolation import worker
from pytest_reloadleak.model import Report
from pytest_reloadleak.report import audit, jsonfile, terminal
from pytest_reloadleak.run.runner import Runner
from pytest_reloadleak.strategies import cascade
from pytest_reloadleak.strategies.catalogue import inapplicable
from pytest_reloadleak.strategies.dependencies.project import Project


class Targets(pytest.Collector):
    """Parent of the target items, whose node ids begin with `reload-leak::`."""

    def collect(self) -> list[pytest.Item]:
        """Return nothing: the items are made once pytest has collected all tests."""
        return []


class TargetItem(pytest.Item):
    """One target under one strategy."""

    target: str
    strategy: str
    options: Options
    plugins: tuple[str, ...]

    @classmethod
    def make(
        cls, parent: Targets, target: str, strategy: str, options: Options, plugins: tuple[str, ...]
    ) -> TargetItem:
        """Return an item named `target[strategy]`."""
        name = f"{target}[{strategy}]"
        # Pass the id as text: pytest 9.2 parses the brackets of a cached id as parameters, and compares those.
        item: TargetItem = cls.from_parent(parent, name=name, nodeid=f"{parent.nodeid}::{name}")
        item.target, item.strategy, item.options, item.plugins = target, strategy, options, plugins
        item.add_marker("reloadable")
        return item

    def runtest(self) -> None:
        """Check the target; raise `ReloadLeakError` unless the outcome passes."""
        options = self.options
        reason = inapplicable(self.strategy, self.target)
        if reason is not None:
            entry = {"target": self.target, "strategy": self.strategy, "reason": reason}
            self.__dict__["reload_leak_inapplicable"] = [entry]
            pytest.skip(f"the strategy {self.strategy} does not apply to {self.target}: {reason}")
        project = automatic_targets.project(self.config)
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
            expected=options.expected,
        )
        settings = replace(settings, dependents=self._dependents(project))
        if options.isolation == "process":
            outcome = worker.run(self.target, settings, options.timeout_s, self.plugins, extra=options.extra)
            report = outcome.report
            if outcome.output:
                self.add_report_section("call", "output of the target", outcome.output)
        else:
            runner = Runner(
                plugins=self.plugins,
                probes=options.extra,
                release=lambda: release(self, test_namespaces(self)),
                spared=lambda: test_namespaces(self),
                keepers=lambda: keepers(self),
            )
            report = Check([self.target], settings, runner=runner).perform()
        keep(self, report)
        if options.is_audit and audit.is_own_leak(jsonfile.to_dict(report)):
            return  # this strategy leaks by design: the table of strategies says so, and no test has to fail
        if report.outcome not in PASSING:
            raise ReloadLeakError(render(self.config, report), report)

    def _dependents(self, project: Project) -> tuple[str, ...]:
        """Modules to load beside the target: strategies are compared by their effect on a whole program."""
        if self.options.is_audit or self.strategy == "cascade":
            return tuple(cascade.loaded_with(self.target, project))
        return ()

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The report, without a traceback through this plugin."""
        if isinstance(excinfo.value, (ReloadLeakError, UsageError)):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """The location that `-v` and the summary show."""
        return self.config.rootpath, None, f"reload-leak::{self.name}"


class RefusedItem(pytest.Item):
    """A glob that matches only modules that are refused: it is skipped, and the other targets are checked."""

    reason: str

    @classmethod
    def make(cls, parent: Targets, target: str, reason: str) -> RefusedItem:
        """Return an item with the glob's name."""
        item: RefusedItem = cls.from_parent(parent, name=target, nodeid=f"{parent.nodeid}::{target}")
        item.reason = reason
        return item

    def runtest(self) -> None:
        """Skip, with the reason."""
        pytest.skip(self.reason)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """The location that `-v` and the summary show."""
        return self.config.rootpath, None, f"reload-leak::{self.name}"


def test_namespaces(item: pytest.Item) -> list[dict[str, Any]]:
    """Globals of the session's test modules and conftests, whose bindings belong to the tests."""
    modules = [getattr(i, "module", None) for i in item.session.items]
    modules += [
        plugin for plugin in item.config.pluginmanager.get_plugins() if isinstance(plugin, ModuleType)
    ]
    return list({id(m): vars(m) for m in modules if isinstance(m, ModuleType)}.values())


def keep(item: pytest.Item, report: Report) -> None:
    """Store a check on the item, where the plugin's report hook finds it."""
    checks: list[dict[str, Any]] = item.__dict__.setdefault("reload_leak_checks", [])
    checks.append(jsonfile.to_dict(report))


def render(config: pytest.Config, report: Report) -> str:
    """A report as text, with the verbosity of this run."""
    return terminal.text(report, verbose=config.get_verbosity() > 0, rootdir=str(config.rootpath))
