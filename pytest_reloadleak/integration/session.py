"""Run a session with `--reload-leak-check`: add items for the targets, and run marked tests in rounds."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from pytest_reloadleak.errors import UsageError
from pytest_reloadleak.integration import automatic_targets, marked
from pytest_reloadleak.integration.items import RefusedItem, TargetItem, Targets
from pytest_reloadleak.integration.options import Options
from pytest_reloadleak.integration.reports import Collected, is_worker
from pytest_reloadleak.report import audit, notes
from pytest_reloadleak.strategies.dependencies import import_records
from pytest_reloadleak.strategies.imports import targets

_USAGE = "reload_leak_usage"


class Session(Collected):
    """The hooks of a checking session."""

    def __init__(self, config: pytest.Config) -> None:
        self.options = Options.of(config)
        self._usage: str | None = None
        super().__init__(config)
        import_records.start()  # before the project is imported
        config.add_cleanup(import_records.stop)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """Add an item per target and strategy, before `-k` and `-m` deselect items."""
        plugins = _plugin_modules(session.config)
        try:
            names, refused = self._targets(items, plugins)
        except UsageError as error:
            if not is_worker(session.config):
                raise pytest.UsageError(str(error)) from None
            # xdist loses an exception that a worker raises here, so send the line with the worker's output.
            session.config.workeroutput[_USAGE] = str(error)  # type: ignore[attr-defined]  # xdist's attribute
            items.clear()
            return
        if not names and not refused:
            return
        parent: Targets = Targets.from_parent(session, name="reload-leak", nodeid="reload-leak")
        items += [
            TargetItem.make(parent, name, strategy, self.options, plugins)
            for name in names
            for strategy in self.options.strategies
        ]
        items += [RefusedItem.make(parent, name, reason) for name, reason in refused.items()]

    def _targets(
        self, items: list[pytest.Item], plugins: tuple[str, ...]
    ) -> tuple[list[str], dict[str, str]]:
        """The targets to check, and the reasons why globs beside them match only what is refused.

        Raises:
            UsageError: a target does not exist or is refused, or no target is left.
        """
        if self.options.targets:
            return targets.resolve_all(self.options.targets, force=self.options.force, plugins=plugins)
        if any(item.get_closest_marker("reloadable") for item in items):
            return [], {}
        modules = {m.__name__ for item in items if isinstance(m := getattr(item, "module", None), ModuleType)}
        return automatic_targets.loaded(self.config, modules), {}

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take the usage error that an xdist worker sent, if any."""
        self._usage = getattr(node, "workeroutput", {}).get(_USAGE, self._usage)

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show the notes of passing checks (`-v`), the safe strategies (`all`), and an xdist worker's usage error."""
        lines = list(notes.lines(self.checks)) if self.config.get_verbosity() > 0 else []
        if lines:
            terminalreporter.section("reload leaks: notes")
            for line in lines:
                terminalreporter.write_line(line)
        rows = self.audit()
        if rows:
            terminalreporter.section("reloadability")
            for line in audit.table(rows):
                terminalreporter.write_line(line)
        if self._usage is not None:
            terminalreporter.write_line(f"ERROR: {self._usage}", red=True)

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
        if self._usage is not None:
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
        super().pytest_sessionfinish(session)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """Run a marked test's body once per round."""
        marker = item.get_closest_marker("reloadable")
        if marker is None or not isinstance(item, pytest.Function):
            return (yield)
        with marked.in_rounds(item, marker, self.options, _plugin_modules(item.config)):
            return (yield)


def _plugin_modules(config: pytest.Config) -> tuple[str, ...]:
    """Names of the modules of all registered pytest plugins, except conftests."""
    names = set()
    for plugin in config.pluginmanager.get_plugins():
        module = plugin if isinstance(plugin, ModuleType) else None
        name = module.__name__ if module is not None else type(plugin).__module__
        if not name.endswith("conftest"):
            names.add(name)
    return tuple(sorted(names))
