"""Tell pytest-testmon, which selects tests by changed files, the files on which each target depends.

It measures only pytest's own process. So without this, an item that is checked in a worker would seem to depend on no
file, and testmon would never select it again.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

import pytest

from pytest_reloadleak.integration import isolated, places
from pytest_reloadleak.integration.items import TargetItem
from pytest_reloadleak.integration.selection import parse

_FOUND = "nodes_files_lines"
"""Attribute of a report: the lines of each file, by test, of all tests since the last report with this attribute."""


def affected(config: pytest.Config) -> list[tuple[str, str]]:
    """Target and strategy of the items that testmon runs again: it skips the test files that import their targets."""
    data = getattr(config, "testmon_data", None)
    names = {
        *(getattr(data, "unstable_test_names", None) or ()),
        *(getattr(data, "failing_tests", None) or ()),
    }
    return [found for name in sorted(names) if (found := parse(name)) is not None]


class ChangedFiles:
    """The hooks that add the files of targets to what testmon has measured.

    Args:
        config: pytest's configuration.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._root = str(config.rootpath)
        self._files: dict[str, set[str]] = {}
        """Files by node id."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Add the lines of all files of the items in a report."""
        report = yield
        if call.when == "teardown" and isinstance(item, TargetItem) and isolated.wants_files(item.config):
            own = filter(None, map(places.file_of, [item.target, *item.submodules]))
            self._files[item.nodeid] = {*isolated.files(item), *own}
        found: dict[str, dict[str, Any]] = getattr(report, _FOUND, None) or {}
        for nodeid in self._files.keys() & found.keys():
            found[nodeid].update(self._lines(self._files.pop(nodeid)))
        return report

    def _lines(self, files: Iterable[str]) -> dict[str, set[int]]:
        """All lines of some files, by path from the rootdir."""
        out = {}
        for file in files:
            path = Path(file)
            if path.suffix == ".py" and path.is_file():
                name = os.path.relpath(file, self._root).replace(os.sep, "/")
                out[name] = set(range(1, path.read_bytes().count(b"\n") + 2))
        return out
