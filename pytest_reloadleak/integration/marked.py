"""Run the body of a marked test as the exercise of each round, on a fresh generation.

While the test is called, its function is replaced by one that runs all rounds. So whatever calls the function runs the
rounds: pytest, unittest, or an async plugin on one loop.
"""

from __future__ import annotations

import functools
import inspect
import sys
import unittest
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from pytest_reloadleak.check import Check, settings_for
from pytest_reloadleak.effects.probe import Probe
from pytest_reloadleak.errors import UsageError, unknown_keyword
from pytest_reloadleak.holders.roots import is_runner
from pytest_reloadleak.holders.sweep import Root
from pytest_reloadleak.integration import automatic_targets
from pytest_reloadleak.integration.bindings import Bindings
from pytest_reloadleak.integration.body import MODULE, Body, fresh
from pytest_reloadleak.integration.gate import gate_for, judged
from pytest_reloadleak.integration.noise import fixtures
from pytest_reloadleak.integration.noise.release import release
from pytest_reloadleak.integration.noise.table import keepers
from pytest_reloadleak.integration.options import Options, extra_presets, project_of
from pytest_reloadleak.integration.own_modules import OwnModules
from pytest_reloadleak.integration.reporting.progress import Progress
from pytest_reloadleak.run.performing import Reloader
from pytest_reloadleak.run.runner import Runner
from pytest_reloadleak.settings import ALL, STRATEGIES, expanded, unknown_strategy
from pytest_reloadleak.strategies.dispose import Disposal
from pytest_reloadleak.strategies.imports import targets

if TYPE_CHECKING:
    from pytest_reloadleak.presets.hosting import Hosting

_Value = TypeVar("_Value")
KEYWORDS = (
    "strategy",
    "rounds",
    "warmup",
    "reload",
    "dispose",
    "unload",
    "probes",
    "ignore",
    "expect",
    "preset",
    "host",
)


@contextmanager
def in_rounds(
    item: pytest.Function,
    marker: pytest.Mark,
    options: Options,
    plugins: tuple[str, ...],
    failed_subtests: Callable[[], int],
) -> Iterator[None]:
    """Within the block, a call of the item's function runs all rounds of its check."""
    original = item.obj
    instance = item.instance  # before pytest 8.2 read from the method, which is replaced below
    checks = _made(lambda: _checks(item, marker, options, plugins))
    is_audit = marker.kwargs.get("strategy") == ALL or (options.is_audit and "strategy" not in marker.kwargs)
    accepted = functools.partial(
        judged,
        item.config,
        ignore=marker.kwargs.get("ignore"),
        expect=marker.kwargs.get("expect"),
        is_audit=is_audit,
    )
    body = Body(item, original, failed_subtests, accepted)
    item.obj = wrapped = body.in_rounds(checks)
    # For a coroutine, pytest lets the test case call its own method, so replace that too.
    is_own_call = isinstance(instance, unittest.TestCase) and inspect.iscoroutinefunction(original)
    if is_own_call:
        setattr(instance, item.name, wrapped)
    try:
        yield
    finally:
        item.__dict__.pop(MODULE, None)
        item.obj = original
        if is_own_call:
            delattr(instance, item.name)


def _checks(
    item: pytest.Function, marker: pytest.Mark, options: Options, plugins: tuple[str, ...]
) -> list[Callable[[], tuple[Check, Bindings]]]:
    """One maker per strategy. Each makes its check just before the run, since a check takes the process's state."""
    unknown = sorted(set(marker.kwargs) - set(KEYWORDS))
    if unknown:
        raise UsageError(f"reloadable: {unknown_keyword(unknown[0], KEYWORDS)}")
    names = targets_of(item, marker)
    hosts = _hosting(item, marker, names, options.preset)
    reload = hosts.reload if hosts is not None else reloader_of(item, marker.kwargs.get("reload"))
    strategies = _strategies(marker.kwargs.get("strategy"), options)
    if reload is not None:
        strategies = ["callable"]
    elif hosts is not None:
        strategies = hosts.fitting(strategies)

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
            project=project_of(item.config),
            expected=(*options.expected, *(hosts.preset.known if hosts is not None else ())),
            has_series=options.has_series,
        )
        runner = runner_of(item, plugins, options.extra)
        if hosts is None:
            check = Check(names, settings, reload, disposal(item, marker.kwargs.get("dispose")), runner)
        else:
            check = hosts.check(names, settings, runner)
        subject = check.run.subject
        bindings = Bindings(vars(item.module), subject.module)
        what = f"{', '.join(names)}[{settings.strategy}]"
        subject.runner.progress = Progress(item.config, what, settings.rounds, settings.warmup).step
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


