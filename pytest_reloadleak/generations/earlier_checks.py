"""Remember, while they live, the functions that earlier checks left in namespaces that several checks share."""

from __future__ import annotations

import types
import weakref
from collections.abc import Callable

from pytest_reloadleak.generations.birth import References, is_in

_left_over: References = {}


def leave(function: types.FunctionType) -> None:
    """Remember a function that a check leaves behind when it ends."""
    _left_over[id(function)] = weakref.ref(function, _forget(id(function)))


def is_left_over(o: object) -> bool:
    """Whether an earlier check left `o` behind, so that `o` must not count against the current check."""
    return is_in(_left_over, o)


def _forget(key: int) -> Callable[[object], None]:
    def forget(_: object) -> None:
        _left_over.pop(key, None)

    return forget
