"""Find the lines of the target whose allocations outlive each round, whatever holds them.

A chain has no container that gets longer, and the collector does not track text in it. But the memory of each link was
allocated while a line of the target ran, and each further round leaves more links.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from itertools import pairwise
from typing import NamedTuple

from pytest_reloadleak.effects.system.allocations import MACHINERY, traces
from pytest_reloadleak.holders.container_growth import Frames

ROUNDS = 4
"""Settled rounds to trace. The first two fill containers that always hold just the previous generation."""
_COMPARED = 3
_LEAST_BYTES = 256
"""Bytes per round by which the same number of allocations must grow: the text of a counter grows too, now and then.
"""


class Survivors(NamedTuple):
    """The allocations that one line of the target leaves in each round."""

    frames: Frames
    blocks: float
    bytes: float


class Surviving:
    """Counts, after each traced round, the live allocations of each line of the target.

    Args:
        files: the target's source files.
    """

    def __init__(self, files: Collection[str]) -> None:
        self._files = frozenset(files)
        self._taken: list[dict[tuple[str, int], tuple[int, int]]] = []
        self._frames: dict[tuple[str, int], Frames] = {}

    def note(self) -> None:
        """Count after a settled round."""
        blocks: Counter[tuple[str, int]] = Counter()
        sizes: Counter[tuple[str, int]] = Counter()
        for size, frames in traces():
            at = next((frame for frame in frames if frame[0] in self._files), None)
            if at is not None:
                blocks[at] += 1
                sizes[at] += size
                self._frames.setdefault(at, frames)
        self._taken.append({at: (count, sizes[at]) for at, count in blocks.items()})

    def found(self) -> list[Survivors]:
        """The lines with more blocks, or more bytes, after each of the last rounds; those with the most bytes first."""
        last = self._taken[-_COMPARED:]
        if len(last) < _COMPARED:
            return []
        out = []
        for at, (blocks, size) in last[-1].items():
            series = [taken.get(at, (0, 0)) for taken in last]
            before, rounds = series[0], len(last) - 1
            grows = _is_rising([n for _, n in series]) and size - before[1] >= _LEAST_BYTES * rounds
            if grows or _is_rising([n for n, _ in series]):
                frames = tuple(f for f in self._frames[at] if not f[0].startswith(MACHINERY))
                out.append(Survivors(frames, (blocks - before[0]) / rounds, (size - before[1]) / rounds))
        return sorted(out, key=lambda s: (-s.bytes, s.frames))


def _is_rising(numbers: list[int]) -> bool:
    return all(a < b for a, b in pairwise(numbers))
