"""Run the body of a marked test as the exercise of each round, on a fresh generation.

While the test is called, its function is replaced by one that runs all rounds. So whatever calls the function runs the
rounds: pytest, unittest, or an async plugin on one loop.
"""

from __future__ import annotations

import functools
import inspect
import sys
import unittest
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pytest_reloadleak.check import PASSING, Check, settings_for
from pytest_reloadleak.effects.probe import Probe
from pytest_reloadleak.errors import UsageError
from pytest_reloadleak.holders.roots import is_runner
from pytest_reloadleak.holders.sweep import Root
from pytest_reloadleak.integration import automatic_targets
from pytest_reloadleak.integration.bindings import Bindings
from pytest_reloadleak.integration.gate import fails, gate_for, judged
from pytest_reloadleak.integration.items import keep, render
from pytest_reloadleak.integration.noise import fixtures
from pytest_reloadleak.integration.noise.release import release
from pytest_reloadleak.integration.noise.rounds import undoing_patches
from pytest_reloadleak.integration.noise.table import keepers
from pytest_reloadleak.integration.options import Options
from pytest_reloadleak.integration.own_modules import OwnModules
from pytest_reloadleak.model import Report
from pytest_reloadleak.report import audit, jsonfile
from pytest_reloadleak.run.performing import Reloader
from pytest_reloadleak.run.runner import Runner
from pytest_reloadleak.settings import ALL, expanded
from pytest_reloadleak.strategies.dispose import Disposal

KEYWORDS = ("strategy", "rounds", "warmup", "reload", "dispose", "unload", "probes", "ignore", "expect")


@contextmanager
def in_rounds(
    item: pytest.Function, marker: pytest.Mark, options: Options, plugins: tuple[str, ...]
) -> Iterator[None]:
    """Within the block, a call of the item's function runs all rounds of its check."""
    original = item.obj
    try:
        checks = _checks(item, marker, options, plugins)
    except UsageError as error:
        pytest.fail(str(error), pytrace=False)
    is_audit = marker.kwargs.get("strategy") == ALL or (options.is_audit and "strategy" not in marker.kwargs)
    accepted = functools.partial(
        judged, item.config, ignore=marker.kwargs.get("ignore"), expect=marker.kwargs.get("expect")
    )
    item.obj = wrapped = _wrap(item, original, checks, accepted, is_audit=is_audit)
    # For a coroutine, pytest lets the test case call its own method, so replace that too.
    is_own_call = isinstance(item.instance, unittest.TestCase) and inspect.iscoroutinefunction(original)
    if is_own_call:
        setattr(item.instance, item.name, wrapped)
    try:
        yield
    finally:
        item.__dict__.pop(_MODULE, None)
        item.obj = original
        if is_own_call:
            delattr(item.instance, item.name)


def _checks(
    item: pytest.Function, marker: pytest.Mark, options: Options, plugins: tuple[str, ...]
) -> list[Callable[[], tuple[Check, Bindings]]]:
    """One maker per strategy. Each makes its check just before the run, since a check takes the process's state."""
    unknown = sorted(set(marker.kwargs) - set(KEYWORDS))
    if unknown:
        raise UsageError(
            f"reloadable: unknown keyword {unknown[0]!r}; the keywords are {', '.join(KEYWORDS)}"
        )
    names = targets_of(item, marker)
    reload = _reloader(item, marker.kwargs.get("reload"))
    given = marker.kwargs.get("strategy")
    strategies: list[Any] = list(options.strategies)
    if given is not None:
        strategies = list(expanded([given])) if isinstance(given, str) else [given]
    if reload is not None:
        strategies = ["callable"]

    def make(strategy: object) -> tuple[Check, Bindings]:
        settings = settings_for(
            strategy=strategy,
            reload=reload,
            rounds=marker.kwargs.get("rounds", options.rounds),
            warmup=marker.kwargs.get("warmup", options.warmup),
            force=options.force,
            unload=marker.kwargs.get("unload", options.unload),
            probes=marker.kwargs.get("probes", options.probes or None),
            extra=options.extra,
            nodeid=item.nodeid,
            project=automatic_targets.project(item.config),
            expected=options.expected,
        )
        runner = runner_of(item, plugins, options.extra)
        hooks = disposal(item, marker.kwargs.get("dispose"))
        check = Check(names, settings, reload, hooks, runner)
        subject = check.run.subject
        bindings = Bindings(vars(item.module), subject.module)
        subject.runner.begun = lambda unit: bindings.begin(unit.owns)
        subject.runner.reloaded = bindings.renew
        subject.runner.unloaded = bindings.put_back
        subject.runner.own = bindings.own_objects()
        return check, bindings

    makers: list[Callable[[], tuple[Check, Bindings]]] = [
        functools.partial(make, name) for name in strategies
    ]
    gate_for(item.config, marker.kwargs.get("ignore"), marker.kwargs.get("expect"))
    makers[0]()  # report wrong settings before the test's body begins
    return makers


def targets_of(item: pytest.Function, marker: pytest.Mark) -> list[str]:
    """Names of the modules that a marked test reloads.

    Raises:
        UsageError: the marker names no target, and the test module imports no first-party module.
    """
    if marker.args:
        return list(marker.args)
    names = automatic_targets.imported_by(item.session, item.module)
    if not names:
        raise UsageError(
            f"reloadable: {item.module.__name__} imports no module of the project's own, so there is nothing to "
            "reload; name the target: @pytest.mark.reloadable('myapp.module')"
        )
    return names


