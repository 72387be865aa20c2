"""Check many modules with the tool and with an oracle that knows nothing of it, and compare.

    python sweeps/sweep.py stdlib [--only GLOB] [--every N] [--out FILE] [--jobs 2]
    python sweeps/sweep.py PACKAGE ...

Each module is checked under `reimport` and `reload`, each time in a fresh process. A disagreement is a line of output
and makes the exit status 1.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
STRATEGIES = ("reimport", "reload")
ROUNDS = 5
TIMEOUT_S = 60

TOOL = """
import json, sys
from pytest_reloadleak.check import measure_reload
from pytest_reloadleak.report.jsonfile import to_dict
sys.path[0] = ""
import os
report = to_dict(measure_reload(sys.argv[1], strategy=sys.argv[2], rounds=int(sys.argv[3])))
os.write(1, b"\\n" + json.dumps(report).encode() + b"\\n")
os._exit(0)
"""


@dataclass
class Row:
    """One module under one strategy."""

    module: str
    strategy: str
    outcome: str
    findings: list[str] = field(default_factory=list)
    oracle: str = ""
    agrees: bool = True
    seconds: float = 0.0


@cache
def tools_imports() -> tuple[str, ...]:
    """What the tool has loaded before it looks, itself aside: those import a target too, as any program may."""
    code = (
        "import sys, pytest_reloadleak.check, psutil, faulthandler\n"
        "psutil.Process().create_time()\n"
        "print(*(n for n in sys.modules if not n.startswith(('pytest_reloadleak', '__main__', '_frozen'))))"
    )
    listed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return tuple(listed.stdout.split())


def run(command: list[str]) -> dict:
    """The last line of a process as JSON; what went wrong, if it printed none."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                timeout=TIMEOUT_S,
                check=False,
                cwd=folder,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired:
            return {"error": "timeout"}
    lines = done.stdout.decode("utf-8", "replace").strip().splitlines()
    try:
        return json.loads(lines[-1])
    except (IndexError, ValueError):
        return {"error": f"status {done.returncode}: {done.stderr.decode('utf-8', 'replace')[-300:]}"}


def check(module: str, strategy: str) -> Row:
    """Ask both."""
    begun = time.perf_counter()
    said = run([sys.executable, "-c", TOOL, module, strategy, str(ROUNDS)])
    truth = run([sys.executable, str(HERE / "oracle.py"), module, strategy, str(ROUNDS), *tools_imports()])
    row = Row(module, strategy, said.get("outcome", "error"))
    row.findings = [
        f"{f['kind']} {f['growth']}: {f['holder']['path']} holds {f['held']['name']}"
        for f in said.get("findings", ())
    ]
    if row.outcome == "error":
        row.findings = [str(said.get("error"))[:200]]
    row.oracle = oracle_text(truth)
    row.agrees = agree(row, truth)
    row.seconds = round(time.perf_counter() - begun, 2)
    return row


def oracle_text(truth: dict) -> str:
    """What the oracle says, in short."""
    if "error" in truth:
        return f"error: {truth['error']}"[:200]
    parts = []
    if truth["retained"]:
        parts.append(f"retained {truth['retained']}")
    if truth["grew"]:
        parts.append(f"grew {', '.join(truth['grew'])}")
    return "; ".join(parts) or "clean"


def agree(row: Row, truth: dict) -> bool:
    """Whether both say the same: an error, a leak, or nothing."""
    if "error" in truth or row.outcome == "error":
        return "error" in truth and row.outcome == "error"
    is_leak = bool(truth["retained"] or truth["grew"])
    return is_leak == (row.outcome == "leaking")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="+")
    parser.add_argument("--only", default="*")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--out")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    sys.path.insert(0, str(HERE))
    import modules

    if options.what == ["stdlib"]:
        names = list(modules.standard_library())
    else:
        names = [name for package in options.what for name in modules.of_package(package)]
    names = [name for name in names if fnmatchcase(name, options.only)][:: options.every]
    begun = time.perf_counter()
    with ThreadPoolExecutor(options.jobs) as pool:
        rows = list(pool.map(lambda pair: check(*pair), [(n, s) for n in names for s in STRATEGIES]))
    wrong = [row for row in rows if not row.agrees]
    for row in wrong:
        print(
            f"{row.module} ({row.strategy}): {row.outcome} {row.findings[:2]}, the oracle says {row.oracle}"
        )
    leaks = sum(row.outcome == "leaking" for row in rows)
    print(
        f"{len(names)} modules, {len(rows)} checks, {leaks} leaking, {len(wrong)} disagreements, "
        f"{time.perf_counter() - begun:.0f} s"
    )
    if options.out:
        Path(options.out).write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
