"""Keep a stale `.pyc` from hiding an edit.

Python trusts a `.pyc` whose recorded size and *whole-second* modification time match the source, so it misses a second
edit of the same size within the same second (reload facts, E10). Such a `.pyc` is recognised because it is no younger
than its source, to the nanosecond. While there is one, the bytecode cache is neither read nor written.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from pytest_reloadleak.heap import foreign

_stat = os.stat  # a private copy, as the target may patch it


def has_doubtful_cache(modules: Iterable[str]) -> bool:
    """Whether any of the loaded `modules` has a `.pyc` that may be older than its source."""
    return any(
        _is_doubtful(foreign.module_dict(module) or {})
        for name in modules
        if (module := sys.modules.get(name)) is not None
    )


def _is_doubtful(namespace: dict[str, Any]) -> bool:
    source = namespace.get("__file__")
    if type(source) is not str or not source.endswith(".py"):
        return False
    try:
        cached = importlib.util.cache_from_source(source)
        written, edited = _stat(cached), _stat(source)
    except (OSError, NotImplementedError, ValueError):
        return False
    return edited.st_mtime_ns >= written.st_mtime_ns


@contextmanager
def fresh(modules: Iterable[str]) -> Iterator[None]:
    """Within the block, imports see the present sources of `modules`."""
    if not has_doubtful_cache(modules):
        yield
        return
    implementation = cast(Any, sys.implementation)
    tag = implementation.cache_tag
    # Without a cache tag the import system has no bytecode cache (PEP 421). The alternatives are worse: deleting the
    # file touches the user's disk, and a cache prefix compiles every dependency again.
    implementation.cache_tag = None
    try:
        yield
    finally:
        implementation.cache_tag = tag
