"""Register the options, the marker and the fixtures with pytest.

pytest imports this module in every run, so it imports only the options as well. The rest is imported with the flag, or
when a test uses a fixture.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from pytest_reloadleak.command_line import add_options

if TYPE_CHECKING:
    from pytest_reloadleak.effects.probe import Probe
    from pytest_reloadleak.integration.fixture import ReloadLeaks
    from pytest_reloadleak.presets.preset import Preset
    from pytest_reloadleak.verdict.known import Known

_MARKER = (
    "reloadable(*targets, strategy=..., rounds=..., warmup=..., reload=..., dispose=..., unload=..., probes=..., "
    "ignore=..., expect=..., preset=..., host=...): "
    "with --reload-leak-check, run the test's body once after each reload of the targets (default: the project's own "
    "modules that the test module imports) and fail if old code stays alive."
)

_WITHOUT_FLAG = (
    "json",
    "html",
    "sarif",
    "codequality",
    "baseline",
    "update_baseline",
    "strict_baseline",
    "report_only",
)
"""Options that collect the checks of a session, also those of the fixture in a run without the flag."""


class _Hooks:
    """Hooks for other plugins and conftests. A class, since without the flag only this module may be loaded."""

    @staticmethod
    def pytest_reloadleak_probes(config: pytest.Config) -> list[type[Probe]]:  # type: ignore[empty-body]  # a specification
        """Probe classes to use in addition to the builtin ones. Each check makes new instances.

        Args:
            config: pytest's configuration.

        Returns:
            Subclasses of `pytest_reloadleak.Probe` with a `name`, defined at module level: each check imports them.
        """

    @staticmethod
    def pytest_reloadleak_known(config: pytest.Config) -> list[Known]:  # type: ignore[empty-body]  # a specification
        """References to expect in addition to the builtin ones.

        Args:
            config: pytest's configuration.

        Returns:
            Values of `pytest_reloadleak.Known`: each a pattern and the reason.
        """

    @staticmethod
    def pytest_reloadleak_presets(config: pytest.Config) -> list[Preset]:  # type: ignore[empty-body]  # a specification
        """Presets of hosts in addition to the builtin ones.

        Args:
            config: pytest's configuration.

        Returns:
            Instances of subclasses of `pytest_reloadleak.Preset` with a `name`.
        """


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register the command-line options and the ini options."""
    add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Register the hooks for other plugins and conftests."""
    pluginmanager.add_hookspecs(_Hooks)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register the marker. With the flag, or for a node id of a target, load the session that checks."""
    config.addinivalue_line("markers", _MARKER)
    wanted = config.getoption("reload_leak_check")
    if wanted is None:
        wanted = _is_on(config) or _names_items(config)
        if not wanted and config.getoption("reload_leak_target"):
            raise pytest.UsageError(
                "--reload-leak-target names a target, but nothing is checked without --reload-leak-check; add it"
            )
    if wanted:
        from pytest_reloadleak.integration.reporting.changed_files import ChangedFiles
        from pytest_reloadleak.integration.reporting.progress import Controller
        from pytest_reloadleak.integration.session import Session
        from pytest_reloadleak.integration.slow_first import SlowFirst

        config.pluginmanager.register(Session(config), "reloadleak-session")
        config.pluginmanager.register(SlowFirst(config), "reloadleak-durations")
        config.pluginmanager.register(Controller(config), "reloadleak-progress")
        config.pluginmanager.register(ChangedFiles(config), "reloadleak-changed-files")
    elif any(config.getoption(f"reload_leak_{name}") for name in _WITHOUT_FLAG):
        from pytest_reloadleak.integration.reporting.reports import Collected

        config.pluginmanager.register(Collected(config), "reloadleak-reports")
    if config.getoption("reload_leak_graphs") is not None:
        from pytest_reloadleak.integration.reporting.graphs import Graphs

        config.pluginmanager.register(Graphs(config), "reloadleak-graphs")


def _is_on(config: pytest.Config) -> bool:
    """Whether the ini file turns checks on."""
    try:
        return bool(config.getini("reload_leak_check"))
    except (ValueError, pytest.UsageError) as error:  # pytest's own words do not name the line
        raise pytest.UsageError(f"reload_leak_check: {error}; write true or false") from None


def _names_items(config: pytest.Config) -> bool:
    """Whether the command line names items of targets; an xdist worker gets these as an option."""
    folders = (argument.partition("::")[0] for argument in config.args)
    is_named = any(re.split(r"[\\/]", folder)[-1] == "reload-leak" for folder in folders)
    return is_named or bool(getattr(config.option, "reload_leak_chosen", ()))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Note the modules of all tests before some are deselected: what they import is theirs in either case."""
    names: dict[str, None] = {}
    parent: object = None
    for item in items:
        if item.parent is not parent:
            parent = item.parent
            names[getattr(getattr(item, "module", None), "__name__", "")] = None
    session.__dict__["reload_leak_test_modules"] = tuple(names)


_OF_REPORTS = ("reload_leak_checks", "reload_leak_inapplicable", "reload_leak_shown")
_NOTED = frozenset({"reload_leak_failure", *_OF_REPORTS})
"""What checks leave in the namespace of an item."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach the checks that a test made to its report, so that xdist serialises them too."""
    report = yield
    if call.excinfo is None and _NOTED.isdisjoint(item.__dict__):  # nearly all calls, three for each test
        return report
    shown = item.__dict__.pop("reload_leak_failure", None)
    if shown is not None and report.failed:
        report.longrepr = shown
    # Items of targets show their report themselves.
    elif call.excinfo is not None and not item.nodeid.startswith("reload-leak::"):
        _shorten(report, call.excinfo.value)
    for name in _OF_REPORTS:
        found = item.__dict__.get(name)
        if found and report.when == "call":
            report.__dict__[name] = found
            del item.__dict__[name]  # the item may run again
            if name == "reload_leak_checks":
                attempts = item.__dict__.get("reload_leak_attempts", 0) + 1
                item.__dict__["reload_leak_attempts"] = report.__dict__["reload_leak_attempts"] = attempts
    return report


def _shorten(report: pytest.TestReport, error: Any) -> None:
    """Leave one line for the summary: the failure itself shows the whole report of a check by hand."""
    if type(error).__name__ != "ReloadLeakError":
        return
    crash = getattr(report.longrepr, "reprcrash", None)
    found = getattr(error, "report", None)
    if crash is not None and found is not None:
        from pytest_reloadleak.report import short

        crash.message = short.line(found, names_target=True)


@pytest.fixture
def reload_leaks(request: pytest.FixtureRequest) -> ReloadLeaks:
    """Check that a module can be reloaded without leaking: `check`, `acheck`, `measure`, `watch`."""
    from pytest_reloadleak.integration.fixture import ReloadLeaks

    return ReloadLeaks(request)


@pytest.fixture
def reloaded(request: pytest.FixtureRequest) -> object:
    """The fresh module of the current round, in a test marked `reloadable`; a dict by name for several targets."""
    marker = request.node.get_closest_marker("reloadable")
    if (
        marker is not None
        and marker.args
        and all(type(name) is str and name.strip() for name in marker.args)
        and not request.config.pluginmanager.has_plugin("reloadleak-session")
    ):
        try:
            modules = {name: import_module(name) for name in marker.args}
        except ModuleNotFoundError:
            pass  # below, the error is one line if the target itself is missing
        else:
            return modules[marker.args[0]] if len(modules) == 1 else modules
    from pytest_reloadleak.integration.marked import current_modules

    return current_modules(request)
