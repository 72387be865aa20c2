"""Which modules a sweep checks."""

from __future__ import annotations

import importlib.metadata
import pkgutil
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

from pytest_reloadleak.strategies.imports import targets

SKIPPED = {
    "antigravity": "opens a browser",
    "idlelib.idle": "starts the program",
    "test": "tests",
}
"""Modules of the standard library that are not for importing, with the reason."""

MOST = 210
"""A package with more modules is not checked whole."""
SAMPLE = 8
"""So many of its modules are, spread evenly."""

_TESTS = frozenset({"tests", "test", "testing", "_tests", "_test", "idle_test", "conftest", "__main__"})
_VENDORED = frozenset({"_vendor", "vendored", "_vendored_packages", "third_party"})


def standard_library() -> list[str]:
    """Every module of the standard library that is Python and may be reloaded, in sorted order."""
    return [name for name in _of_library() if targets.refusal(name) is None]


def refused_of_library() -> list[str]:
    """Those that the tool refuses, since they own state of the whole process."""
    return [name for name in _of_library() if "whole process" in (targets.refusal(name) or "")]


def _of_library() -> Iterator[str]:
    for name in sorted(_below([sysconfig.get_path("stdlib")], "")):
        parts = name.split(".")
        if parts[0] in sys.stdlib_module_names and name not in SKIPPED and _TESTS.isdisjoint(parts):
            yield name


def _below(path: Iterable[str], prefix: str) -> Iterator[str]:
    """Names of all modules below some directories, without importing any."""
    for info in pkgutil.iter_modules(path):
        name = f"{prefix}{info.name}"
        yield name
        if info.ispkg and info.name not in SKIPPED:
            yield from _below([f"{directory}/{info.name}" for directory in path], f"{name}.")


def of_package(name: str) -> list[str]:
    """A package and every module below it that is Python, in sorted order, tests and copies of others aside."""
    path = targets.search_locations(name)
    names = {name, *_below(path or (), f"{name}.")}
    return sorted(n for n in names if _is_wanted(n) and targets.refusal(n) is None)


def _is_wanted(name: str) -> bool:
    parts = set(name.split("."))
    return _TESTS.isdisjoint(parts) and _VENDORED.isdisjoint(parts)


def of_packages(listed: Path) -> list[str]:
    """The modules of each distribution in a file of requirements, or a sample of them."""
    return [name for distribution in distributions(listed) for name in of_distribution(distribution)]


def of_distribution(name: str) -> list[str]:
    """The modules of a distribution; `SAMPLE` of them where there are more than `MOST`."""
    names = [module for top in tops(name) for module in of_package(top)]
    if len(names) <= MOST:
        return names
    return [names[at * len(names) // SAMPLE] for at in range(SAMPLE)]


def distributions(listed: Path) -> list[str]:
    """The names in a file of requirements."""
    lines = [line.partition("#")[0].strip() for line in listed.read_text(encoding="utf-8").splitlines()]
    return [re.split(r"[=<>\[; ]", line, maxsplit=1)[0] for line in lines if line]


def tops(distribution: str) -> list[str]:
    """The top-level packages and modules that a distribution installs."""
    files = importlib.metadata.files(distribution) or ()
    python = [file for file in files if file.suffix == ".py" and file.parts[0] not in {"..", "bin"}]
    found = {file.parts[0].removesuffix(".py") for file in python}
    return sorted(name for name in found if name.isidentifier() and _is_wanted(name))
