"""Check extensions of stevedore: a manager loads them by their entry points, as the program that uses them does."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from importlib.metadata import distributions
from typing import Any

from pytest_reloadleak.errors import UsageError
from pytest_reloadleak.presets.preset import Hosted, Preset
from pytest_reloadleak.presets.source import Source

_COMMANDS = frozenset({"console_scripts", "gui_scripts"})


class Extension(Hosted):
    """An extension, and the managers of the groups in which it is registered."""

    def __init__(self, groups: list[str], options: Mapping[str, object]) -> None:
        super().__init__()
        self._groups, self._arguments = groups, options.get("invoke_args", ())

    def load(self, module: Any) -> None:
        """Make a manager of each group: it loads the extensions and calls what their entry points name."""
        manager: Any = importlib.import_module("stevedore").ExtensionManager
        for group in self._groups:
            self.host[f"manager of {group}"] = manager(
                group,
                invoke_on_load=True,
                invoke_args=self._arguments,
                on_load_failure_callback=self._refused(module.__name__),
            )

    @staticmethod
    def _refused(target: str) -> Any:
        def refused(manager: Any, entry: Any, error: BaseException) -> None:
            del manager
            if entry.module.partition(":")[0] == target:
                raise error

        return refused

    def unload(self, module: Any) -> None:
        """Drop the managers: stevedore calls nothing."""
        del module
        self.host.clear()


class Stevedore(Preset):
    """The preset `stevedore`; no source looks like it: few extensions import stevedore, and hosts do."""

    name = "stevedore"
    modules = ("stevedore",)
    takes = ("invoke_args",)
    is_given = False
    hook = "__reload_dispose__(data): stevedore calls no hook when its manager is dropped"

    def open(self, target: str, source: Source, options: Mapping[str, object]) -> Extension:
        """Find the groups of the target's entry points.

        Raises:
            UsageError: no installed distribution registers the target.
        """
        del source
        entries = [entry for distribution in distributions() for entry in distribution.entry_points]
        groups = {entry.group for entry in entries if entry.value.partition(":")[0].strip() == target}
        if not groups - _COMMANDS:
            raise UsageError(
                f"preset 'stevedore': no entry point of an installed distribution names {target}; install its "
                "distribution, editable or not"
            )
        return Extension(sorted(groups - _COMMANDS), options)
