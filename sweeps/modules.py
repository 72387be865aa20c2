"""Which modules a sweep checks."""

from __future__ import annotations

import importlib.util
import pkgutil
import sys
import sysconfig
from collections.abc import Iterator

from pytest_reloadleak.strategies import targets

SKIPPED = {
    "antigravity": "opens a browser",
    "idlelib.idle": "starts the program",
    "test": "tests",
}
"""Modules that are not for importing, with the reason."""


def standard_library() -> Iterator[str]:
    """Every module of the standard library that is Python and may be reloaded, in sorted order."""
    stdlib = sysconfig.get_path("stdlib")
    for name in sorted(_below([stdlib], "")):
        top = name.partition(".")[0]
        parts = name.split(".")
        if name in SKIPPED or top not in sys.stdlib_module_names or "__main__" in parts:
            continue
        if not {"tests", "test", "idle_test"}.isdisjoint(parts) or top == "site-packages":
            continue
        if targets.refusal(name) is None:
            yield name


def _below(path: list[str], prefix: str) -> Iterator[str]:
    """Names of all modules below some directories, without importing any."""
    for info in pkgutil.iter_modules(path):
        name = f"{prefix}{info.name}"
        yield name
        if info.ispkg and info.name not in SKIPPED:
            yield from _below([f"{directory}/{info.name}" for directory in path], f"{name}.")


def of_package(name: str) -> Iterator[str]:
    """A package and every module below it, in sorted order, tests aside."""
    spec = importlib.util.find_spec(name)
    if spec is None:
        return
    names = [name, *_below(list(spec.submodule_search_locations or ()), f"{name}.")]
    for found in sorted(names):
        parts = found.split(".")
        if {"tests", "test", "__main__", "conftest", "testing"}.isdisjoint(parts) and "_tests" not in parts:
            yield found
