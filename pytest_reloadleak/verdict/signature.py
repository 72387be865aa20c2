"""Compute the stable id of a finding."""

from __future__ import annotations

import binascii
from collections.abc import Iterable

_crc32 = binascii.crc32
"""An id among the findings of a project, not a defence: 32 bits of a cryptographic digest distinguish no more, and its
library alone would cost a worker half as much time as the check."""


def signature(kind: str, target: str, trace: Iterable[str]) -> str:
    """Eight hex digits that stay the same when lines move or other names change.

    Args:
        kind: the finding's kind.
        target: the target's name.
        trace: the leak trace with indexes, addresses and line numbers removed, and the holder's type.
    """
    text = "\0".join((kind, target, *trace))
    return f"{_crc32(text.encode('utf-8', 'surrogatepass')):08x}"
