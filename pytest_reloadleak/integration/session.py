"""A session with `--reload-leak-check`: make items of the targets, run marked tests in rounds."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import pytest

from pytest_reloadleak.errors import UsageError
from pytest_reloadleak.integration import firstparty, marked
from pytest_reloadleak.integration.items import TargetItem, Targets
from pytest_reloadleak.integration.options import Options
from pytest_reloadleak.integration.reports import Collected
from pytest_reloadleak.strategies import targets


class Session(Collected):
    """The hooks of a checking session."""

    def __init__(self, config: pytest.Config) -> None:
        self.options = Options.of(config)
        super().__init__(config)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """Add an item per target and strategy, before `-k` and `-m` choose."""
        plugins = _plugin_modules(session.config)
        try:
            names = self._targets(items, plugins)
        except UsageError as error:
            raise pytest.UsageError(str(error)) from None
        if not names:
            return
        parent: Targets = Targets.from_parent(session, name="reload-leak", nodeid="reload-leak")
        items += [
            TargetItem.make(parent, name, strategy, self.options, plugins)
            for name in names
            for strategy in self.options.strategies
        ]

    def _targets(self, items: list[pytest.Item], plugins: tuple[str, ...]) -> list[str]:
        if self.options.targets:
            found = [
                targets.resolve(t, force=self.options.force, plugins=plugins) for t in self.options.targets
            ]
            return list(dict.fromkeys(name for names in found for name in names))
        if any(item.get_closest_marker("reloadable") for item in items):
            return []
        modules = {m.__name__ for item in items if isinstance(m := getattr(item, "module", None), ModuleType)}
        return firstparty.loaded(self.config, modules)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """Let a marked test's body be run once per round."""
        marker = item.get_closest_marker("reloadable")
        if marker is None or not isinstance(item, pytest.Function):
            return (yield)
        with marked.in_rounds(item, marker, self.options, _plugin_modules(item.config)):
            return (yield)


def _plugin_modules(config: pytest.Config) -> tuple[str, ...]:
    """Names of the modules of all registered pytest plugins, conftests aside."""
    names = set()
    for plugin in config.pluginmanager.get_plugins():
        module = plugin if isinstance(plugin, ModuleType) else None
        name = module.__name__ if module is not None else type(plugin).__module__
        if not name.endswith("conftest"):
            names.add(name)
    return tuple(sorted(names))
