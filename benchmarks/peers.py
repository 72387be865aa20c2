"""Ours and the tools that are used against leaks today, on the same reload check and the same heap, in one run.

    python benchmarks/peers.py --objects 300000
    python benchmarks/peers.py --json FILE

Ten reloads of a target leave 50 objects of ten old generations, held by five holders. Each tool does what it can with
that: see the table. One that is not installed is skipped, and the table says so. Each runs in a fork of the same
process, so none pays for what another left; psleak and pytest-memray start an interpreter, as they need settings of it.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import scenes
from table import save

TARGET = "planted"
LIMIT_S = 600


class Peer(NamedTuple):
    """A tool, and what it does here."""

    name: str
    needs: str
    """The module without which it is skipped."""
    run: Callable[[], str]
    """Does the work; returns what it says."""


def ours() -> str:
    """The whole check, with every holder, path, line and size."""
    from pytest_reloadleak import measure_reload

    report = measure_reload(TARGET, rounds=scenes.ROUNDS)
    lines = sum(finding.site is not None for finding in report.findings)
    return f"{len(report.findings)} holders, {lines} lines, outcome {report.outcome}"


def retained() -> list[Any]:
    """The objects that ten reloads leave, as their holders have them."""
    scenes.reloads(TARGET)
    host: Any = sys.modules["host"]
    services = [one for items in host.registry["service"].values() for one in items]
    inner = [hook.__closure__[0].cell_contents for hook in host.hooks]
    classes = [value[0] for value in host.Base.plugins.values()]
    chains = []
    for node in host.nodes:
        below = node
        while type(below) is host.Node:
            below = below.below
        chains.append(below)
    found = [host.callbacks, services, inner, classes, chains]
    return [one for kind in found for one in kind[: scenes.ROUNDS]]


def objgraph_chains() -> str:
    """One chain for each of the 50 objects, all 50 run."""
    import objgraph

    objects = retained()
    chains = [objgraph.find_backref_chain(o, objgraph.is_proper_module, max_depth=20) for o in objects]
    return f"{sum(len(chain) > 1 for chain in chains)} of {len(objects)} chains, one holder each, no lines"


def users_loop() -> str:
    """What users write today: objgraph.growth, a snapshot of tracemalloc and psutil's numbers in each round."""
    import objgraph
    import psutil

    tracemalloc.start()
    objgraph.growth()
    before = tracemalloc.take_snapshot()
    grown: list[Any] = []
    for _ in range(scenes.ROUNDS):
        scenes.reloads(TARGET, 1)
        gc.collect()
        grown = objgraph.growth()
        after = tracemalloc.take_snapshot()
        after.compare_to(before, "lineno")
        before = after
        process = psutil.Process()
        process.num_fds(), process.num_threads(), process.memory_info()
    tracemalloc.stop()
    return f"{len(grown)} types grew in the last round; no holder"


def pympler_diff() -> str:
    """A summary of all objects before the reloads and one after."""
    from pympler import muppy, summary

    before = summary.summarize(muppy.get_objects())
    scenes.reloads(TARGET)
    gc.collect()
    rows = summary.get_diff(before, summary.summarize(muppy.get_objects()))
    return f"{sum(row[1] > 0 for row in rows)} types grew; no holder"


def guppy_heap() -> str:
    """The heap relative to that of before the reloads, and the shortest paths to one object."""
    from guppy import hpy

    heapy = hpy()
    heapy.setrelheap()
    scenes.reloads(TARGET)
    gc.collect()
    grown = heapy.heap()
    paths = str(heapy.iso(sys.modules["host"].callbacks[0]).shpaths).splitlines()
    return f"{grown.count} new objects; {len(paths)} path to one object"


def tracemalloc_diff() -> str:
    """Two snapshots with 25 frames each, begun just before the reloads."""
    tracemalloc.start(25)
    before = tracemalloc.take_snapshot()
    scenes.reloads(TARGET)
    gc.collect()
    rows = tracemalloc.take_snapshot().compare_to(before, "lineno")
    tracemalloc.stop()
    return f"{sum(row.size_diff > 0 for row in rows)} lines that allocated; no holder"


ONE = "import sys; sys.path[:0] = {path!r}; import scenes, host, {target}; scenes.heap({objects}, shuffled=False)\n"
PSLEAK = """
import time, psleak
class Case(psleak.MemoryLeakTestCase):
    def test(self):
        self.execute(lambda: scenes.reloads({target!r}, 1), times=10, retries=2, warmup_times=1)
begun = time.process_time()
try:
    Case("test").debug()
    says = "no growth"
except Exception as error:
    says = f"{{type(error).__name__}}; no holder"
print(time.process_time() - begun, says)
"""
MEMRAY = """
import pytest, time
@pytest.mark.limit_leaks("1 KB")
def test_reloads():
    scenes.reloads({target!r})
"""


