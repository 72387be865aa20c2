"""Collect the checks of a session, including those of xdist's workers, and write the reports."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

import pytest

from pytest_reloadleak.errors import UsageError, did_you_mean
from pytest_reloadleak.gate.verdicts import UNUSED
from pytest_reloadleak.integration.gate import baseline_path, fails, gate_of
from pytest_reloadleak.integration.reporting import baseline_end, environment, junit, styled
from pytest_reloadleak.integration.reporting.outputs import Outputs
from pytest_reloadleak.model import PASSING, Report
from pytest_reloadleak.report import codequality, counts, github, jsonfile, sarif, terminal
from pytest_reloadleak.report.text import closing, layout
from pytest_reloadleak.settings import STRATEGIES

_COLLECTED = "reload_leak_collected"
"""Key in the output of an xdist worker for the items that it collected."""
_ENDED = frozenset({pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED})


def is_worker(config: pytest.Config) -> bool:
    """Whether this process is an xdist worker, whose reports go to the controller."""
    return hasattr(config, "workerinput")


class Collected:
    """The checks of a session.

    Raises:
        pytest.UsageError: an option or ini value of the gate or of a report is invalid.
    """

    strategy = "reimport"
    """The strategy of a test whose marker names none; the first one of several."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.checks: list[dict[str, Any]] = []
        self._by_test: dict[tuple[str, str], tuple[int, list[dict[str, Any]]]] = {}
        """For each test and process, the number of its runs and the checks of the last run."""
        self.inapplicable: list[dict[str, str]] = []
        self._items: dict[str, tuple[str, str]] = {}
        """Target and strategy of each collected item that checks, by node id."""
        self._done: set[str] = set()
        self._failed: dict[str, str] = {}
        """Reasons of failed reports without an entry, by node id."""
        self._lines: list[str] = []
        try:
            gate_of(config)
            _assert_annotations(config)
        except UsageError as error:
            raise pytest.UsageError(str(error)) from None
        self._outputs: Outputs | None = None
        if is_worker(config):
            return
        if config.getoption("reload_leak_html") is not None:
            from pytest_reloadleak.integration.reporting.html_report import assert_possible

            assert_possible()
        self._outputs = Outputs(config, baseline_path(config))
        junit.Suite.register(config, lambda: self.checks)
        junit.Written.register(config, self._lines.append)
        if getattr(config.option, "htmlpath", None):  # pytest-html's option
            from pytest_reloadleak.integration.reporting.html_page import HtmlPage

            config.pluginmanager.register(HtmlPage(), "reloadleak-html-page")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note the items that check something: each must have an entry in the end."""
        for item in session.items:
            marker = item.get_closest_marker("reloadable")
            if marker is not None and self.config.pluginmanager.has_plugin("reloadleak-session"):
                target = getattr(item, "target", None) or ", ".join(map(str, marker.args))
                self._items[item.nodeid] = (target, self._strategy_of(item, marker))
        if is_worker(self.config):
            self.config.workeroutput[_COLLECTED] = self._items  # type: ignore[attr-defined]  # xdist's attribute

    def _strategy_of(self, item: pytest.Item, marker: pytest.Mark) -> str:
        if marker.kwargs.get("reload") is not None:
            return "callable"
        found = getattr(item, "strategy", marker.kwargs.get("strategy"))
        return str(found) if found in STRATEGIES else self.strategy

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take what an xdist worker collected. A worker that died sends nothing, but the others collected the same."""
        sent: Mapping[str, Any] = getattr(node, "workeroutput", {}).get(_COLLECTED, {})
        self._items.update({nodeid: (str(pair[0]), str(pair[1])) for nodeid, pair in sent.items()})

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect the checks that a test's report carries, and let its failure draw itself."""
        if not is_worker(self.config):
            styled.drawn(self.config, report)
        found: list[dict[str, Any]] = getattr(report, "reload_leak_checks", [])
        if found:
            self._take(report, found)
        self.inapplicable += getattr(report, "reload_leak_inapplicable", ())
        # Tests that failed without an entry: their setup failed, or an xdist worker died ("???", without a phase).
        if found or not report.failed:
            if report.when == "call" or report.skipped:
                self._done.add(report.nodeid)
            return
        crash = getattr(report.longrepr, "reprcrash", None)
        lines = (crash.message if crash is not None else report.longreprtext).strip().splitlines()
        self._failed.setdefault(report.nodeid, lines[0] if lines else "no reason was given")

    def _take(self, report: pytest.TestReport, checks: list[dict[str, Any]]) -> None:
        """Add the checks of a test. If an item runs again, its new checks replace the earlier ones."""
        test = (report.nodeid, getattr(report, "worker_id", ""))
        attempts, old = self._by_test.get(test, (0, []))
        # Some plugins report the last run only: the item has counted the others.
        attempts = max(attempts + 1, getattr(report, "reload_leak_attempts", 1))
        if attempts > 1:
            checks = [{**check, "attempts": attempts} for check in checks]
        if old:
            self.checks = [check for check in self.checks if not any(check is other for other in old)]
        self._by_test[test] = (attempts, checks)
        self.checks += checks

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the files, except after a usage error: then nothing was checked."""
        if is_worker(self.config) or session.exitstatus == pytest.ExitCode.USAGE_ERROR:
            return
        self._add_missing()
        self.checks.sort(key=lambda check: str(check["nodeid"]))
        is_complete = session.exitstatus in _ENDED and self._items.keys() <= self._done
        ending = baseline_end.conclude(self.config, self.checks, is_complete=is_complete)
        self._lines += ending.lines
        if ending.status is not None and session.exitstatus in _ENDED:
            session.exitstatus = ending.status
        assert self._outputs is not None, "only xdist's workers have no outputs"
        root = str(self.config.rootpath)
        failures = self._outputs.write(
            {
                "json": lambda: jsonfile.document(
                    self.checks,
                    self.audit(),
                    is_complete=is_complete,
                    collected=len(self._items),
                    environment=environment.environment(self.config),
                ),
                "html": self._page,
                "sarif": lambda: sarif.document(
                    self.checks, root, version("pytest-reloadleak"), complete=is_complete
                ),
                "codequality": lambda: codequality.document(self.checks, root),
            }
        )
        self._lines += failures
        if failures and session.exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _page(self) -> str:
        from pytest_reloadleak.integration.reporting.html_report import document

        return document(self.config, self.checks, self.audit())

    def _add_missing(self) -> None:
        """Add an entry for each item that ended without one: its setup failed, or the process that ran it died."""
        have = {check["nodeid"] for check in self.checks}
        for nodeid, said in self._failed.items():
            if nodeid in self._items and nodeid not in have:
                self._done.add(nodeid)
                target, strategy = self._items[nodeid]
                reason = f"the item ended without a verdict: {said}"
                report = Report(
                    target=target,
                    nodeid=nodeid,
                    strategy=strategy,
                    rounds=0,
                    warmup=0,
                    outcome="error",
                    reason=reason,
                    duration_s=0.0,
                    reload_s=0.0,
                    error=reason,
                )
                self.checks.append(jsonfile.to_dict(report))

    def audit(self) -> list[dict[str, Any]] | None:
        """The safe strategies of each target; `None` unless strategies are compared."""
        return None

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show the gate's lines."""
        if self.checks:
            self.summarise(terminalreporter)

    @pytest.hookimpl(wrapper=True, tryfirst=True, specname="pytest_terminal_summary")
    def pytest_terminal_summary_counts(self, terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
        """Write the line of counts below pytest's own summary, where a search or a glance at the end finds it."""
        yield
        if self.checks or self._items:
            terminalreporter.write_line(counts.line(self.checks))

    def summarise(self, terminal_reporter: pytest.TerminalReporter) -> None:
        """Show the gate's lines, with annotations for GitHub."""
        verbosity, rootdir = self.config.get_verbosity(), str(self.config.rootpath)
        writer, width = terminal_reporter._tw, styled.width_of(self.config)
        styled.fit_summary(terminal_reporter)
        reports = list(map(jsonfile.from_dict, self.checks))
        lines = [layout.one(text) for text in self._lines]
        if verbosity > 0:
            lines += map(layout.one, environment.lines(environment.environment(self.config)))
        if not fails(self.config):
            for report in reports:
                if report.outcome not in PASSING:
                    lines += terminal.lines(report, verbose=verbosity > 0, rootdir=rootdir, width=width)
                    lines.append(())
        lines += map(layout.one, self._unused_ignores())
        if verbosity >= -1:
            lines += closing.lines(reports, rootdir=rootdir, width=width)
        if lines:
            terminal_reporter.ensure_newline()
            terminal_reporter.section("reload leaks")
            styled.draw(writer, lines)
        if self._annotates():
            root = os.environ.get("GITHUB_WORKSPACE") or str(self.config.rootpath)
            for line in github.commands(self.checks, root):
                terminal_reporter.write_line(line)
            self._write_job_summary(terminal_reporter, root)

    def _unused_ignores(self) -> list[str]:
        """A line for each pattern that matched nothing. One of the option or ini file may apply to what did not run."""
        gate = gate_of(self.config)
        own = [
            f"{check['nodeid']}: {note}"
            for check in self.checks
            if check["outcome"] in PASSING  # the text of a failure shows its notes
            for note in check["notes"]
            if note.endswith(UNUSED)
        ]
        if not gate.ignores:
            return own
        found = [finding for check in self.checks for finding in jsonfile.from_dict(check).findings]
        return own + [
            f"{ignore.origin}: {ignore.pattern.text} matched no finding of this run; remove it if nothing needs it"
            for ignore in gate.ignores
            if self.checks and not any(ignore.pattern.matches(f, gate.rootdir) for f in found)
        ]

    def _annotates(self) -> bool:
        given = _annotations(self.config)[1]
        if given in {"github", "none"}:
            return bool(given == "github")
        return os.environ.get("GITHUB_ACTIONS", "").lower() == "true"

    def _write_job_summary(self, terminal_reporter: pytest.TerminalReporter, root: str) -> None:
        path = os.environ.get("GITHUB_STEP_SUMMARY")
        if not path:
            return
        try:
            with open(path, "a", encoding="utf-8", errors="backslashreplace") as stream:
                stream.write(github.job_summary(self.checks, root))
        except OSError as error:
            terminal_reporter.write_line(
                f"GITHUB_STEP_SUMMARY: cannot write {path!r}: {error.strerror or error}"
            )


_ANNOTATIONS = ("auto", "github", "none")


def _annotations(config: pytest.Config) -> tuple[str, str]:
    """The option or ini key that says where annotations are printed, and its value."""
    option = config.getoption("reload_leak_annotations")
    if option is not None:
        return "--reload-leak-annotations", str(option)
    return "reload_leak_annotations", str(config.getini("reload_leak_annotations") or "auto")


def _assert_annotations(config: pytest.Config) -> None:
    where, given = _annotations(config)
    if given not in _ANNOTATIONS:
        hint = did_you_mean(given, _ANNOTATIONS)
        raise UsageError(f"{where}: unknown value {given!r}: {hint}use one of {', '.join(_ANNOTATIONS)}")
