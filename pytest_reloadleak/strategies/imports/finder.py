"""Put a finder before all others for the length of a block."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def in_front(finder: Any) -> Iterator[None]:
    """Within the block, the import system asks a finder first.

    Args:
        finder: see `importlib.abc.MetaPathFinder`.
    """
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        # By identity, as the program's own finders may define `__eq__`; code imported here may have removed it already.
        for at, other in enumerate(sys.meta_path):
            if other is finder:
                del sys.meta_path[at]
                break
