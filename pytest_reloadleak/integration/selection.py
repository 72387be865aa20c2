"""Take the node ids of target items from the command line, which pytest would look for in the file system."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass

import pytest

from pytest_reloadleak.errors import UsageError
from pytest_reloadleak.integration import places
from pytest_reloadleak.settings import STRATEGIES, unknown_strategy

ROOT = "reload-leak"
"""The node id of the items' parent. Those of the items are `reload-leak::<target>[<strategy>]`."""

_NAME = re.compile(r"(?P<target>[^\[\]:]+)(?:\[(?P<strategy>[^\[\]]*)\])?$")
_ALONE, _CHOSEN = "reload_leak_alone", "reload_leak_chosen"


@dataclass(frozen=True, slots=True)
class Selection:
    """Items that the command line names."""

    chosen: tuple[tuple[str, str | None], ...] = ()
    """Target and strategy of each; `None` stands for the strategies of the options."""
    is_alone: bool = False
    """Whether the command line names nothing else, so that no test is collected."""
    has_no_items: bool = False
    """Whether single tests are named and only settings ask for targets, as when an editor runs a test."""

    def __bool__(self) -> bool:
        return bool(self.chosen)


def take(config: pytest.Config) -> Selection:
    """Remove the node ids of target items from the arguments of pytest, and return what they select.

    Raises:
        UsageError: a node id names a strategy that does not exist.
    """
    # The processes of xdist get the options, but their list of arguments is never empty.
    chosen = list(getattr(config.option, _CHOSEN, ()))
    rest = []
    for argument in config.args:
        found = _read(argument)
        if found is None:
            rest.append(argument)
        else:
            chosen.append(found)
    is_given = config.getoption("reload_leak_check") or config.getoption("reload_leak_target")
    # Options from an editor are settings of the project, as those of the ini file are.
    is_given = bool(is_given) and not _is_editor(config)
    are_tests = bool(rest) and all("::" in argument for argument in rest)
    is_alone = bool(chosen) and (getattr(config.option, _ALONE, False) or not rest)
    if chosen:
        config.args[:] = [] if is_alone else rest
        setattr(config.option, _CHOSEN, [tuple(one) for one in chosen])
        setattr(config.option, _ALONE, is_alone)
    pairs = tuple(dict.fromkeys((target, strategy) for target, strategy in chosen))
    return Selection(pairs, is_alone, has_no_items=are_tests and not (chosen or is_given))


def _is_editor(config: pytest.Config) -> bool:
    """Whether VS Code or PyCharm started this run."""
    return config.pluginmanager.has_plugin("vscode_pytest") or "_jb_runner_tools" in sys.modules


def parse(nodeid: str) -> tuple[str, str] | None:
    """Target and strategy of an item's node id; `None` for another test's."""
    folder, _, name = nodeid.partition("::")
    found = _NAME.match(name) if folder == ROOT else None
    if found is None or found["strategy"] not in STRATEGIES:
        return None
    return found["target"], found["strategy"]


def _read(argument: str) -> tuple[str, str | None] | None:
    """Target and strategy of an argument; `None` if it names something else."""
    folder, separator, name = argument.partition("::")
    found = _NAME.match(name) if separator else None
    if found is None:
        return None
    target, strategy = found["target"], found["strategy"]
    if os.path.basename(folder) == ROOT:
        if strategy is not None and strategy not in STRATEGIES:
            raise UsageError(f"{argument!r}: {unknown_strategy(strategy, is_option=True)}")
        return target, strategy
    # Editors prefix the item's name with its file.
    if strategy in STRATEGIES and _is_place(folder, target):
        return target, strategy
    return None


def _is_place(path: str, target: str) -> bool:
    """Whether a path is the file of a target, or the directory of the session."""
    if os.path.isdir(path):
        return True
    file = places.file_of(target)
    return file is not None and os.path.realpath(path) == os.path.realpath(file)
