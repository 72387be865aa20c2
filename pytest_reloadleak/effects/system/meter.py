"""Take samples of the process, and judge whether they grow, leaving out what the tool itself costs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from pytest_reloadleak.effects.system.process_numbers import Sample, native_bytes, sample
from pytest_reloadleak.heap import settle

_BLOCKS_FLOOR = 1000
"""Small blocks of memory that each settled round must leave to count as growth. Interpreters fill their own tables for
a hundred rounds (importing `csv` again takes 25 blocks per round at first), and other code may note each execution of a
module by its name."""
_NATIVE_FLOOR_BYTES = 16 * 1024
"""The same for memory from malloc, in the mean of the first pass. Its own bookkeeping takes up to 5 KiB per round, in
rare rounds 10, so a single round counts from half of this."""
_MAPPED_FLOOR_BYTES = 512 * 1024
"""The same for the size of the process. Python takes memory for small objects from the system by the MiB, so that a
clean check adds up to 1.4 MiB in five rounds (measured, 3.11)."""
_BLOCKS_PER_MODULE, _BYTES_PER_MODULE = 25, 1024
"""The floors for a unit of many modules: 500 small ones leave 600 blocks and 90 KiB per round (measured, 3.11)."""
_SPARED = 1
"""Number of the tool's own objects that may be gone after some rounds, and of rounds that may leave nothing."""
_OBJECTS_FLOOR = 2
"""Objects per round that call for a closer look, which costs more rounds. Clean modules leave at most 2 in five rounds
(98 modules, 3.11), but a test's first use of a library leaves ten. A single object near the target shows in the number
of references from its hosts."""
_AT_ONCE_BYTES = 160 * 1024
"""Memory from malloc that some rounds may take at once. A smaller amount counts only if most rounds took some."""
_STEP_BYTES = 4 * 1024
_MAPPED_AT_ONCE_BYTES = 3 * 1024 * 1024
"""Bytes by which the process may grow at once: Python takes memory by the MiB, sometimes twice in two rounds."""
_LARGE_BLOCKS = 500_000
"""From this many small blocks on, counting the objects would slow a clean check noticeably: it takes half as long as a
collection. A long test session with many plugins has 300,000 blocks."""


_SETTLED_ROUNDS = 5
"""Rounds that a check may settle only to show their numbers, at the cost that they have on the largest small heap."""


class Grown(NamedTuple):
    """The least that any of some settled rounds left; 0 where a round did not exceed the noise."""

    objects: int = 0
    """At least 1 if all rounds together left as many as there were rounds, less what the tool itself may have lost."""
    blocks: int = 0
    native_bytes: int = 0
    mapped_bytes: int = 0
    references: int = 0

    def __bool__(self) -> bool:
        return any(self)


class Meter:
    """Takes samples of the process.

    Args:
        references: counts those of the modules around the target.
    """

    def __init__(self, references: Callable[[], int] = int) -> None:
        self._references = references
        self._taken = 0
        """The number of samples, each of which is an object."""
        self._own: _Numbers = (0, 0, 0)
        """The tool's own share of `_numbers`."""

    def sample(self, number: int, *, is_quick: bool = False) -> Sample:
        """Sample a settled round, minus what `unseen` actions left. `is_quick` skips the objects of a large heap."""
        has_objects = not (is_quick and self.is_large())
        references = self._references()
        taken = sample(number, lambda: self._memory(has_objects=has_objects))
        self._taken += 1
        return taken._replace(references=references)

    @staticmethod
    def is_large() -> bool:
        """Whether the heap is so large that counting its objects, or a collection, takes noticeably long."""
        return sys.getallocatedblocks() >= _LARGE_BLOCKS

    def may_sample(self, rounds: int) -> bool:
        """Whether each of some rounds may be settled and sampled: only if all together take no longer than a few."""
        return rounds * sys.getallocatedblocks() < _LARGE_BLOCKS * _SETTLED_ROUNDS

    def _memory(self, *, has_objects: bool) -> tuple[int | None, int, int | None]:
        objects, blocks, native = _numbers(has_objects=has_objects)
        own_objects, own_blocks, own_native = self._own
        return (
            objects - own_objects - self._taken if has_objects else None,
            blocks - own_blocks,
            native - own_native if native is not None and own_native is not None else None,
        )

    def unseen(self, action: Callable[[], None]) -> None:
        """Run an action of the tool itself, and do not count what it leaves, except its objects on a large heap."""
        was_enabled = settle.is_enabled()
        # A collection in between would free or untrack objects of the program.
        settle.put_back(enabled=False)
        try:
            has_objects = not self.is_large()
            before = _numbers(has_objects=has_objects)
            action()
            after = _numbers(has_objects=has_objects)
        finally:
            settle.put_back(was_enabled)
        self._own = _plus(self._own, before, after)


