"""Measure what `watch_process` costs: in the reload, and in the look after the grace.

    python benchmarks/watch.py

Processor time in milliseconds, medians of interleaved reloads of a module with so many functions, a third of them
methods, in a process with a large heap. `reload` is `importlib.reload`, `import` an import after the name was dropped.
"""

from __future__ import annotations

import importlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pytest_reloadleak import watch_process

SIZES = (30, 100, 300, 1000)
ROUNDS = 30
HEAP = [[{}] for _ in range(300_000)]


def source(functions: int) -> str:
    """A module with so many functions."""
    plain = [f"def f{n}(a, b=1):\n    return [a for a in b]\n" for n in range(functions * 2 // 3)]
    count = max(functions // 30, 1)
    classes = [
        f"class C{n}:\n" + "".join(f"    def m{m}(self):\n        return {m}\n" for m in range(10))
        for n in range(count)
    ]
    return "".join((*plain, *classes))


def reload(name: str) -> None:
    """Execute a module again in its namespace."""
    importlib.reload(sys.modules[name])


def reimport(name: str) -> None:
    """Drop the name of a module, and import it again."""
    del sys.modules[name]
    importlib.import_module(name)


def cost_ms(action: Callable[[], object]) -> float:
    """Processor time of this thread."""
    begun = time.thread_time()
    action()
    return (time.thread_time() - begun) * 1000


def measure(name: str, how: Callable[[str], None]) -> tuple[float, float, float]:
    """A bare reload, a watched one, and the look afterwards."""
    bare, watched, looks = [], [], []
    for _ in range(ROUNDS):
        bare.append(cost_ms(lambda: how(name)))
        with watch_process(name, grace_s=1000) as watch:
            how(name)
            watched.append(cost_ms(lambda: how(name)))
            looks.append(cost_ms(watch.look))
    return statistics.median(bare), statistics.median(watched), statistics.median(looks)


def main() -> None:
    """Run as a script."""
    print(f"{'functions':>9}  {'way':<7} {'bare':>7} {'watched':>8} {'more':>6} {'look':>6}")
    with tempfile.TemporaryDirectory() as directory:
        sys.path.insert(0, directory)
        for size in SIZES:
            name = f"watched{size}"
            Path(directory, f"{name}.py").write_text(source(size), encoding="utf-8")
            importlib.invalidate_caches()
            importlib.import_module(name)
            for how in (reload, reimport):
                bare, watched, look = measure(name, how)
                way = how.__name__.removeprefix("re") if how is reimport else "reload"
                print(f"{size:>9}  {way:<7} {bare:7.2f} {watched:8.2f} {watched - bare:6.2f} {look:6.2f}")


if __name__ == "__main__":
    main()
