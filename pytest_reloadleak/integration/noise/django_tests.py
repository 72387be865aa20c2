"""pytest-django: settings of a test, and what Django's test client leaves at each request."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterator
from typing import Any

from pytest_reloadleak.integration.noise.patches import Place


def saved_settings(wrapper: Any) -> Iterator[object]:
    """What the fixture `settings` will put back, one override for each assignment."""
    yield wrapper._to_restore


def places_of_settings(wrapper: Any) -> Iterator[Place]:
    """Where it put something: each override has an object of settings before that of the one before it."""
    names = {f".{name}" for override in wrapper._to_restore for name in override.options}
    held = vars(sys.modules["django.conf"].settings)["_wrapped"]
    while type(held).__name__ == "UserSettingsHolder":
        yield from ((held, name) for name in names)
        held = held.default_settings


def finalizers_of_client(client: Any) -> Iterator[object]:
    """At each request a client connects the same receivers to the same signals, with a finalizer on each every time.

    One is a method of its own; the other is a function of `django.db`, which it disconnects while it handles a request.
    """
    closes = vars(sys.modules["django.db"])["close_old_connections"]
    for finalizer, info in list(vars(weakref.finalize)["_registry"].items()):
        if info.weakref() is client or info.weakref() is closes:
            yield finalizer
            yield info.func
