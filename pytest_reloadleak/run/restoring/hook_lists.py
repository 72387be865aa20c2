"""Keep the lists of the import system and the collector's callbacks. What other libraries add stays in them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from pytest_reloadleak.heap import collector, foreign
from pytest_reloadleak.heap.own_objects import is_of_tool
from pytest_reloadleak.run.restoring.setting import belongs, is_same

_LISTS = ("sys.path", "sys.meta_path", "sys.path_hooks", "gc.callbacks")


class HookLists:
    """`sys.path`, `sys.meta_path`, `sys.path_hooks` and `gc.callbacks` at the start of a check.

    A library that the target is the first to load stays loaded after the check. So its finders and its folder stay too.

    Args:
        is_targets: whether a module is the target's.
    """

    def __init__(self, is_targets: Callable[[str], bool]) -> None:
        self._is_targets = is_targets
        self._modules = frozenset(name for name, _ in foreign.loaded_modules())
        lists = {name: now for name in _LISTS if type(now := _now(name)) is list}
        self._kept = {
            name: (found, _theirs(found))
            for name, found in lists.items()
            if not belongs(tuple(found), is_targets)
        }

    def changed(self) -> Iterator[str]:
        """The lists to put back, as text for a note."""
        for name, (found, _) in self._kept.items():
            if _now(name) is not found or not is_same(_theirs(found), self._wanted(name)):
                yield name

    def put_back(self) -> None:
        """Put the lists back, and empty the import system's cache of finders if they changed."""
        for name, (found, _) in self._kept.items():
            wanted = self._wanted(name)
            if _now(name) is not found:
                setattr(sys, name.partition(".")[2], found)
            if not is_same(_theirs(found), wanted):
                found[:] = [*filter(_is_own, found), *wanted]
                if name == "sys.path_hooks":
                    sys.path_importer_cache.clear()
        self._kept.clear()

    def _wanted(self, name: str) -> tuple[Any, ...]:
        before, now = self._kept[name][1], _now(name)
        if type(now) is not list or is_same(before, _theirs(now)):
            return before
        if name == "sys.path":
            return (*before, *(one for one in now if one not in before and self._is_needed(one)))
        known = set(map(id, before))
        theirs = _theirs(now)
        return (*before, *(one for one in theirs if id(one) not in known and self._is_of_others(one)))

    def _is_of_others(self, finder: object) -> bool:
        return not belongs(finder, self._is_targets)

    def _is_needed(self, folder: object) -> bool:
        """Whether a module that stays loaded came from a folder."""
        prefix = os.path.join(folder, "") if type(folder) is str and folder else None
        return prefix is not None and any(
            name not in self._modules and not self._is_targets(name) and _file(module).startswith(prefix)
            for name, module in foreign.loaded_modules()
        )


def _theirs(hooks: list[Any]) -> tuple[Any, ...]:
    """The hooks without the tool's own finders, which come, go and move as it needs them."""
    return tuple(one for one in hooks if not _is_own(one))


def _is_own(hook: object) -> bool:
    return is_of_tool(foreign.class_module(type(hook)))


def _now(name: str) -> Any:
    module, _, attribute = name.partition(".")
    return collector.callbacks if module == "gc" else vars(sys).get(attribute)


def _file(module: object) -> str:
    return foreign.text((foreign.module_dict(module) or {}).get("__file__"))