def _strategies(given: object, options: Options) -> list[Any]:
    """The strategies of the `strategy` keyword, or those of the options without it.

    Raises:
        UsageError: there is no such strategy.
    """
    if given is None:
        return list(options.strategies)
    if given not in (*STRATEGIES, ALL):
        raise UsageError(unknown_strategy(given))
    return list(expanded([str(given)]))


def _hosting(item: pytest.Function, marker: pytest.Mark, names: list[str], default: str) -> Hosting | None:
    """The host of a marked test that names a preset; a string in `host` is the name of a fixture.

    Args:
        item: the test.
        marker: its marker.
        names: its targets.
        default: the preset of the options, for a test with one target that does not say how to reload it.
    """
    given = marker.kwargs.get("preset")
    says = {"preset", "host", "reload", "dispose"}.intersection(marker.kwargs)
    if not says and len(names) == 1:
        given = default or None
    if given is None and "host" not in says:
        return None
    from pytest_reloadleak.presets.catalogue import AUTO, chosen  # only who names a preset needs them
    from pytest_reloadleak.presets.hosting import hosting

    extra = extra_presets(item.config)
    if not says and given == AUTO and chosen(given, names[0], extra) is None:
        return None
    host = marker.kwargs.get("host")
    if isinstance(host, Mapping):
        host = {name: _fixture(item, value) for name, value in host.items()}
    others = {name: marker.kwargs.get(name) for name in ("reload", "dispose")}
    return hosting(given, names, host, others, extra, item.funcargs)


def _fixture(item: pytest.Function, value: object) -> object:
    return item._request.getfixturevalue(value) if isinstance(value, str) else value


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


def reloader_of(item: pytest.Item, given: object) -> Reloader | None:
    """The callable of the `reload` keyword, which may also name a fixture that is a callable.

    Raises:
        UsageError: the keyword is neither.
    """
    if isinstance(given, str):
        try:
            fixtures: Any = item
            given = fixtures._request.getfixturevalue(given)
        except pytest.FixtureLookupError:
            raise UsageError(f"reload={given!r} is no fixture: pass the name of one") from None
    if given is not None and not callable(given):
        raise UsageError(f"reload must be a callable or the name of a fixture, not {given!r}")
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


class Current:
    """Stands in for the module of the current round, in fixtures that are set up once and used in every round."""

    __slots__ = ("_item", "_names")

    def __init__(self, item: pytest.Item, names: tuple[str, ...]) -> None:
        self._item = item
        self._names = names

    def __getattr__(self, name: str) -> object:
        return getattr(fresh(self._names, self._item.__dict__.get(MODULE, sys.modules.get)), name)

    def __getitem__(self, name: str) -> object:
        return self._item.__dict__.get(MODULE, sys.modules.get)(name)


def current_modules(request: pytest.FixtureRequest) -> object:
    """The value of the `reloaded` fixture: without the flag, the imported modules; with it, a stand-in.

    Each round passes the fresh modules to the test instead of the stand-in.
    """
    item = request.node
    marker = item.get_closest_marker("reloadable")
    if marker is None:
        pytest.fail("the fixture `reloaded` needs a marker: add @pytest.mark.reloadable(...)", pytrace=False)
    names = _made(lambda: tuple(targets_of(item, marker)))
    if item.config.pluginmanager.has_plugin("reloadleak-session"):
        return Current(item, names)
    return imported(names)


def imported(names: Iterable[str]) -> object:
    """The value of the `reloaded` fixture without the flag; one line if a target does not exist."""
    found = _made(lambda: targets.resolve_all(names, force=True)[0])
    for name in found:
        import_module(name)
    return fresh(tuple(found))


def _made(make: Callable[[], _Value]) -> _Value:
    """The result of `make`. If it raises a `UsageError`, the test fails with this line and no traceback."""
    try:
        return make()
    except UsageError as error:
        text = str(error)
    pytest.fail(text, pytrace=False)  # outside of the block: pytest would show the error as well
