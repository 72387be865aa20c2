"""Choose the tracer for this interpreter, and import it only when a round is traced."""

from __future__ import annotations

import sys
from typing import Protocol

from pytest_reloadleak.watchpoints.observer import Follower


class Tracer(Protocol):
    """Notifies a follower of the lines that the process executes."""

    def start(self) -> str | None:
        """Begin to trace. Returns the reason if that is not possible, else `None`."""

    def stop(self) -> str | None:
        """Stop. Returns the reason if the lines were not traced to the end, else `None`."""


def tracer(follower: Follower) -> Tracer:
    """The tracer for this interpreter."""
    if sys.version_info >= (3, 12):
        from pytest_reloadleak.watchpoints.monitoring import Monitoring

        return Monitoring(follower)
    from pytest_reloadleak.watchpoints.tracing import Tracing

    return Tracing(follower)
