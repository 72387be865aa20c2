"""`importlib.invalidate_caches`, without importing what it would import for nothing."""

from __future__ import annotations

import importlib
import os
import sys
from importlib.machinery import PathFinder

_invalidate_caches = importlib.invalidate_caches
_of_metadata = "importlib.metadata"


def invalidate_caches() -> None:
    """Let every finder look at its directories again.

    `PathFinder.invalidate_caches` imports `importlib.metadata` in order to empty a cache of that module's. Where nobody
    has imported it there is no such cache, and the import costs more than all rounds of a small target.
    """
    if _of_metadata in sys.modules or PathFinder not in sys.meta_path:
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
