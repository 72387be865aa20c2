"""Undo at the end of each round what a test's body patched, as pytest does at the end of a test.

Otherwise each round would patch the previous round's replacement, and the end of the test would put back what the first
round found: a module of that round instead of the original.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any


@contextmanager
def undoing_patches(fixtures: Iterable[object]) -> Iterator[None]:
    """Undo what `monkeypatch` and `mocker` do inside the block, but not what fixtures did with them earlier."""
    with ExitStack() as stack:
        for value in fixtures:
            if _is(value, "_pytest.monkeypatch", "MonkeyPatch"):
                stack.enter_context(_monkeypatched(value))
            elif _is(value, "pytest_mock.plugin", "MockerFixture"):
                stack.enter_context(_mocked(value))
        yield


def _is(value: object, module: str, name: str) -> bool:
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and issubclass(type(value), kind)


@contextmanager
def _monkeypatched(patch: Any) -> Iterator[None]:
    attributes = ("_setattr", "_setitem", "_cwd", "_savesyspath")
    before = {name: vars(patch)[name] for name in attributes if name in vars(patch)}
    if len(before) < len(attributes):  # another version, whose patches last until the test ends
        yield
        return
    patch._setattr, patch._setitem, patch._cwd, patch._savesyspath = [], [], None, None
    try:
        yield
    finally:
        try:
            patch.undo()
        finally:
            vars(patch).update(before)


@contextmanager
def _mocked(mocker: Any) -> Iterator[None]:
    cache = getattr(getattr(mocker, "_mock_cache", None), "cache", None)
    if not isinstance(cache, list):
        yield
        return
    before = list(cache)
    cache.clear()
    try:
        yield
    finally:
        try:
            mocker.stopall()
        finally:
            cache[:] = before
