"""Keep a stale `.pyc` from hiding an edit.

Python trusts a `.pyc` whose recorded size and *whole-second* modification time match the source, so it misses a second
edit of the same size within the same second (reload facts, E10). Such a `.pyc` is recognised because it is no younger
than its source, to the nanosecond. While there is one, the bytecode cache of that source is neither read nor written.

So only the loader gets another answer, and only for these sources. Rejected: removing `sys.implementation.cache_tag`,
since a host that asks `importlib.util` for a path then gets an error (IPython's autoreload silently stops working);
deleting the file, which changes the user's disk; a cache prefix, which compiles every dependency again.
"""

from __future__ import annotations

import importlib._bootstrap_external
import importlib.util
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.machinery import SourceFileLoader
from typing import Any, cast

from pytest_reloadleak.heap import foreign
from pytest_reloadleak.heap.collector import getframe

_stat = os.stat  # a private copy, as the target may patch it
_loaders = cast(Any, importlib._bootstrap_external)
_get_code = SourceFileLoader.get_code.__code__


def doubtful_sources(modules: Iterable[str]) -> set[str]:
    """The sources of those loaded `modules` whose `.pyc` may be older than the source."""
    namespaces = (foreign.module_dict(sys.modules.get(name)) for name in modules)
    sources = (namespace.get("__file__") for namespace in namespaces if namespace is not None)
    return {source for source in sources if type(source) is str and _is_doubtful(source)}


def _is_doubtful(source: str) -> bool:
    if not source.endswith(".py"):
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
    sources = doubtful_sources(modules)
    if not sources:
        yield
        return
    original = _loaders.cache_from_source

    def cache_from_source(path: Any, *args: Any, **keywords: Any) -> Any:
        """Answer as the original does, but tell the loader of a doubtful source that it has no cache."""
        if type(path) is str and path in sources and getframe(1).f_code is _get_code:
            raise NotImplementedError("the .pyc may be older than the source")
        return original(path, *args, **keywords)

    # `importlib.util` has a name of its own for the original, so no other code sees the difference.
    _loaders.cache_from_source = cache_from_source
    try:
        yield
    finally:
        sources.clear()  # code that wrapped this function meanwhile may go on calling it
        if _loaders.cache_from_source is cache_from_source:
            _loaders.cache_from_source = original
