"""The numbers of the process: cheap counts, taken at settled rounds, for the report's series."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

from pytest_reloadleak.effects.system.children import count
from pytest_reloadleak.heap.own_objects import adopt


class Sample(NamedTuple):
    """The process at one settled round. A number is `None` where this platform or interpreter cannot tell it."""

    round: int
    objects: int | None
    blocks: int | None
    native_bytes: int | None
    fds: int | None
    threads: int | None
    tasks: int | None
    children: int | None


def prepare() -> None:
    """Import what looks at the process, before the target is loaded.

    Imported later it would be one of those who bind what the target has patched: `sys.stdout` in a default argument.
    """
    import faulthandler  # noqa: F401 - its functions are watched, for which the module has to be there

    if "psutil" not in sys.modules:
        adopt("psutil")
    import psutil

    psutil.Process().create_time()


def sample(round_: int, memory: Callable[[], tuple[int | None, int, int | None]]) -> Sample:
    """Take the numbers.

    Args:
        round_: which round this is.
        memory: tells how many objects the collector tracks, how many small blocks are allocated, and how many bytes
            malloc has given out. Asked last: what psutil asks makes caches of classes when it does so first.
    """
    import psutil

    countable = "num_fds" in vars(psutil.Process)
    fds = _number(lambda: psutil.Process().num_fds()) if countable else None
    threads = _number(lambda: psutil.Process().num_threads())
    children = _number(count)
    objects, blocks, native = memory()
    return Sample(
        round=round_,
        objects=objects,
        blocks=blocks,
        native_bytes=native,
        fds=fds,
        threads=threads,
        tasks=_tasks(),
        children=children,
    )


def native_bytes() -> int | None:
    """Bytes that malloc has given out, from its heap and by mmap; `None` where the platform does not tell."""
    import psutil

    heap = vars(psutil).get("heap_info")
    return _number(lambda: sum(heap()[:2])) if heap is not None else None


def _number(read: Callable[[], int]) -> int | None:
    """A number that the platform may refuse to tell, or a target that has patched what psutil asks."""
    try:
        return int(read())
    except Exception:  # noqa: BLE001 - a number that is missing is `None`, whatever the reason
        return None


def _tasks() -> int | None:
    """Tasks of the running event loop; `None` where no loop runs."""
    # Without it no loop of its runs; importing it would take longer than a check.
    asyncio = sys.modules.get("asyncio")
    try:
        return len(asyncio.all_tasks()) if asyncio is not None else None
    except RuntimeError:
        return None
