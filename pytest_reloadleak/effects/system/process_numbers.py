"""Take the numbers of the process at settled rounds: cheap counts for the report's series."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import NamedTuple

from pytest_reloadleak.effects.system.children import count
from pytest_reloadleak.heap.own_objects import adopt

_open = open
_PAGE_BYTES: int = vars(os)["sysconf"]("SC_PAGE_SIZE") if "sysconf" in vars(os) else 4096


class Sample(NamedTuple):
    """The process at one settled round. A number is `None` if this platform or interpreter cannot give it."""

    round: int
    objects: int | None
    blocks: int | None
    native_bytes: int | None
    fds: int | None
    threads: int | None
    tasks: int | None
    children: int | None
    mapped_bytes: int | None = None
    """The size of the process, with mappings that malloc does not know."""
    references: int | None = None
    """Number of references from the modules around the target."""


def prepare() -> None:
    """Import the modules that inspect the process before the target is loaded.

    A later import could bind what the target has patched, such as `sys.stdout` in a default argument.
    """
    import faulthandler  # noqa: F401 - its functions are watched, so the module must be loaded

    if "psutil" not in sys.modules:
        adopt("psutil")
    import psutil

    psutil.Process().create_time()


def sample(round_: int, memory: Callable[[], tuple[int | None, int, int | None]]) -> Sample:
    """Take the numbers of a round.

    `memory` returns how many objects the collector tracks, how many small blocks are allocated, and how many bytes
    malloc has given out. It is called last, since the first use of psutil creates caches of classes.
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
        mapped_bytes=mapped_bytes(),
    )


def native_bytes() -> int | None:
    """Bytes that malloc has given out, from its heap and by mmap; `None` if the platform does not say."""
    import psutil

    heap = vars(psutil).get("heap_info")
    return _number(lambda: sum(heap()[:2])) if heap is not None else None


def mapped_bytes() -> int | None:
    """The size of the process, with what it maps besides malloc's memory; `None` if the platform does not say."""
    if sys.platform == "linux":  # a tenth of the time that psutil takes
        return _number(lambda: _pages() * _PAGE_BYTES)
    import psutil

    return _number(lambda: psutil.Process().memory_info().vms)


def _pages() -> int:
    with _open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[0])


def _number(read: Callable[[], int]) -> int | None:
    """A number; `None` if the platform refuses it, or if the target has patched what psutil calls."""
    try:
        return int(read())
    except Exception:  # noqa: BLE001 - a missing number is `None`, whatever the reason
        return None


def _tasks() -> int | None:
    """Tasks of the running event loop; `None` where no loop runs."""
    # If it is not loaded, none of its loops runs. Importing it would take longer than a check.
    asyncio = sys.modules.get("asyncio")
    try:
        return len(asyncio.all_tasks()) if asyncio is not None else None
    except RuntimeError:
        return None
