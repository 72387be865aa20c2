"""Release what pytest need not keep during the test. A check does this each time that it settles."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import pytest

from pytest_reloadleak.integration.noise import caches, logs, warned


def release(item: pytest.Item, test_modules: Iterable[dict[str, Any]]) -> None:
    """Turn the entries of pytest's recorders into text, empty caches, drop the interpreter's last exception.

    Args:
        item: the test.
        test_modules: the namespaces of test modules, whose recorded warnings become text.
    """
    caches.clear()
    logs.release(item)
    warned.release(test_modules)
    _forget_last_exception()


def _forget_last_exception() -> None:
    """Drop the exception that pytest stores for debuggers when a test fails. It keeps every frame of its traceback."""
    for name in ("last_exc", "last_type", "last_value", "last_traceback"):
        if hasattr(sys, name):
            delattr(sys, name)
