"""Define the unit: the modules that are reloaded together, named as the user named the target."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from pytest_reloadleak.heap import foreign

_WILD = frozenset("*?[")
_BREAK = "\n"
"""Separates names. No importable file or package has it in its name, though a program may invent such a name."""


def is_glob(name: str) -> bool:
    """Whether a target's name is a pattern."""
    return not _WILD.isdisjoint(name)


@dataclass(frozen=True, slots=True)
class Unit:
    """The target's modules: each name with all its submodules, or everything that matches a pattern."""

    names: tuple[str, ...]
    """The target as the user named it."""
    dependents: frozenset[str] = frozenset()
    """Modules that are reloaded with it, each without its submodules."""
    submodules: tuple[str, ...] = ()
    """Modules below the target that are loaded with it, whether it imports them or not."""
    invented: tuple[str, ...] = ()
    """Patterns of the names that a strategy invents for it."""

    @property
    def target(self) -> str:
        """The target as messages and reports spell it."""
        return ", ".join(self.names)

    def owns(self, module: str) -> bool:
        """Whether a module of this name belongs to the unit."""
        if type(module) is not str:
            return False
        if _owns(self.names, module) or module in self.dependents:
            return True
        return bool(self.invented) and _owns(self.invented, module)

    def invents(self, module: str) -> bool:
        """Whether a pattern of the unit matches a module's name, which the application invents."""
        return any(is_glob(name) and fnmatchcase(module, name) for name in (*self.names, *self.invented))

    def rename(self, text: str) -> str:
        """Text in which the pattern replaces each name that the application invents per round."""
        for name in (*self.names, *self.invented):
            if is_glob(name):
                for word in _dotted(text, name.count(".") + 1):
                    if fnmatchcase(word, name):
                        text = text.replace(word, name)
        return text

    def _candidates(self) -> list[str]:
        """The loaded modules, without other packages where that is cheap to find: called many times per round."""
        tops = tuple(name.partition(".")[0] for name in self.names)
        if self.dependents or self.invented or any(map(is_glob, tops)):
            return module_names()
        return module_names(tops)

    def loaded(self) -> list[str]:
        """Names of the unit's loaded modules, parents before children, otherwise in import order."""
        mine = [name for name in self._candidates() if self.owns(name)]
        return sorted(mine, key=lambda name: name.count("."))


@functools.lru_cache(maxsize=16384)
def _owns(names: tuple[str, ...], module: str) -> bool:
    """Whether a module has one of the names; cached, as each round asks for every module and class of the process."""
    return any(
        fnmatchcase(module, name) if is_glob(name) else module == name or module.startswith(f"{name}.")
        for name in names
    )


def reloadable(names: list[str]) -> list[str]:
    """The modules whose code Python can execute again: extension modules stay where they are."""
    return [name for name in names if not foreign.is_extension(spec_of(sys.modules.get(name)))]


def spec_of(module: object) -> object:
    """The `__spec__` of a `sys.modules` entry, if it is a module."""
    return (foreign.module_dict(module) or {}).get("__spec__")


def module_names(beginnings: tuple[str, ...] = ("",)) -> list[str]:
    """Names of the loaded modules, without those that a program has set to `None` in `sys.modules`.

    Args:
        beginnings: only names that begin with one of these.
    """
    table = foreign.module_table()
    names = _beginning(table, beginnings)
    if names is None:
        names = [name for name in list(table) if type(name) is str and name.startswith(beginnings)]
    return [name for name in names if table.get(name) is not None]


def _beginning(table: dict[Any, Any], beginnings: tuple[str, ...]) -> list[str] | None:
    """The names with such beginnings; `None` if each must be tested. A search in one text is several times faster."""
    names = list(table)
    try:
        text = f"{_BREAK}{_BREAK.join(names)}{_BREAK}"
    except TypeError:  # a program may use any key
        return None
    if "" in beginnings or text.count(_BREAK) != len(names) + 1:
        return None
    found = set().union(*(_places(text, _BREAK + start) for start in beginnings))
    return [text[at : text.index(_BREAK, at)] for at in sorted(found)]


def _places(text: str, start: str) -> Iterator[int]:
    """Where the lines begin that begin so."""
    at = text.find(start)
    while at >= 0:
        yield at + len(_BREAK)
        at = text.find(start, at + 1)


def _dotted(text: str, parts: int) -> list[str]:
    """The leading parts of the dotted names in a text, the longest first."""
    words = re.findall(r"\w+(?:\.\w+)*", text)
    return sorted({".".join(word.split(".")[:parts]) for word in words}, key=len, reverse=True)
