"""Find the values that pytest caches for fixtures, and the finalizers that it will call when a scope ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


def values(item: pytest.Item) -> dict[str, Any]:
    """The values of all fixtures that are set up, this test's first. In a test they are the program's hosts."""
    found: dict[str, Any] = dict(getattr(item, "funcargs", {}))
    manager = getattr(item.session, "_fixturemanager", None)
    for name, definitions in getattr(manager, "_arg2fixturedefs", {}).items():
        for definition in definitions:
            cached = getattr(definition, "cached_result", None)
            if cached is not None and cached[2] is None:
                found.setdefault(name, cached[0])
    return found


def finalizers(definition: Any) -> Iterator[object]:
    """The list of functions that pytest will call when the scope of a fixture (a `FixtureDef`) ends."""
    yield definition._finalizers


def finalizers_of_nodes(state: Any) -> Iterator[object]:
    """The lists in a `SetupState` of functions that pytest will call when the test, class, module or session ends."""
    yield from (entry[0] for entry in state.stack.values())
