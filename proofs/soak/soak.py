"""The same verdict every time: many checks of clean targets, and of one leaking target per kind.

    python proofs/soak/soak.py clean [--checks 1000] [--jobs 2]
    python proofs/soak/soak.py tests [--checks 1000] [--jobs 2]
    python proofs/soak/soak.py leaking [--checks 1000] [--only KIND] [--jobs 2]

Each process has a random hash seed and makes `BATCH` checks, of which each is undone before the next. With two jobs on
two cores the machine is busy all the time, and `--load N` keeps N more processes computing. A clean target with any
finding, and a leaking one with another finding or signature than the first, is a line of output and the exit status 1.
`tests` makes the checks of clean targets as marked tests, by pytest with as many workers of pytest-xdist.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

BATCH = 20
ROUNDS = 3

HOST = """\
import asyncio, atexit, collections, logging, threading, os, subprocess, sys
kept, table, undo, children = [], {}, [], []
recent = collections.deque(maxlen=3)
count = 0
def act(): return None
"""

LEAKS = {
    "retained-generation": "import host\ndef f(): pass\nhost.kept.append(f)\n",
    "stale-reference": "class Error(Exception): pass\ndef f(): raise Error\n",
    "live-thread": (
        "import host, threading\nstop = threading.Event()\nhost.undo.append(stop.set)\n"
        "def work(): stop.wait(60)\nthreading.Thread(target=work, daemon=True).start()\n"
    ),
    "live-timer": (
        "import host, threading\ndef work(): pass\ntimer = threading.Timer(60, work)\n"
        "host.undo.append(timer.cancel)\ntimer.daemon = True\ntimer.start()\n"
    ),
    "pending-task": (
        "import asyncio, host\nasync def work(): await asyncio.sleep(60)\n"
        "host.kept.append(host.loop.create_task(work()))\n"
    ),
    "open-fd": "import os\nnumber = os.open(os.devnull, os.O_RDONLY)\n",
    "child-process": ("import host, subprocess\nhost.children.append(subprocess.Popen(['sleep', '60']))\n"),
    "registration": "import atexit\ndef work(): pass\natexit.register(work)\n",
    "patched-global": "import host\nbefore = host.act\ndef act(): return before()\nhost.act = act\n",
    "object-growth": "import host\nhost.kept.append({'rows': [[] for _ in range(60)]})\n",
    "memory-growth": "import host\nhost.count += 1\nhost.kept.append(bytes(100_000 + host.count))\n",
}
CLEAN = {
    "plain": "import json\nclass A:\n    def f(self): return self\ndef g(): return A()\nX = [g]\n",
    "registry": "import host\ndef f(): pass\nhost.table['f'] = f\nhost.kept[:] = [f]\n",
    "thread": "import threading\ndef work(): pass\nt = threading.Thread(target=work)\nt.start(); t.join()\n",
    "timer": "import threading\ndef work(): pass\nt = threading.Timer(0.001, work)\nt.start(); t.join()\n",
    "task": "import asyncio, host\nasync def f(): await asyncio.sleep(0)\nhost.loop.run_until_complete(f())\n",
    "child": "import subprocess\nsubprocess.run(['true'], check=True)\n",
    "file": "import tempfile\nwith tempfile.TemporaryFile() as file: file.write(b'x')\n",
    "handler": "import logging\nlogging.getLogger('soak').handlers[:] = [logging.NullHandler()]\n",
    "patch": "import host\ndef act(): return None\nhost.act = act\n",
    "bounded": "import host\ndef f(): pass\nhost.recent.append([1])\n",
    "cycle": "class A:\n    def __del__(self): self.done = True\na, b = A(), A()\na.b, b.a = b, a\n",
    "slow": "import gc\nclass A: pass\nX = [A() for _ in range(2000)]\nfor x in X: x.me = x\n",
}

CHECK = """
import asyncio, gc, importlib, json, sys
sys.path.insert(0, sys.argv[1])
from pytest_reloadleak import measure_reload
import host
host.loop = asyncio.new_event_loop()
for name in sys.argv[3:]:
    if name == "stale_reference":
        importlib.import_module(name)
        importlib.import_module("consumer")
    report = measure_reload(name, rounds=int(sys.argv[2]))
    print(json.dumps([name, report.outcome, [[f.kind, f.growth, f.signature, f.holder and f.holder.path] for f in
                     report.findings], report.error]))
    for undo in host.undo: undo()
    for child in host.children: child.kill(); child.wait()
    for task in asyncio.all_tasks(host.loop): task.cancel()
    host.loop.run_until_complete(asyncio.sleep(0))
    host.loop.close()
    for module in ("consumer", "host", name): sys.modules.pop(module, None)
    host = importlib.import_module("host")
    host.loop = asyncio.new_event_loop()
    gc.collect()
