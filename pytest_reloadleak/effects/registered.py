"""Find objects that are registered themselves: an effect that ends with such an object is reported as registration."""

from __future__ import annotations

import types
from collections.abc import Iterable

from pytest_reloadleak.effects.groups import Group, Member
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.holders.patches import put_name
from pytest_reloadleak.holders.sweep import Cause

_SLOTS = frozenset(
    {
        "signal",
        "sys.settrace",
        "sys.setprofile",
        "threading.settrace",
        "threading.setprofile",
        "threading.excepthook",
    }
)
"""Registries with a single slot: a new entry replaces the old one."""


def slots(seen: Iterable[Member]) -> dict[str, Cause]:
    """The causes of the target's entries in such registries, by their names."""
    return {
        put_name(value): member.effect.cause
        for member in seen
        if member.effect.cause.registry in _SLOTS and member.held is not None
        for value in member.effect.values[:1]
    }


def registered(found: Iterable[Group]) -> dict[int, Cause]:
    """The causes of registrations, by the ids of the registered objects and of the objects whose methods are these."""
    things: dict[int, Cause] = {}
    for group in found:
        for value in (
            v for m in group.members for v in m.effect.values if group.cause.kind == "registration"
        ):
            things[id(value)] = group.cause
            if foreign.is_exactly(value, _METHODS):
                things[id(value.__self__)] = group.cause
    return things


_METHODS = foreign.type_ids(types.MethodType, types.BuiltinMethodType)
