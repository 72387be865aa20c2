"""Fixtures: pytest caches their values, and keeps what is to be done when their scope ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


def values(item: pytest.Item) -> dict[str, Any]:
    """The values of all fixtures that are set up, this test's own first: they are the program's hosts in a test."""
    found: dict[str, Any] = dict(getattr(item, "funcargs", {}))
    manager = getattr(item.session, "_fixturemanager", None)
    for name, definitions in getattr(manager, "_arg2fixturedefs", {}).items():
        for definition in definitions:
            cached = getattr(definition, "cached_result", None)
            if cached is not None and cached[2] is None:
                found.setdefault(name, cached[0])
    return found


def finalizers(definition: Any) -> Iterator[object]:
    """What is to be called when a fixture's scope ends.

    Args:
        definition: an instance of `FixtureDef`.
    """
    yield definition._finalizers


def finalizers_of_nodes(state: Any) -> Iterator[object]:
    """What is to be called when the test, its class, its module or the session ends.

    Args:
        state: an instance of `SetupState`.
    """
    yield from (entry[0] for entry in state.stack.values())
