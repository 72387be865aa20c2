"""Choose the tracer that suits this interpreter, and import it only when a round is traced."""

from __future__ import annotations

import sys
from typing import Protocol

from pytest_reloadleak.watchpoints.observer import Follower


class Tracer(Protocol):
    """Tells a follower of the lines that the process executes."""

    def start(self) -> str | None:
        """Begin to trace; returns why that is not possible."""

    def stop(self) -> str | None:
        """Stop; returns why the lines were not traced to the end, if they were not."""


def tracer(follower: Follower) -> Tracer:
    """The tracer that suits this interpreter."""
    if sys.version_info >= (3, 12):
        from pytest_reloadleak.watchpoints.monitoring import Monitoring

        return Monitoring(follower)
    from pytest_reloadleak.watchpoints.tracing import Tracing

    return Tracing(follower)
