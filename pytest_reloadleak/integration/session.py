"""Run a session with `--reload-leak-check`: collect the targets, and run marked tests in rounds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator
from types import ModuleType
from typing import Any

import pytest

from pytest_reloadleak.errors import UsageError
from pytest_reloadleak.integration import isolated, marked, selection
from pytest_reloadleak.integration.collector import Targets
from pytest_reloadleak.integration.items import TargetItem
from pytest_reloadleak.integration.options import Options
from pytest_reloadleak.integration.reporting import progress
from pytest_reloadleak.integration.reporting.reports import Collected, is_worker
from pytest_reloadleak.integration.reporting.styled import width_of
from pytest_reloadleak.report import audit, notes
from pytest_reloadleak.report.text.layout import Span, plain, wrapped
from pytest_reloadleak.strategies.dependencies import import_records
from pytest_reloadleak.strategies.imports import targets

_USAGE = "reload_leak_usage"
_LONGEST = 200
"""The largest number of characters of the line that lists the targets."""


class Session(Collected):
    """The hooks of a checking session."""

    def __init__(self, config: pytest.Config) -> None:
        self.options = Options.of(config)
        try:
            self.selection = selection.take(config)
        except UsageError as error:
            raise pytest.UsageError(str(error)) from None
        self.strategy = self.options.strategies[0]
        self._usage: str | None = None
        self._failed_subtests: Counter[str] = Counter()
        """The number of failed subtests of each test."""
        self._targets: Targets | None = None
        super().__init__(config)
        _keep_node_ids(config)
        import_records.start()  # before the project is imported
        config.add_cleanup(import_records.stop)

    def plugins(self) -> tuple[str, ...]:
        """Names of the modules of all registered pytest plugins, except conftests."""
        return _plugin_modules(self.config)

    # -- collection ---------------------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Add the collector of the targets after all test files, and let it resolve the targets in its turn."""
        if isinstance(collector, Targets):
            self._resolve(collector)
        report = yield
        if isinstance(collector, pytest.Session) and report.passed:
            self._targets = Targets.make(collector, self.options, self.selection, self.plugins)
            report.result = [*report.result, self._targets]
        return report

    def _resolve(self, collector: Targets) -> None:
        try:
            collector.resolve()
        except UsageError as error:
            if not is_worker(self.config):
                raise pytest.UsageError(str(error)) from None
            # xdist loses an exception that a worker raises here, so send the line with the worker's output.
            self.config.workeroutput[_USAGE] = self._usage = str(error)  # type: ignore[attr-defined]  # xdist's

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        """Collect the tests after all if a target can be found only through the directories of the tests."""
        if not self.selection.is_alone:
            return
        try:
            is_found = all(targets.search(name) for name, _ in self.selection.chosen)
        except Exception:  # noqa: BLE001 - a foreign finder may raise anything; `resolve` reports it
            return
        if not is_found:
            self.config.args[:] = self.config.getini("testpaths") or [str(self.config.invocation_params.dir)]

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave only the items that the command line names, if it names nothing else."""
        if self._usage is not None:
            items.clear()
        if self.selection.is_alone:
            others = [item for item in items if not isinstance(item.parent, Targets)]
            items[:] = [item for item in items if isinstance(item.parent, Targets)]
            if others:
                self.config.hook.pytest_deselected(items=others)

    def pytest_report_header(self) -> str:
        """Say what will be checked, and how."""
        return f"reload-leak: {self._asked()}; {self.options.described()}"

    def _asked(self) -> str:
        if self.selection:
            return ", ".join(name for name, _ in self.selection.chosen)
        if self.options.targets:
            return ", ".join(self.options.targets)
        return "marked tests; without one, the project's own modules that the tests import"

    def pytest_report_collectionfinish(self, items: list[pytest.Item]) -> list[str]:
        """Say what was found to check."""
        if self._targets is None or self.config.getoption("collectonly"):
            return []
        marks = sum(item.get_closest_marker("reloadable") is not None for item in items)
        marks -= sum(isinstance(item.parent, Targets) for item in items)
        return list(self._found(self._targets, marks))

    def _found(self, collector: Targets, marks: int) -> Iterator[str]:
        count = collector.count()
        if count and self.config.get_verbosity() >= 0:
            text = f"{_counted(count, 'target')}: {_shortened(collector.described())}"
            yield from map(plain, wrapped("reload-leak: ", [Span(text)], width_of(self.config), "  "))
        if not count and marks and not self.selection and not self.options.targets:
            verb = "is" if marks == 1 else "are"
            yield (
                f"reload-leak: {_counted(marks, 'test')} {verb} marked, so no other module is checked; "
                "--reload-leak-target names more"
            )

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take the usage error that an xdist worker sent, if any, and what it collected."""
        super().pytest_testnodedown(node)
        self._usage = getattr(node, "workeroutput", {}).get(_USAGE, self._usage)

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show the notes of passing checks (`-v`), the safe strategies (`all`), and an xdist worker's usage error."""
        lines = list(notes.lines(self.checks)) if self.config.get_verbosity() > 0 else []
        if lines:
            terminalreporter.ensure_newline()
            terminalreporter.section("reload leaks: notes")
            for line in lines:
                terminalreporter.write_line(line)
        rows = self.audit()
        if rows:
            terminalreporter.ensure_newline()
            terminalreporter.section("reloadability")
            for line in audit.table(rows, width_of(self.config)):
                terminalreporter.write_line(line)
        if self._usage is not None:
            terminalreporter.write_line(f"ERROR: {self._usage}", red=True)
            return
        self.summarise(terminalreporter)

    def audit(self) -> list[dict[str, Any]] | None:
        """The safe strategies of each target; `None` unless strategies are compared."""
        if not self.options.is_audit:
            return None
        return audit.audit(
            [check for check in self.checks if check["strategy"] != "callable"], self.inapplicable
        )

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the file. A usage error of an xdist worker ends the session as a usage error."""
        isolated.release(self.config)
        if self._usage is not None:
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
        super().pytest_sessionfinish(session)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count the subtests that fail while a body runs."""
        if report.failed and type(report).__name__.lower() == "subtestreport":
            self._failed_subtests[report.nodeid] += 1
        super().pytest_runtest_logreport(report)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, nextitem: pytest.Item | None) -> Generator[None, object, object]:
        """End the workers, unless another check in a worker follows."""
        is_followed = False
        try:
            result = yield
            is_followed = isinstance(nextitem, TargetItem) and nextitem.is_isolated
        finally:
            if not is_followed:
                isolated.release(self.config)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Report the duration of a check that was begun before its item's turn."""
        report = yield
        if call.when == "call" and isinstance(item, TargetItem):
            report.duration = max(report.duration, isolated.duration_s(item))
        return report

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """Run a marked test's body once per round."""
        marker = item.get_closest_marker("reloadable")
        if marker is None or not isinstance(item, pytest.Function):
            return (yield)
        with marked.in_rounds(
            item,
            marker,
            self.options,
            self.plugins(),
            lambda: self._failed_subtests[item.nodeid] + _unreported(item),
        ):
            try:
                return (yield)
            finally:
                progress.hide(self.config)


