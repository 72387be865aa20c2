"""Do what `importlib.invalidate_caches` does, without a needless import that it makes."""

from __future__ import annotations

import importlib
import os
import sys
from importlib.machinery import PathFinder
from typing import Any

_invalidate_caches = importlib.invalidate_caches
_NAMESPACE_PATH: Any = vars(sys.modules["_frozen_importlib_external"]).get("_NamespacePath", object)
"""The class of a namespace package's `__path__`, which counts how often the caches were emptied."""
_IMPORTS = sys.version_info >= (3, 12) and "_epoch" in vars(_NAMESPACE_PATH)
"""Whether this interpreter's `PathFinder.invalidate_caches` imports, and otherwise does what is done here."""


def invalidate_caches() -> None:
    """Make every finder look at its directories again."""
    # Since 3.12 `PathFinder.invalidate_caches` imports `importlib.metadata` to empty a cache of that module. If that is
    # not loaded there is no such cache, and importing it takes about 14 ms of a check of 150.
    if not _IMPORTS or "importlib.metadata" in sys.modules:
        _invalidate_caches()
        return
    for finder in list(sys.meta_path):
        if finder is PathFinder:
            _invalidate_path_finder()
        elif hasattr(finder, "invalidate_caches"):
            finder.invalidate_caches()


def _invalidate_path_finder() -> None:
    for name, finder in list(sys.path_importer_cache.items()):
        if finder is None or not os.path.isabs(name):
            sys.path_importer_cache.pop(name, None)
        elif hasattr(finder, "invalidate_caches"):
            finder.invalidate_caches()
    _NAMESPACE_PATH._epoch += 1
