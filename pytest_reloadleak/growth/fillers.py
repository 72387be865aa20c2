"""Find out whose code makes containers and memory grow: the target's, or other code while none of the target's runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from pytest_reloadleak.effects.system.process_numbers import mapped_bytes, native_bytes
from pytest_reloadleak.holders.container_growth import Frames
from pytest_reloadleak.holders.retention import Stack

_MOST = 200
"""The largest number of watched containers: the length of each is read after each line."""

_PIECE_BYTES = 8 * 1024
"""From this much memory at once on, a line may be the one to report."""

Watched = tuple[Any, Callable[[Any], int]]
"""A container and the function that reads its length."""


class Share(NamedTuple):
    """What some rounds added to one number."""

    by_target: int
    """The part added while code of the target was on the stack."""
    by_others: int
    frames: Frames
    """The stack of the first line of the target that added to it."""


class MemoryShare(NamedTuple):
    """Memory that the watched rounds took while code of the target was on the stack."""

    is_known: bool = False
    native_bytes: int = 0
    mapped_bytes: int = 0
    frames: Frames = ()
    """The stack of the line that took most; empty if no line took `_PIECE_BYTES` at once."""


class Fillers:
    """Observes the lengths of some containers. It keeps them alive until `close`.

    Args:
        watched: the containers, those that grew most first.
        has_memory: whether to read the memory after each line, and not only where the target's code begins and ends.
    """

    def __init__(self, watched: Sequence[Watched], *, has_memory: bool = False) -> None:
        self._has_memory = has_memory
        self._memory_last = _memory()
        self._memory_inside = [0, 0]
        self._most_bytes, self._most_frames = _PIECE_BYTES, Frames()
        self._watched = list(watched[:_MOST])
        self._last = self._lengths()
        self._inside: list[int] = [0] * len(self._last)
        self._outside: list[int] = [0] * len(self._last)
        self._frames: dict[int, Frames] = {}

    def _lengths(self) -> list[int]:
        return [length(o) for o, length in self._watched]

    def look(self, *, is_inside: bool, is_edge: bool, stack: Callable[[], Stack]) -> None:
        """Attribute the changes to the target or to other code."""
        if is_edge or self._has_memory:
            self._look_at_memory(is_inside=is_inside, stack=stack)
        now = self._lengths()
        if now == self._last:
            return
        shares = self._inside if is_inside else self._outside
        for at, (before, after) in enumerate(zip(self._last, now, strict=True)):
            shares[at] += after - before
            if is_inside and after > before and at not in self._frames:
                self._frames[at] = _frames(stack())
        self._last = now

    def _look_at_memory(self, *, is_inside: bool, stack: Callable[[], Stack]) -> None:
        memory = _memory()
        more = [after - before for before, after in zip(self._memory_last, memory, strict=True)]
        self._memory_last = memory
        if not is_inside:
            return
        self._memory_inside = [total + n for total, n in zip(self._memory_inside, more, strict=True)]
        if max(more) > self._most_bytes:
            self._most_bytes, self._most_frames = max(more), _frames(stack())

    def memory(self) -> MemoryShare:
        """What the target's code took so far."""
        native, mapped = self._memory_inside
        return MemoryShare(True, native, mapped, self._most_frames)

    def close(self) -> dict[int, Share]:
        """Release the containers. Returns the shares by the containers' ids."""
        self.look(is_inside=False, is_edge=True, stack=tuple)
        found = {
            id(o): Share(self._inside[at], self._outside[at], self._frames.get(at, ()))
            for at, (o, _) in enumerate(self._watched)
        }
        self._watched.clear()
        self._last = []
        return found


def _frames(stack: Stack) -> Frames:
    return tuple((place.file, place.line) for place in stack)


def _memory() -> tuple[int, int]:
    return native_bytes() or 0, mapped_bytes() or 0
