"""Collect until what should be dead has died, with bounded patience.

One collection is not enough (a chain of five `__del__`s takes five), so collections repeat while each one still frees
something that is waited for. Threads and loops may need a moment to let go, so while one runs, the last attempts are
spread over `PATIENCE_S`, with growing pauses as in goleak's retry.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable, Iterator

from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import turns
from pytest_reloadleak.heap.interpreter_caches import clear_known_caches
from pytest_reloadleak.heap.levels.choice import Addresses, of_types

PATIENCE_S = 0.5
"""Total time to wait for threads and loops while something that should be dead is alive."""
_FIRST_PAUSE_S = 0.01
_LONGEST_PAUSE_S = 0.1

_MOST_LINKS = 20
"""Collections that may free other objects than those waited for: a program may create garbage all the time."""
_IMMORTALS = 1000

_sleep = time.sleep
_now_s = time.monotonic


def settle(
    waited_for: Callable[[], int], release: Callable[[], None], *, is_patient: Callable[[], bool]
) -> int:
    """Collect until nothing that should be dead is alive, or patience ends.

    Args:
        waited_for: returns how many things that should be dead are alive; must be cheap.
        release: drops the test runner's references to the program's objects.
        is_patient: whether to wait for other threads, if any run; called only when collections free nothing more.

    Returns:
        How many collections it took.
    """
    count = 0
    for pause_s in _attempts(waited_for, release, lambda: not is_alone() and is_patient()):
        count += 1
        if pause_s:
            _sleep(pause_s)
    return count


async def asettle(
    waited_for: Callable[[], int],
    release: Callable[[], None],
    pause: Callable[[float], Awaitable[None]],
    *,
    is_patient: Callable[[], bool],
) -> int:
    """Do as `settle` does on a running loop, which runs during the pauses and can finish pending work.

    Args:
        waited_for: as for `settle`.
        release: as for `settle`.
        pause: an async sleep of the loop's own library.
        is_patient: whether to wait at all; the loop gets a few turns in any case.
    """
    count = 0
    for _ in range(3):
        await pause(0)
    for pause_s in _attempts(waited_for, release, is_patient):
        count += 1
        if pause_s:
            await pause(pause_s)
    return count


def _attempts(
    waited_for: Callable[[], int], release: Callable[[], None], is_patient: Callable[[], bool]
) -> Iterator[float]:
    """Settle step by step; yield after each collection how long to pause before the next one."""
    deadline = _now_s() + PATIENCE_S
    pause_s = _FIRST_PAUSE_S
    before, links = None, 0
    while True:
        release()
        turns.give()
        clear_known_caches()
        freed = gc.collect()
        left = waited_for()
        if not left:
            yield 0
            return
        if before is None or left < before or (freed and links < _MOST_LINKS):
            # This collection freed something, so the next one may too: perhaps a link of a chain whose last object is
            # waited for.
            links += before is not None and left >= before
            before = left
            yield 0
            continue
        if _now_s() >= deadline or not is_patient():
            yield 0
            return
        yield pause_s
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def collect_while_it_helps(waited_for: Callable[[], int]) -> None:
    """Collect as long as each collection frees something that is waited for, while the program goes on running.

    Args:
        waited_for: as for `settle`.
    """
    clear_known_caches()
    left = waited_for()
    for _ in range(_MOST_LINKS):
        gc.collect()
        before, left = left, waited_for()
        if not left or left >= before:
            return


HAS_AGES = vars(sys).get("_is_gil_enabled", lambda: True)()
"""Whether a collection can be restricted to young objects: a free-threaded interpreter has no gc ages."""


def glance(release: Callable[[], None]) -> None:
    """Collect recent garbage. The cost follows the number of young objects, and not the size of the heap."""
    release()
    turns.give()
    clear_known_caches()
    gc.collect(1)


async def aglance(release: Callable[[], None], pause: Callable[[float], Awaitable[None]]) -> None:
    """Do as `glance` does, on a running loop."""
    for _ in range(3):
        await pause(0)
    glance(release)


def collect_youngest() -> None:
    """Collect what was created since the last automatic collection, and leave what survives among the young."""
    gc.collect(0)


def fill_free_lists() -> None:
    """Fill the interpreter's free lists, so that the objects on them do not change the numbers of the process.

    A full collection empties these lists; a collection of young objects does not.
    """
    was_enabled = is_enabled()
    put_back(enabled=False)  # so many new objects would make the young old
    for size in range(1, _LARGEST_TUPLE):
        kept: list[object] = [(None,) * size for _ in range(_TUPLES)]
    for make in (dict, list, _now_s, lambda: slice(_now_s()), lambda: (_now_s() for _ in ())):
        kept = [make() for _ in range(_OTHERS)]
    kept.clear()
    put_back(was_enabled)


_LARGEST_TUPLE, _TUPLES, _OTHERS = 20, 2000, 300
"""More objects than any free list takes, by the sources of CPython 3.10 to 3.13."""


def is_alone() -> bool:
    """Whether no other thread runs, raw `_thread` threads included."""
    return len(gc.current_frames()) <= 1


def collect() -> None:
    """Collect once."""
    gc.collect()


def is_enabled() -> bool:
    """Whether automatic collection is on."""
    return gc.isenabled()


def put_back(enabled: bool) -> None:
    """Switch automatic collection back to what it was."""
    if enabled != gc.isenabled():
        (gc.enable if enabled else gc.disable)()


def unfreeze() -> None:
    """Let collections see again what was frozen."""
    gc.unfreeze()


def callbacks() -> list[object]:
    """The collector's own list of what it calls before and after each collection."""
    return gc.callbacks  # type: ignore[return-value]  # typed as a list of functions, but may hold anything


def frozen_count() -> int:
    """How many objects the program itself froze with `gc.freeze`; no collection ever frees them.

    In 3.12 a collection after `gc.unfreeze` adds some hundreds of the interpreter's immortal objects to the frozen.
    """
    count = gc.get_freeze_count()
    return 0 if sys.version_info[:2] == (3, 12) and count < _IMMORTALS else count


def tracked_count() -> int:
    """How many objects the collector tracks, except tuples.

    The collector untracks a tuple of atoms when it visits it, and a tuple of such tuples one visit later. So the number
    of tracked tuples is random.
    """
    objects = gc.get_objects()
    # Asked by identity in C: `count(tuple)` would call the `__eq__` of a hostile metaclass.
    return len(objects) - len(of_types(objects, Addresses((id(tuple),))))