_Numbers = tuple[int, int, int | None]


def _numbers(*, has_objects: bool = True) -> _Numbers:
    """Objects, blocks, and bytes from malloc, read without leaving garbage."""
    return settle.tracked_count() if has_objects else 0, sys.getallocatedblocks(), native_bytes()


def _plus(own: _Numbers, before: _Numbers, after: _Numbers) -> _Numbers:
    """The tool's share, with what its last action added."""
    native = None
    if own[2] is not None and before[2] is not None and after[2] is not None:
        native = own[2] + after[2] - before[2]
    return own[0] + after[0] - before[0], own[1] + after[1] - before[1], native


def may_have_grown(
    first: Sample, last: Sample, rounds: int, modules: int, native_steps: Sequence[int] = ()
) -> bool:
    """Whether some rounds made the process grow enough for a closer look.

    Args:
        first: the settled state before the rounds.
        last: the settled state after them. If objects were not counted, blocks stand in: an object has at least one.
        rounds: the number of rounds.
        modules: the number of modules that each round reloads.
        native_steps: memory from malloc after each round, in bytes, unsettled.
    """
    blocks = _difference(first.blocks, last.blocks)
    is_counted = first.objects is not None and last.objects is not None
    # With the strategy `worker` no module is reloaded here, but each round leaves ten blocks (measured, 3.11).
    noise = _BLOCKS_PER_MODULE * max(modules, 1) * rounds
    objects = _difference(first.objects, last.objects) if is_counted else blocks - noise
    blocks_floor, native_floor_bytes = _floors(modules)
    native = _difference(first.native_bytes, last.native_bytes)
    rising = sum(b - a >= _STEP_BYTES for a, b in pairwise(native_steps))
    is_native = native >= native_floor_bytes * max(rounds, 2) and (
        native >= _AT_ONCE_BYTES or rising >= len(native_steps) - 1 - _SPARED
    )
    return (
        objects >= max(_OBJECTS_FLOOR * rounds, 10)
        or blocks >= blocks_floor * max(rounds, 2)
        or is_native
        or _difference(first.mapped_bytes, last.mapped_bytes)
        >= max(_MAPPED_FLOOR_BYTES * rounds, _MAPPED_AT_ONCE_BYTES)
        or _difference(first.references, last.references) >= rounds
    )


def _floors(modules: int) -> tuple[int, int]:
    """Blocks, and bytes from malloc, that a round must leave to count as growth if it reloads `modules` modules."""
    return max(_BLOCKS_FLOOR, _BLOCKS_PER_MODULE * modules), max(
        _NATIVE_FLOOR_BYTES, _BYTES_PER_MODULE * modules
    )


def grown(samples: Sequence[Sample], modules: int) -> Grown:
    """The least that each of some settled rounds made the process grow, if each reloads `modules` modules."""
    blocks_floor, native_floor_bytes = _floors(modules)

    def steps(numbers: list[int | None]) -> list[tuple[int, int]]:
        rounds = [max(b.round - a.round, 1) for a, b in pairwise(samples)]
        return list(zip([_difference(a, b) for a, b in pairwise(numbers)], rounds, strict=True))

    def least(numbers: list[int | None], floor: int) -> int:
        found = [step // rounds for step, rounds in steps(numbers)]
        return min(found) if found and min(found) >= floor else 0

    return Grown(
        objects=_in_all(steps([s.objects for s in samples])),
        blocks=least([s.blocks for s in samples], blocks_floor),
        native_bytes=least([s.native_bytes for s in samples], native_floor_bytes // 2),
        mapped_bytes=least([s.mapped_bytes for s in samples], _MAPPED_FLOOR_BYTES // 2),
        references=_in_all(steps([s.references for s in samples])),
    )


def _in_all(steps: list[tuple[int, int]]) -> int:
    """The least that any round left, at least 1; 0 if more than `_SPARED` rounds left nothing, or if one left less.

    Args:
        steps: what was left from one sample to the next, and how many rounds were in between.
    """
    if not steps or sum(max(rounds - step, 0) for step, rounds in steps) > _SPARED:
        return 0
    return max(min(step // rounds for step, rounds in steps), 1)


def _difference(before: int | None, after: int | None) -> int:
    return after - before if before is not None and after is not None else 0
