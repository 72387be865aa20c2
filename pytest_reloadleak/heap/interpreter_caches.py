"""List the interpreter's bounded caches: which versions have them, and how to empty them.

Only *bounded* caches belong here. Unbounded ones, such as `ctypes.POINTER`'s for own structures, are reported as leaks.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple


class KnownCache(NamedTuple):
    """A cache of the interpreter that keeps old generations alive, up to a bound."""

    name: str
    module: str
    """The cache exists only while this module is loaded."""
    why: str
    since: tuple[int, int]
    until: tuple[int, int]
    """First and last CPython version that has it."""
    link: str
    clear: Callable[[], None]

    def applies(self) -> bool:
        """Whether this interpreter has the cache and it can hold anything."""
        return self.since <= sys.version_info[:2] <= self.until and self.module in sys.modules


def _clear_typing() -> None:
    """Call `typing._cleanups`, which CPython's own leak hunter uses for the same purpose."""
    for clear in list(vars(sys.modules["typing"]).get("_cleanups", ())):
        clear()


_NEWEST = (3, 15)

KNOWN_CACHES = (
    KnownCache(
        name="typing",
        module="typing",
        why="`typing` caches the last 128 subscriptions of each generic, including old classes in them",
        since=(3, 10),
        until=_NEWEST,
        link="https://docs.python.org/3/library/typing.html",
        clear=_clear_typing,
    ),
)


def clear_known_caches() -> None:
    """Empty every bounded cache of this interpreter; each refills when used."""
    for cache in KNOWN_CACHES:
        if cache.applies():
            cache.clear()
