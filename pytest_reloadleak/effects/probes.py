"""The built-in probes by name."""

from __future__ import annotations

from pytest_reloadleak.effects.base import Probe
from pytest_reloadleak.effects.threads import Threads

_BUILTIN: tuple[type[Probe], ...] = (Threads,)


def builtin() -> list[Probe]:
    """All of them, new."""
    return [probe() for probe in _BUILTIN]
