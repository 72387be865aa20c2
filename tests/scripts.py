"""Import the scripts of `proofs/`, for tests that call them in this process."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).parent.parent
PROOFS = ROOT / "proofs"
SWEEPS = PROOFS / "sweeps"
_FOLDERS = [str(PROOFS / name) for name in ("sweeps", "mutants", "soak")]


@contextmanager
def scripts_of(*names: str) -> Iterator[SimpleNamespace]:
    """Those modules as attributes; afterwards none of them is left."""
    sys.path[:0] = _FOLDERS
    try:
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in names})
    finally:
        for folder in _FOLDERS:
            sys.path.remove(folder)
        for name in names:
            sys.modules.pop(name, None)
