"""Collect the targets as items, once all tests have been collected."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pytest

from pytest_reloadleak.errors import UsageError
from pytest_reloadleak.integration import automatic_targets
from pytest_reloadleak.integration.items import RefusedItem, Target, TargetItem
from pytest_reloadleak.integration.options import Options, project_of
from pytest_reloadleak.integration.selection import ROOT, Selection
from pytest_reloadleak.strategies.imports import targets
from pytest_reloadleak.strategies.imports.unit import is_glob


class Targets(pytest.Collector):
    """Parent of the target items, whose node ids begin with `reload-leak::`."""

    options: Options
    selection: Selection
    plugins: Callable[[], tuple[str, ...]]
    _pairs: list[tuple[Target, str]]
    _refused: dict[str, str]

    @classmethod
    def make(
        cls,
        session: pytest.Session,
        options: Options,
        selected: Selection,
        plugins: Callable[[], tuple[str, ...]],
    ) -> Targets:
        """Return the collector of a session."""
        # A path below the rootdir, which need not exist: VS Code looks for the folders between the two, and starts in
        # the workspace, of which the rootdir may be a parent.
        started, root = session.config.invocation_params.dir, session.config.rootpath
        path = (started if started.is_relative_to(root) else root) / ROOT
        parent: Targets = cls.from_parent(session, name=ROOT, nodeid=ROOT, path=path)
        parent.options, parent.selection, parent.plugins = options, selected, plugins
        parent._pairs, parent._refused = [], {}
        return parent

    def resolve(self) -> None:
        """Find the items. This is separate from `collect`, whose errors pytest takes for a broken test file.

        Raises:
            UsageError: a target does not exist or is refused, or there is nothing to check.
        """
        options, chosen = self.options, self.selection
        if chosen:
            self._pairs = list(self._chosen())
        if chosen or chosen.has_no_items:
            return
        names = self._named() if options.targets else self._automatic()
        self._pairs = [(name, strategy) for name in names for strategy in options.strategies]
        if not options.targets:
            known = {(target.name, strategy) for target, strategy in self._pairs}
            again = automatic_targets.wanted_again(self.config)
            self._pairs += [
                (Target(name), strategy) for name, strategy in again if (name, strategy) not in known
            ]
        if not self._pairs and not self._refused:
            self._assert_something_is_checked()

    def collect(self) -> Iterable[pytest.Item]:
        """One item per target and strategy, and one per pattern that matches only refused modules."""
        plugins = self.plugins()
        for target, strategy in self._pairs:
            yield TargetItem.make(self, target, strategy, self.options, plugins)
        for name, reason in self._refused.items():
            yield RefusedItem.make(self, name, reason)

    def described(self) -> str:
        """The targets for one line, with the number of modules of packages."""
        names = dict.fromkeys(target for target, _ in self._pairs)
        return ", ".join(_described(target) for target in names)

    def count(self) -> int:
        """The number of targets."""
        return len({target for target, _ in self._pairs})

    def _chosen(self) -> Iterator[tuple[Target, str]]:
        for name, strategy in self.selection.chosen:
            for target in self._resolved([name]):
                for one in [strategy] if strategy is not None else self.options.strategies:
                    yield target, one

    def _named(self) -> list[Target]:
        return self._resolved(self.options.targets)

    def _resolved(self, given: Iterable[str]) -> list[Target]:
        plugins, force = self.plugins(), self.options.force
        test_files = project_of(self.config).test_files
        names, self._refused = targets.resolve_all(given, force=force, plugins=plugins, test_files=test_files)
        named = {name.strip() for name in given if not is_glob(name)}
        found = {
            name: targets.submodules(name, plugins=plugins, test_files=test_files) if name in named else []
            for name in names
        }
        return [Target(name, tuple(below)) for name, below in found.items()]

    def _automatic(self) -> list[Target]:
        if _marked(self.session.items):
            return []
        return [Target(name) for name in automatic_targets.loaded(self.session, self.plugins())]

    def _assert_something_is_checked(self) -> None:
        """Refuse a run with the flag in which nothing is checked: it would pass and prove nothing."""
        items = self.session.items
        is_other = self.session.testsfailed or self.config.getoption("lf", False) or not items
        checks = _marked(items) or any(map(_checks_by_hand, items))
        if is_other or checks or not self.config.getoption("reload_leak_check"):
            return
        raise UsageError(
            "--reload-leak-check: nothing to check: the collected tests import no module of the project's own (a file "
            f"below {self.config.rootpath}, or of the distribution that its pyproject.toml names), and no test is "
            "marked reloadable; name a target: --reload-leak-target=myapp.module"
        )


def _checks_by_hand(item: pytest.Item) -> bool:
    return not {"reload_leaks", "reloaded"}.isdisjoint(getattr(item, "fixturenames", ()))


def _marked(items: Iterable[pytest.Item]) -> bool:
    return any(item.get_closest_marker("reloadable") for item in items)


def _described(target: Target) -> str:
    count = len(target.submodules)
    return f"{target.name} ({1 + count} modules)" if count else target.name
