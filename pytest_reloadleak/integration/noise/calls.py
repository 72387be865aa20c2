"""Mocks note every call with its arguments, and what they stand for: a test double is the test's, and no host."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pytest_reloadleak.integration.noise.patches import Place

_CALLS = frozenset(
    {
        "_mock_call_args",
        "_mock_call_args_list",
        "_mock_mock_calls",
        "_mock_await_args",
        "_mock_await_args_list",
        "method_calls",
        "spy_return_list",
    }
)
"""Attributes of a mock that note calls; the last is of pytest-mock's spies."""
_STAND = frozenset(
    {
        "_mock_return_value",
        "_mock_side_effect",
        "_mock_wraps",
        "_mock_delegate",
        "_spec_class",
        "_spec_signature",
        "spy_return",
        "spy_return_iter",
        "spy_exception",
    }
)
"""Attributes that hold what a mock answers with, or stands for; the last are of pytest-mock's spies."""


def recorded(mock: Any) -> Iterator[object]:
    """What a mock noted of its calls."""
    state = vars(mock)
    yield from (state[name] for name in state if name in _CALLS and isinstance(state[name], (list, tuple)))


def places(mock: Any) -> Iterator[Place]:
    """The attributes with which it answers."""
    yield from ((mock, f".{name}") for name in vars(mock) if name in _STAND)
