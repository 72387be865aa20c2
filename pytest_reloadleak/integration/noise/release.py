"""What can be let go of while the test goes on, each time that the check settles."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import pytest

from pytest_reloadleak.integration.noise import caches, logs, warned


def release(item: pytest.Item, test_modules: Iterable[dict[str, Any]]) -> None:
    """Turn what pytest's recorders keep into text, empty bounded caches, drop the interpreter's last exception.

    Args:
        item: the test that is run.
        test_modules: globals of the test modules.
    """
    caches.clear()
    logs.release(item)
    warned.release(test_modules)
    _forget_last_exception()


def _forget_last_exception() -> None:
    """The runner sets it for debuggers when a test fails; it keeps every frame of its traceback."""
    for name in ("last_exc", "last_type", "last_value", "last_traceback"):
        if hasattr(sys, name):
            delattr(sys, name)
