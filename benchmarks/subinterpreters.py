"""What sub-interpreters leak: the figures of `docs/strategies.md`. Run it with each interpreter from 3.13 on.

    python benchmarks/subinterpreters.py

Each cycle creates one, imports `json` and `decimal` in it, and closes it. Prints the growth of the resident memory
after the first ten cycles, and what one that changed the directory and opened a descriptor left of that in its host.
"""

import os
import sys
from collections.abc import Callable
from typing import Any

import psutil

CYCLES = 40
WARMUP = 10
LEAVES = "import os; os.chdir('/'); os.open(os.devnull, os.O_RDONLY)"


def runner() -> Callable[[str], None]:
    """A function that runs code in a sub-interpreter of its own."""
    if sys.version_info >= (3, 14):
        from concurrent import interpreters

        def run(code: str) -> None:
            interpreter = interpreters.create()
            interpreter.exec(code)
            interpreter.close()

        return run
    module: Any = __import__("_interpreters")

    def run_older(code: str) -> None:
        number = module.create()
        module.exec(number, code)
        module.destroy(number)

    return run_older


def main() -> None:
    """Measure, and print."""
    if sys.version_info < (3, 13):
        sys.exit("needs 3.13: before that, importing decimal in a second one corrupts memory")
    run, process = runner(), psutil.Process()
    sizes_bytes = []
    for _ in range(WARMUP + CYCLES):
        run("import json, decimal")
        sizes_bytes.append(process.memory_info().rss)
    grown_mib = (sizes_bytes[-1] - sizes_bytes[WARMUP - 1]) / 2**20
    print(
        f"{sys.version.split()[0]}: {grown_mib:.1f} MiB in {CYCLES} cycles, {grown_mib / CYCLES:.2f} a cycle"
    )
    before, descriptors = os.getcwd(), process.num_fds()
    run(LEAVES)
    print(f"  directory: {before} -> {os.getcwd()}, descriptors: {descriptors} -> {process.num_fds()}")


if __name__ == "__main__":
    main()
