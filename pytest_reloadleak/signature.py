"""The stable id of a finding."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def signature(kind: str, target: str, trace: Iterable[str]) -> str:
    """Eight hex digits of what does not change when lines move or other names change.

    Args:
        kind: the finding's kind.
        target: the target's name.
        trace: the leak trace with indexes, addresses and line numbers removed, and the holder's type.
    """
    text = "\0".join((kind, target, *trace))
    return hashlib.sha256(text.encode()).hexdigest()[:8]
