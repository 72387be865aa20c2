"""Find what pytest-django's settings keep, and what Django's test client leaves behind after each request."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterator
from typing import Any

from pytest_reloadleak.integration.noise.patches import Place


def saved_settings(wrapper: Any) -> Iterator[object]:
    """The overrides that the fixture `settings` will undo, one for each assignment."""
    yield wrapper._to_restore


def places_of_settings(wrapper: Any) -> Iterator[Place]:
    """The replaced settings. Each override puts an object in front of the settings object before it."""
    names = {f".{name}" for override in wrapper._to_restore for name in override.options}
    held = vars(sys.modules["django.conf"].settings)["_wrapped"]
    while type(held).__name__ == "UserSettingsHolder":
        yield from ((held, name) for name in names)
        held = held.default_settings


def finalizers_of_client(client: Any) -> Iterator[object]:
    """Finalizers that a client adds at each request, when it connects the same receivers to the same signals.

    One receiver is a method of the client. The other is a function of `django.db`, disconnected during each request.
    """
    closes = vars(sys.modules["django.db"])["close_old_connections"]
    for finalizer, info in list(vars(weakref.finalize)["_registry"].items()):
        if info.weakref() is client or info.weakref() is closes:
            yield finalizer
            yield info.func
