"""Empty caches of test libraries, which fill with the target's classes or grow each round, and refill when used."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from operator import attrgetter


@dataclass(frozen=True, slots=True)
class Cache:
    """A cache of a test library."""

    module: str
    """The module with the cache. If it is not loaded, there is no cache."""
    clear: str
    """The attribute of the module that empties the cache."""
    why: str
    bound: str
    versions: str
    """Versions in which this was observed."""
    link: str


CACHES = (
    Cache(
        module="hypothesis.strategies._internal.utils",
        clear="clear_strategy_cache",
        why="hypothesis keeps strategies with their arguments: builds(Own), from_type(Own)",
        bound="1024 strategies, the least recently used goes first",
        versions="hypothesis 6.170",
        link="https://hypothesis.readthedocs.io/en/latest/reference/strategies.html",
    ),
    Cache(
        module="hypothesis.internal.constants_ast",
        clear="constants_from_module.cache_clear",
        why="hypothesis caches the constants of the project's modules, with the modules as keys",
        bound="4096 modules",
        versions="hypothesis 6.170",
        link="https://hypothesis.readthedocs.io/en/latest/changelog.html",
    ),
    Cache(
        module="hypothesis.internal.conjecture.data",
        clear="STRUCTURAL_COVERAGE_CACHE.clear",
        why=(
            "hypothesis keeps a tag for each strategy that it drew from, by a number made of its elements' hashes. "
            "A new class has a new hash, unless its address is used again. Tags with equal numbers are equal"
        ),
        bound="none",
        versions="hypothesis 6.170",
        link="https://hypothesis.readthedocs.io/en/latest/changelog.html",
    ),
)


def clear() -> None:
    """Empty all caches."""
    for cache in CACHES:
        module = sys.modules.get(cache.module)
        if module is None:
            continue
        try:
            empty = attrgetter(cache.clear)(module)
        except AttributeError:  # another version has another name for it, or no such cache
            continue
        empty()
