"""Each round is a run of the test's body: what that patched is put back at its end, as at the end of the test.

Otherwise each round would patch what the round before had put there, and the end of the test would put back what the
first round found: a module of that round instead of the original.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any


@contextmanager
def a_round(fixtures: Iterable[object]) -> Iterator[None]:
    """Around one call of the body: what `monkeypatch` and `mocker` do in it ends with it.

    What fixtures did with them before stays.

    Args:
        fixtures: the values of the test's fixtures.
    """
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
    if len(before) < len(attributes):  # a version that keeps its patches elsewhere: they end with the test
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