def _prefix(objects: int) -> str:
    return ONE.format(path=[str(Path(__file__).parent), *sys.path], target=TARGET, objects=objects)


def psleak(objects: int) -> tuple[float, str]:
    """Calls the reload ten times, and again while memory grows."""
    source = _prefix(objects) + PSLEAK.format(target=TARGET)
    done = _apart([sys.executable, "-c", source], PYTHONMALLOC="malloc")
    seconds, _, says = done.stdout.strip().rpartition("\n")[2].partition(" ")
    return float(seconds), says


def memray(objects: int) -> tuple[float, str]:
    """Runs a test under pytest with the mark `limit_leaks`, less the same test without it."""
    with tempfile.TemporaryDirectory() as name:
        file = Path(name, "test_it.py")
        file.write_text(_prefix(objects) + MEMRAY.format(target=TARGET), encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-header", str(file)]
        times = []
        for option in ("--memray", "-pno:memray"):
            before = os.times()
            done = _apart([*command, option, "-Wignore"])
            after = os.times()
            times.append(
                (after.children_user + after.children_system)
                - (before.children_user + before.children_system)
            )
            if option == "--memray":
                says = "the test failed; no holder" if "1 failed" in done.stdout else "the test passed"
    return times[0] - times[1], says


def _apart(command: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=LIMIT_S, check=False, env=environment
    )


PEERS = (
    Peer("pytest-reloadleak: the whole check", "pytest_reloadleak", ours),
    Peer("objgraph: 50 chains", "objgraph", objgraph_chains),
    Peer("the usual loop (objgraph, tracemalloc, psutil)", "objgraph", users_loop),
    Peer("pympler: two summaries", "pympler", pympler_diff),
    Peer("guppy3: heap and one path", "guppy", guppy_heap),
    Peer("tracemalloc: two snapshots", "tracemalloc", tracemalloc_diff),
)
APART = (
    ("psleak: 10 calls, repeated", "psleak", psleak),
    ("pytest-memray: one test", "pytest_memray", memray),
)


def forked(run: Callable[[], str]) -> tuple[float, str]:
    """Processor time that a piece of work takes in a fork of this process, and what it says."""
    reads, writes = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if not child:
        os.close(reads)
        gc.collect()  # the first one copies the pages of all objects
        begun = time.process_time()
        try:
            says = run()
        except BaseException as error:  # noqa: BLE001 - tools fail on objects of others
            says = f"raised {type(error).__name__}: {error}"[:80]
        os.write(writes, json.dumps([time.process_time() - begun, says]).encode())
        os._exit(0)
    os.close(writes)
    with os.fdopen(reads) as pipe:
        content = pipe.read()
    os.waitpid(child, 0)
    seconds, says = json.loads(content)
    return seconds, says


def main() -> None:
    """Run each, and print a table."""
    parser = argparse.ArgumentParser(description="Ours and the peers on the same check and heap.")
    parser.add_argument("--objects", type=int, default=300_000, help="tracked objects of the heap")
    parser.add_argument("--only", default="", help="run those with this text in their name")
    parser.add_argument("--json", type=Path, help="add the figures to this file")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="reloadleak-bench-") as name:
        scenes.write(Path(name))
        for module in ("host", "small"):
            importlib.import_module(module)
        tracked = scenes.heap(given.objects, shuffled=False)
        scenes.clear(TARGET)
        unit_s = min(forked(lambda: scenes.unit() or "")[0] for _ in range(3))
        print(f"{tracked:,} tracked objects, U {unit_s:.3f} s of processor time")
        for title, needs, run in (*((p.name, p.needs, p.run) for p in PEERS), *APART):
            if given.only not in title:
                continue
            if find_spec(needs) is None:
                print(f"{title:<50} skipped: {needs} is not installed")
                continue
            seconds, says = run(given.objects) if (title, needs, run) in APART else forked(run)
            print(f"{title:<50} {seconds:>8.2f} s {seconds / unit_s:>8.1f} U  {says}", flush=True)
            figure = {"name": title, "s": seconds, "u": seconds / unit_s, "says": says, "objects": tracked}
            if given.json is not None:
                save(given.json, "peers", [figure])


if __name__ == "__main__":
    main()
