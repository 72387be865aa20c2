"""Find what mocks keep: recorded calls, answers and specs. A mock belongs to the test, so what it keeps is noise."""

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
"""Attributes of a mock that record calls. The last one is for pytest-mock's spies."""
_ANSWERS = frozenset(
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
"""Attributes with a mock's answers and specs. The last three are for pytest-mock's spies."""


def recorded_calls(mock: Any) -> Iterator[object]:
    """The lists and tuples of the calls that a mock recorded."""
    state = vars(mock)
    yield from (state[name] for name in state if name in _CALLS and isinstance(state[name], (list, tuple)))


def places_of_answers(mock: Any) -> Iterator[Place]:
    """Attributes of a mock that hold its answers and specs."""
    yield from ((mock, f".{name}") for name in vars(mock) if name in _ANSWERS)
