"""The modules of `sweeps/`, for tests that ask them in this process."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

SWEEPS = Path(__file__).parent.parent / "sweeps"


@contextmanager
def scripts_of(*names: str) -> Iterator[SimpleNamespace]:
    """Those modules as attributes; afterwards nothing of them is left."""
    sys.path.insert(0, str(SWEEPS))
    try:
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in names})
    finally:
        sys.path.remove(str(SWEEPS))
        for name in names:
            sys.modules.pop(name, None)