def _unreported(item: pytest.Function) -> int:
    """The number of failed subtests of a `unittest` test, which before Python 3.11 are reported after the test."""
    errors = getattr(getattr(item.instance, "_outcome", None), "errors", None) or ()
    return sum(1 for _, error in errors if error is not None)


def _plugin_modules(config: pytest.Config) -> tuple[str, ...]:
    """Names of the modules of all registered pytest plugins, except conftests."""
    names = set()
    for plugin in config.pluginmanager.get_plugins():
        module = plugin if isinstance(plugin, ModuleType) else None
        name = module.__name__ if module is not None else type(plugin).__module__
        if not name.endswith("conftest"):
            names.add(name)
    return tuple(sorted(names))


def _keep_node_ids(config: pytest.Config) -> None:
    """Show the items' node ids unchanged, whatever the working directory: they name no file."""
    relative = config.cwd_relative_nodeid

    def shown(nodeid: Any) -> Any:
        return nodeid if str(nodeid).startswith(f"{selection.ROOT}::") else relative(nodeid)

    vars(config)["cwd_relative_nodeid"] = shown


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _shortened(text: str) -> str:
    """A list of names, as many of them as there is room for."""
    if len(text) <= _LONGEST:
        return text
    whole = text[:_LONGEST].rpartition(", ")[0]
    return f"{whole}, ..." if whole else f"{text[:_LONGEST]}..."
