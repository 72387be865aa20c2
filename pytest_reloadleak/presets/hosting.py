"""Connect a preset with a check: the host reloads, loads and unloads the target, and its objects are roots."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

from pytest_reloadleak.check import Check
from pytest_reloadleak.cures.names import Given
from pytest_reloadleak.errors import RoundError, UsageError
from pytest_reloadleak.heap.failure import failure_text
from pytest_reloadleak.holders.sweep import Root
from pytest_reloadleak.presets import catalogue
from pytest_reloadleak.presets.preset import Hosted, Preset
from pytest_reloadleak.run.performing import Reloader
from pytest_reloadleak.run.runner import Runner
from pytest_reloadleak.settings import Settings
from pytest_reloadleak.strategies.dispose import Disposal


class Hosting:
    """One host for one check.

    Args:
        preset: the preset.
        hosted: the host with its plugin.
        note: the note for the report; `None` for one with the preset's name.
        again: opens the host again, for a further strategy of the same test.
    """

    def __init__(
        self,
        preset: Preset,
        hosted: Hosted,
        note: str | None = None,
        again: Callable[[], Hosted] | None = None,
    ) -> None:
        self.preset = preset
        self._hosted = hosted
        self._again = again
        self._is_closed = False
        self._note = note or f"checked as a plugin of {preset.name}"

    @classmethod
    def none(cls, target: str) -> Hosting:
        """The hosting for a target that is no plugin of a known host under `auto`: it only adds a note."""
        note = f"preset auto: {target} looks like a plugin of no known host that is installed"
        return cls(Preset(), Hosted(), note)

    @classmethod
    def of(cls, preset: Preset, target: str, options: Mapping[str, object] = MappingProxyType({})) -> Hosting:
        """The host of a preset for one target; `options` are the host's objects from the test.

        Raises:
            UsageError: the preset takes no such object.
        """
        opened = partial(catalogue.opened, preset, target, options)
        return cls(preset, opened(), again=opened)

    @property
    def reload(self) -> Reloader | None:
        """The host's own reload; `None` if a strategy reloads."""
        return self._hosted.reload if self.preset.reloads else None

    def disposal(self) -> Disposal:
        """What the host does before it drops a plugin."""
        is_defined = type(self._hosted).unload is not Hosted.unload
        return Disposal(self._hosted.unload if is_defined else None)

    def runner(self, runner: Runner) -> Runner:
        """A test runner's part, with the host's objects among the roots and as names for cures."""
        roots = runner.roots
        return replace(
            runner,
            roots=lambda: [*self._roots(), *roots()],
            given=self._given,
            hook=self.preset.hook,
            undone=self.preset.undone,
        )

    def check(self, names: list[str], settings: Settings, runner: Runner) -> Check:
        """A check whose generations the host reloads, or loads after each reload.

        Raises:
            UsageError: the target does not exist or is refused, or the strategy does not fit the host.
        """
        if self._is_closed and self._again is not None:
            self._hosted, self._is_closed = self._again(), False
        names = [*self._hosted.names] or names
        check = Check(names, settings, self.reload, self.disposal(), self.runner(runner))
        self._join(check)
        return check

    def _join(self, check: Check) -> None:
        subject = check.run.subject
        why = inapplicable(self.preset, subject.strategy.name) if subject.strategy is not None else None
        if subject.strategy is not None and why is not None:
            raise UsageError(f"preset={self.preset.name!r} and strategy={subject.strategy.name!r}: {why}")
        check.run.observations.note(self._note)
        if type(self._hosted).close is not Hosted.close:
            subject.runner.ended = self._close
        if self.preset.reloads or type(self._hosted).load is Hosted.load:
            return
        names = subject.unit.names
        load: Callable[[Any], Any] = self._hosted.load
        what = f"{self.preset.name} could not load {names[0]}"

        def loaded() -> Any:
            record = check.run.record
            is_first = record.generation == record.first
            where = "the first generation" if is_first else record.where(record.generation)
            try:
                result = load(subject.module(names[0]))
            except Exception as error:  # noqa: BLE001 - the plugin's or the host's; it ends the check
                text = failure_text(error)
            else:
                return _guarded(result, f"{where}: {what}") if inspect.isawaitable(result) else None
            raise RoundError(f"{where}: {what}: {text}")

        subject.runner.loaded = loaded

    def _close(self) -> Any:
        self._is_closed = True
        return self._hosted.close()

    def fitting(self, strategies: list[Any]) -> list[Any]:
        """The strategies that can reload the host's plugins. `check` judges a single one."""
        if len(strategies) == 1:
            return strategies
        return [name for name in strategies if inapplicable(self.preset, name) is None]

    def _given(self) -> Given:
        methods = (type(self._hosted).reload, type(self._hosted).load, type(self._hosted).unload)
        is_on_loop = any(inspect.iscoroutinefunction(method) for method in methods)
        objects = dict(self._hosted.host) if self.preset.is_given else {}
        return Given(objects, is_on_loop, self.preset.has_methods)

    def _roots(self) -> list[Root]:
        return [Root("host", name, name, value) for name, value in self._hosted.host.items()]


def inapplicable(preset: Preset, strategy: str, *, is_first: bool = True) -> str | None:
    """Why a strategy cannot reload the plugins of a host, in one sentence; `None` if it can.

    Args:
        preset: the host's preset.
        strategy: the strategy.
        is_first: whether this is the target's first strategy: a host that reloads by itself is checked once.
    """
    if preset.reloads and not is_first:
        return f"{preset.name} itself reloads its plugins, whatever the strategy"
    if strategy == "worker" and preset.name and not preset.reloads:
        return f"{preset.name} cannot load a plugin that is in another process"
    return None


async def _guarded(result: Any, what: str) -> None:
    try:
        await result
    except Exception as error:  # noqa: BLE001 - as above
        text = failure_text(error)
    else:
        return
    raise RoundError(f"{what}: {text}")


def hosting(  # noqa: PLR0913 - what a test may say of a host
    given: object,
    names: list[str],
    host: object,
    others: Mapping[str, object],
    extra: Iterable[Preset],
    fixtures: Mapping[str, object],
) -> Hosting | None:
    """The host for one check; `None` if no preset is given.

    Args:
        given: the `preset` keyword.
        names: the targets; a preset takes one.
        host: the `host` keyword: the host's objects by name.
        others: keywords that cannot be combined with a preset, with their values.
        extra: presets of the project and of plugins.
        fixtures: the test's own fixtures; the preset takes those that have the names of its host's objects.

    Raises:
        UsageError: a keyword is invalid.
    """
    if given is None:
        if host is not None:
            raise UsageError(
                "host= gives a preset its host: name the preset too, such as preset='discord.py'"
            )
        return None
    if host is not None and not isinstance(host, Mapping):
        raise UsageError(f"host must be a dict such as {{'bot': bot}}, not {host!r}")
    for name, value in others.items():
        if value is not None:
            raise UsageError(f"{name}= and preset= exclude each other: the preset brings its own {name}")
    if len(names) != 1:
        raise UsageError(f"a preset takes one target, not {len(names)}")
    preset = catalogue.chosen(given, names[0], extra)
    if preset is None:
        return Hosting.none(names[0])
    own = {name: fixtures[name] for name in preset.takes if name in fixtures}
    return Hosting.of(preset, names[0], {**own, **(host or {})})