def _reloader(item: pytest.Function, given: object) -> Reloader | None:
    """The callable of the `reload` keyword, which may also name a fixture that is a callable."""
    if isinstance(given, str):
        try:
            given = item._request.getfixturevalue(given)
        except pytest.FixtureLookupError:
            raise UsageError(f"reloadable: reload={given!r} is no fixture: pass the name of one") from None
    if given is not None and not callable(given):
        raise UsageError(f"reloadable: reload must be a callable or the name of a fixture, not {given!r}")
    return given


def disposal(item: pytest.Item, given: object) -> Disposal:
    """The `dispose` keyword: a callable, or the name of a function of the target or of a callable fixture.

    Raises:
        UsageError: the keyword is none of these.
    """
    if given is None:
        return Disposal()
    if not isinstance(given, str):
        if not callable(given):
            raise UsageError(
                f"dispose must be a callable, or the name of a function of the target or of a fixture, not {given!r}"
            )
        return Disposal(given)
    fixtures: Any = getattr(item, "_request", None)
    if fixtures is None or not item.session._fixturemanager.getfixturedefs(given, item):
        return Disposal(given)
    value = fixtures.getfixturevalue(given)
    if not callable(value):
        raise UsageError(f"dispose={given!r}: the fixture of this name must be a callable, not {value!r}")
    return Disposal(given, value)


def runner_of(
    item: pytest.Item, plugins: tuple[str, ...] = (), probes: tuple[type[Probe], ...] = ()
) -> Runner:
    """What pytest contributes to a check in a test."""
    own = OwnModules(item.session)
    return Runner(
        plugins=plugins,
        probes=probes,
        release=lambda: release(item, own.namespaces()),
        spared=own.namespaces,
        helpers=own.helpers,
        roots=lambda: _fixture_roots(item),
        keepers=lambda: keepers(item),
    )


def _fixture_roots(item: pytest.Item) -> list[Root]:
    return [
        Root(
            "fixture",
            f"fixture {name}",
            f"fixture.{name}",
            value,
            is_runner=is_runner(type(value).__module__),
        )
        for name, value in fixtures.values(item).items()
        if not type(value).__module__.startswith("pytest_reloadleak.")  # our own fixtures are no holders
    ]


def _wrap(
    item: pytest.Function,
    original: Callable[..., Any],
    checks: list[Callable[[], tuple[Check, Bindings]]],
    accepted: Callable[[Report], Report],
    *,
    is_audit: bool,
) -> Callable[..., Any]:
    def body(check: Check, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[[], Any]:
        def exercise() -> Any:
            subject = check.run.subject
            item.__dict__[_MODULE] = subject.module
            fresh = {"reloaded": _fresh(subject.unit.names, subject.module)} if "reloaded" in kwargs else {}
            called = {**kwargs, **fresh}
            values = list(getattr(item, "funcargs", {}).values())
            if inspect.iscoroutinefunction(original):
                return _await_round(original, args, called, values)
            with undoing_patches(values):
                return original(*args, **called)

        return exercise

    if inspect.iscoroutinefunction(original):

        async def all_rounds(*args: Any, **kwargs: Any) -> None:
            __tracebackhide__ = True
            reports = []
            for make in checks:
                check, bindings = make()
                try:
                    reports.append(accepted(await check.aperform(body(check, args, kwargs))))
                finally:
                    bindings.put_back()
            _conclude(item, reports, is_audit=is_audit)

        return functools.wraps(original)(all_rounds)

    def rounds(*args: Any, **kwargs: Any) -> None:
        __tracebackhide__ = True
        reports = []
        for make in checks:
            check, bindings = make()
            try:
                reports.append(accepted(check.perform(body(check, args, kwargs))))
            finally:
                bindings.put_back()
        _conclude(item, reports, is_audit=is_audit)

    return functools.wraps(original)(rounds)


async def _await_round(
    original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], values: list[object]
) -> Any:
    with undoing_patches(values):
        return await original(*args, **kwargs)


def _conclude(item: pytest.Function, reports: list[Report], *, is_audit: bool) -> None:
    __tracebackhide__ = True
    for report in reports:
        keep(item, report)
    failing = [
        report
        for report in reports
        if report.outcome not in PASSING and not (is_audit and audit.is_own_leak(jsonfile.to_dict(report)))
    ]
    if failing and fails(item.config):
        pytest.fail("\n\n".join(render(item.config, report) for report in failing), pytrace=False)


def _fresh(names: tuple[str, ...], module: Callable[[str], object] = sys.modules.get) -> object:
    modules = {name: module(name) for name in names}
    return modules[names[0]] if len(names) == 1 else modules


_MODULE = "reload_leak_module"
"""Attribute of an item: returns the module of the current round by name."""


class Current:
    """Stands in for the module of the current round, in fixtures that are set up once and used in every round."""

    __slots__ = ("_item", "_names")

    def __init__(self, item: pytest.Item, names: tuple[str, ...]) -> None:
        self._item = item
        self._names = names

    def __getattr__(self, name: str) -> object:
        return getattr(_fresh(self._names, self._item.__dict__.get(_MODULE, sys.modules.get)), name)

    def __getitem__(self, name: str) -> object:
        return self._item.__dict__.get(_MODULE, sys.modules.get)(name)


def current_modules(request: pytest.FixtureRequest) -> object:
    """The value of the `reloaded` fixture: without the flag, the imported modules; with it, a stand-in.

    Each round passes the fresh modules to the test instead of the stand-in.
    """
    item = request.node
    marker = item.get_closest_marker("reloadable")
    if marker is None:
        pytest.fail("the fixture `reloaded` needs a marker: add @pytest.mark.reloadable(...)", pytrace=False)
    try:
        names = tuple(targets_of(item, marker))
    except UsageError as error:
        pytest.fail(str(error), pytrace=False)
    if item.config.pluginmanager.has_plugin("reloadleak-session"):
        return Current(item, names)
    for name in names:
        __import__(name)
    return _fresh(names)
