"""The pytest plugin: options, marker and fixtures, and nothing else until a check is asked for.

This module is imported in every pytest run of an environment that has the plugin installed. Whatever a check needs is
imported when the flag is given, or when a test asks for one of the fixtures.
"""

from __future__ import annotations

from collections.abc import Generator
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_reloadleak.effects.probe import Probe
    from pytest_reloadleak.integration.fixture import ReloadLeaks
    from pytest_reloadleak.verdict.known import Known

_MARKER = (
    "reloadable(*targets, strategy=..., rounds=..., warmup=..., reload=..., dispose=..., unload=..., probes=...): "
    "with --reload-leak-check, run the test's body once per reload of the targets (default: the first-party modules "
    "that the test module imports) and fail if an old generation stays alive."
)


class _Hooks:
    """What other plugins and conftests may contribute. Not a module: without the flag none but this one is loaded."""

    @staticmethod
    def pytest_reloadleak_probes(config: pytest.Config) -> list[type[Probe]]:  # type: ignore[empty-body]  # a specification
        """Further probes: classes, made anew for each check.

        Args:
            config: pytest's configuration.

        Returns:
            Subclasses of `pytest_reloadleak.Probe` with a name of their own, at module level: the process
            that checks a target imports them by name.
        """

    @staticmethod
    def pytest_reloadleak_known(config: pytest.Config) -> list[Known]:  # type: ignore[empty-body]  # a specification
        """Further references that are expected.

        Args:
            config: pytest's configuration.

        Returns:
            Values of `pytest_reloadleak.Known`: each a pattern and the reason.
        """


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register the options and their ini counterparts."""
    group = parser.getgroup("reload-leak", "reload leaks")
    group.addoption(
        "--reload-leak-check",
        action="store_true",
        default=None,
        dest="reload_leak_check",
        help="reload targets and marked tests several times, and fail if an old generation stays alive",
    )
    group.addoption(
        "--no-reload-leak-check",
        action="store_false",
        dest="reload_leak_check",
        help="do not, whatever the ini file says; tests that check with the reload_leaks fixture are skipped",
    )
    group.addoption(
        "--reload-leak-target",
        action="append",
        metavar="NAME",
        help="a module, a package or a glob of modules to check; repeatable (default: the project's own modules)",
    )
    group.addoption(
        "--reload-leak-strategy",
        action="append",
        metavar="NAME",
        help="how to reload: reload, decache, reimport (the default), cascade, alias, worker, or all; repeatable",
    )
    group.addoption("--reload-leak-rounds", metavar="N", help="counted reloads (default: 5)")
    group.addoption("--reload-leak-warmup", metavar="N", help="reloads before them (default: 1)")
    group.addoption(
        "--reload-leak-isolation",
        metavar="process|none",
        help="check each target in a process of its own (the default), or in this one",
    )
    group.addoption(
        "--reload-leak-timeout", metavar="S", help="seconds that an isolated check may take (default: 60)"
    )
    group.addoption(
        "--reload-leak-force",
        action="store_true",
        help="check targets that are refused by default, where possible",
    )
    group.addoption(
        "--reload-leak-unload",
        action="store_true",
        help="after the last round unload the target too, and report what still pins it",
    )
    group.addoption(
        "--reload-leak-probes",
        metavar="LIST",
        help="names of the probes that look, or kinds of finding, with commas (default: all)",
    )
    group.addoption("--reload-leak-json", metavar="FILE", help="write all checks to this file as JSON")
    parser.addini("reload_leak_check", "turn on --reload-leak-check", type="bool", default=False)
    parser.addini("reload_leak_targets", "targets, one a line", type="linelist", default=[])
    parser.addini("reload_leak_strategies", "strategies, one a line", type="linelist", default=[])
    parser.addini("reload_leak_rounds", "counted reloads", default="")
    parser.addini("reload_leak_warmup", "reloads before them", default="")
    parser.addini("reload_leak_isolation", "process or none", default="")
    parser.addini("reload_leak_unload", "turn on --reload-leak-unload", type="bool", default=False)
    parser.addini("reload_leak_probes", "names of the probes that look", default="")
    parser.addini("reload_leak_timeout", "seconds that an isolated check may take", default="")


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Let other plugins and conftests contribute."""
    pluginmanager.add_hookspecs(_Hooks)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker; with the flag, load what checks."""
    config.addinivalue_line("markers", _MARKER)
    wanted = config.getoption("reload_leak_check")
    if wanted or (wanted is None and config.getini("reload_leak_check")):
        from pytest_reloadleak.integration.session import Session

        config.pluginmanager.register(Session(config), "reloadleak-session")
    elif config.getoption("reload_leak_json") is not None:
        from pytest_reloadleak.integration.reports import Collected

        config.pluginmanager.register(Collected(config), "reloadleak-reports")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Hand the checks that a test made on with its report, where xdist serialises them too."""
    report = yield
    for name in ("reload_leak_checks", "reload_leak_inapplicable"):
        found = getattr(item, name, None)
        if found and report.when == "call":
            report.__dict__[name] = found
    return report


@pytest.fixture
def reload_leaks(request: pytest.FixtureRequest) -> ReloadLeaks:
    """Check by hand that something can be reloaded without leaking: `check`, `acheck`, `measure`, `watch`."""
    from pytest_reloadleak.integration.fixture import ReloadLeaks

    return ReloadLeaks(request)


@pytest.fixture
def reloaded(request: pytest.FixtureRequest) -> object:
    """The fresh module of this round, for a test marked `reloadable`; by name if there are several targets."""
    marker = request.node.get_closest_marker("reloadable")
    if (
        marker is not None
        and marker.args
        and not request.config.pluginmanager.has_plugin("reloadleak-session")
    ):
        modules = {name: import_module(name) for name in marker.args}
        return modules[marker.args[0]] if len(modules) == 1 else modules
    from pytest_reloadleak.integration.marked import current_modules

    return current_modules(request)