"""


MARKED = """
import asyncio, host, pytest
host.loop = asyncio.new_event_loop()
NAMES = {names!r}
TARGETS = [pytest.param(marks=pytest.mark.reloadable(name, rounds={rounds}), id=name) for name in NAMES]
@pytest.mark.parametrize("number", range({each}))
@pytest.mark.parametrize((), TARGETS)
def test_target(number): pass
"""


def by_pytest(folder: Path, names: list[str], checks: int, jobs: int) -> int:
    """Check clean targets as marked tests; returns the exit status."""
    source = MARKED.format(names=names, rounds=ROUNDS, each=-(-checks // len(names)))
    (folder / "test_soak.py").write_text(source, encoding="utf-8")
    arguments = ["-q", "-p", "no:cacheprovider", "-n", str(jobs), "--reload-leak-check"]
    seed = {"PYTHONHASHSEED": str(random.randrange(2**32))}
    command = [sys.executable, "-m", "pytest", *arguments]
    return subprocess.run(command, cwd=folder, check=False, env={**os.environ, **seed}).returncode


def results(folder: Path, names: list[str]) -> list[list[object]]:
    """The verdicts of one process on some targets."""
    done = subprocess.run(
        [sys.executable, "-c", CHECK, str(folder), str(ROUNDS), *names],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        env={**os.environ, "PYTHONHASHSEED": str(random.randrange(2**32))},
    )
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('["')]
    lost = [[name, "error", [], done.stderr[-300:]] for name in names[len(found) :]]
    return [*found, *lost]


def batches(names: list[str], checks: int) -> Iterator[list[str]]:
    """As many names as there are checks, all equally often, in lists for one process each."""
    wanted = [names[at % len(names)] for at in range(checks)]
    for at in range(0, checks, BATCH):
        yield wanted[at : at + BATCH]


def loaded(count: int) -> list[subprocess.Popen[bytes]]:
    """Processes that keep the machine busy."""
    return [subprocess.Popen([sys.executable, "-c", "while True: sum(range(10**6))"]) for _ in range(count)]


def is_right(what: str, name: str, found: list[list[object]]) -> bool:
    """Say what the verdicts on one target were; whether all are the same, and what is to be."""
    verdicts = Counter(json.dumps(row[1:]) for row in found if row[0] == name)
    (first, count), *others = verdicts.most_common()
    print(f"{name}: {count} of {verdicts.total()}: {first}")
    for other, times in others:
        print(f"  but {times}: {other}")
    sys.stdout.flush()
    leaking = f'["leaking", [["{name.replace("_", "-")}", '
    return not others and first.startswith('["clean", [], null]' if what == "clean" else leaking)


def main() -> None:
    """Check, and say what differed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["clean", "tests", "leaking"])
    parser.add_argument("--checks", type=int, default=1000, help="of all clean targets; of each leaking one")
    parser.add_argument("--only", default="")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--load", type=int, default=1)
    options = parser.parse_args()
    targets = LEAKS if options.what == "leaking" else CLEAN
    sources = {name.replace("-", "_"): source for name, source in targets.items()}
    chosen = [name for name in sources if options.only.replace("-", "_") in name]
    # A leaking target is done with, and told of, before the next one: that takes minutes each.
    groups = [[name] for name in chosen] if options.what == "leaking" else [chosen]
    begun_s = time.perf_counter()
    busy = loaded(options.load)
    wrong, checks = [], 0
    try:
        with tempfile.TemporaryDirectory() as temporary, ThreadPoolExecutor(options.jobs) as pool:
            folder = Path(temporary)
            beside = {"host": HOST, "consumer": "from stale_reference import Error\n"}
            for name, source in {**beside, **sources}.items():
                (folder / f"{name}.py").write_text(source, encoding="utf-8")
            if options.what == "tests":
                sys.exit(by_pytest(folder, chosen, options.checks, options.jobs))
            for names in groups:
                rows = pool.map(lambda some: results(folder, some), batches(names, options.checks))
                found = [row for some in rows for row in some]
                checks += len(found)
                wrong += [name for name in names if not is_right(options.what, name, found)]
    finally:
        for process in busy:
            process.kill()
            process.wait()
    print(f"{checks} checks, {time.perf_counter() - begun_s:.0f} s")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
