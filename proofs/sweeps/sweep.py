"""Check many modules with the tool and with an oracle that knows nothing of it, and compare.

    python proofs/sweeps/sweep.py stdlib [--only GLOB] [--every N] [--out FILE] [--jobs 2]
    python proofs/sweeps/sweep.py packages            every package of packages.txt that is installed
    python proofs/sweeps/sweep.py NAME ...            these packages

Each module is checked under `reimport` and `reload`, each time in a process of its own. A disagreement that
`explanations.py` does not explain is a line of output and makes the exit status 1.
"""

from __future__ import annotations

import argparse
import json
import queue
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import explanations
import forking
import modules
from comparing import Row, compared
from servers import Server

HERE = Path(__file__).parent
STRATEGIES = ("reimport", "reload")
ROUNDS = 5
"""Of the tool, which doubles them when something is retained."""
ORACLE_ROUNDS = 3
"""Of the oracle, which doubles them always: growth shows as well in three against six."""

MOST_FINDINGS = 4
"""Findings of one row that a result file keeps: a class that a hundred modules import is a hundred of one sort."""


@cache
def tools_imports() -> tuple[str, ...]:
    """What the tool has loaded before it looks, itself aside: those import a target too, as any program may."""
    listed = subprocess.run(
        [sys.executable, str(HERE / "asking.py"), "--imports"], capture_output=True, text=True, check=True
    )
    return tuple(listed.stdout.split())


def claim_of(finding: dict[str, Any]) -> str:
    """The path that a finding says holds something old; empty if plain Python cannot walk it."""
    holder = finding["holder"] or {}
    walks = holder.get("root") == "sys.modules" and finding["kind"] != "registration"
    return str(holder["path"]) if walks else ""


class Pair:
    """The two judges, each behind a fork server."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self.tool = Server(str(HERE / "asking.py"))
        self.oracle = Server(str(HERE / "oracle.py"), tools_imports())

    def check(self, module: str, strategy: str) -> Row:
        """Run both judges. The oracle gets the holders that the tool names, and checks these after its own verdict."""
        begun_s = time.perf_counter()
        question = {"module": module, "strategy": strategy, "timeout_s": self._timeout_s}
        said = self.tool.ask(**question, rounds=ROUNDS)
        claims = [claim_of(finding) for finding in said.get("findings", ())]
        asked_s = time.perf_counter()
        truth = self.oracle.ask(**question, rounds=ORACLE_ROUNDS, claims=claims)
        row = compared(module, strategy, said, truth)
        row.tool_s, row.oracle_s = round(asked_s - begun_s, 2), round(time.perf_counter() - asked_s, 2)
        return row

    def close(self) -> None:
        """End both."""
        self.tool.close()
        self.oracle.close()


def rows_of(questions: Iterable[tuple[str, str]], jobs: int, timeout_s: float) -> Iterator[Row]:
    """Check modules under strategies, in order, `jobs` at a time."""
    pairs: queue.SimpleQueue[Pair] = queue.SimpleQueue()
    made = [Pair(timeout_s) for _ in range(jobs)]
    for pair in made:
        pairs.put(pair)

    def check(question: tuple[str, str]) -> Row:
        pair = pairs.get()
        try:
            return pair.check(*question)
        finally:
            pairs.put(pair)

    try:
        with ThreadPoolExecutor(jobs) as pool:
            yield from pool.map(check, questions)
    finally:
        for pair in made:
            pair.close()


def chosen(what: list[str], only: str, every: int) -> list[str]:
    """The modules to check."""
    if what == ["stdlib"]:
        names = modules.standard_library()
    elif what == ["packages"]:
        names = modules.of_packages(HERE / "packages.txt")
    else:
        names = [name for package in what for name in modules.of_package(package)]
    return [name for name in names if fnmatchcase(name, only)][::every]


def done_in(file: Path | None) -> set[tuple[str, str]]:
    """What a result file has already."""
    if file is None or not file.exists():
        return set()
    rows = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    # Those of refused modules have no strategy.
    return {(row["module"], row["strategy"]) for row in rows if "strategy" in row}


def keep_settled(file: Path, names: Collection[str]) -> None:
    """Take out of a result file where tool and oracle differ on some modules, and what grows."""
    lines = file.read_text(encoding="utf-8").splitlines()
    rows = map(json.loads, lines)
    kept = [
        line
        for line, row in zip(lines, rows, strict=True)
        if row["module"] not in names
        or (not row.get("differs") and row["outcome"] in {"clean", "bounded", "error", "refused"})
    ]
    file.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")


def line_of(row: Row) -> str:
    """A row as a line of the result file: what is as usual is left out, and of many findings the less telling ones."""
    kept = asdict(row)
    if len(row.findings) > MOST_FINDINGS:
        telling = sorted(row.findings, key=lambda finding: (finding[1] != "growing", len(finding[3])))
        kept["findings"], kept["count"] = telling[:MOST_FINDINGS], len(row.findings)
    if not row.differs:
        kept.pop("details")  # the oracle sees the same
    return json.dumps(
        {key: value for key, value in kept.items() if value and key not in {"text", "tool_s", "oracle_s"}}
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="+")
    parser.add_argument("--only", default="*", help="modules of this pattern")
    parser.add_argument("--every", type=int, default=1, help="every Nth module")
    parser.add_argument(
        "--reports", type=Path, help="write the tool's report of what is not clean to this file"
    )
    parser.add_argument("--out", type=Path, help="write the rows to this file, a line of JSON each")
    parser.add_argument(
        "--resume", action="store_true", help="go on with that file: what is in it is not checked again"
    )
    parser.add_argument("--again", action="store_true", help="check again what differs or grows in that file")
    parser.add_argument("--jobs", type=int, default=2, help="checks at a time")
    parser.add_argument(
        "--timeout", type=float, default=forking.TIMEOUT_S, help="seconds for each judge of a check"
    )
    options = parser.parse_args()
    names = chosen(options.what, options.only, options.every)
    begun_s = time.perf_counter()
    outcomes: Counter[str] = Counter()
    explained, unexplained = 0, 0
    refused = modules.refused_of_library() if options.what == ["stdlib"] else []
    if options.again:
        keep_settled(options.out, set(names))
    done = done_in(options.out) if options.resume or options.again else set()
    questions = [q for name in names for strategy in STRATEGIES if (q := (name, strategy)) not in done]
    out = options.out.open("a" if done else "w", encoding="utf-8") if options.out else None
    reports = options.reports.open("a" if done else "w", encoding="utf-8") if options.reports else None
    for row in rows_of(questions, options.jobs, options.timeout):
        outcomes[row.outcome] += 1
        left = explanations.unexplained(row)
        unexplained += bool(left)
        explained += bool(row.differs) and not left
        if left:
            print(
                f"{row.module} ({row.strategy}): {'; '.join(left)}\n    {row.findings or row.error} {row.details}",
                flush=True,
            )
        if reports is not None and row.outcome != "clean":
            reports.write(f"{row.text}\n\n")
            reports.flush()
        if out is not None:
            out.write(line_of(row) + "\n")
            out.flush()
    if out is not None and options.only == "*" and not done:
        out.writelines(line_of(Row(name, "", "refused", "")) + "\n" for name in refused)
    print(
        f"{len(names)} modules, {outcomes.total()} checks, {dict(sorted(outcomes.items()))}, "
        f"{explained} disagreements explained, {unexplained} not, {time.perf_counter() - begun_s:.0f} s"
    )
    sys.exit(bool(unexplained))


if __name__ == "__main__":
    main()
