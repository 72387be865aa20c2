"""A finder that is asked before all others, for the length of a block."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def in_front(finder: Any) -> Iterator[None]:
    """Within the block, the import system asks a finder first.

    It is looked for by identity afterwards, as the others may be the program's own and have an `__eq__`, and it may be
    gone already: what is imported within the block may change the list.

    Args:
        finder: see `importlib.abc.MetaPathFinder`.
    """
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        for at, other in enumerate(sys.meta_path):
            if other is finder:
                del sys.meta_path[at]
                break
