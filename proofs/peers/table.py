#!/usr/bin/env python3
"""Run every scenario and write `docs/peers.md`, which compares this plugin with other checkers.

    python proofs/peers/table.py [NAME ...]    all scenarios, or print the rows of some and write nothing

Each scenario has twenty counted reloads, as it had for the peers. Their figures below are those that were measured.
"""

from __future__ import annotations

import platform
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from cases import SCENARIOS, Scenario
from runner import Outcome, run

ROUNDS = 20
PAGE = Path(__file__).parents[2] / "docs" / "peers.md"

PEERS = """\
| pytest `-W error` | 1/29 | 1 | 0 | 0/6 | 0.01 |
| pytest-memray `limit_leaks` | 21/29 | 0 | 0 | 4/6 | 0.53 |
| pytest-memray `limit_leaked_objects` | 29/29 | 11 | 0 | 6/6 | 0.15 |
| pytest-leaks `-R :` (debug Python) | 27/29 | 1 | 0 | 0/6 | 0.86 |
| regrtest `-R 3:5` (debug Python) | 27/29 | 8 | 0 | 1/6 | 0.42 |
| psleak | 28/29 | 6 | 0 | 5/6 | 0.65 |
| psleak without `gcgarbage` | 28/29 | 6 | 0 | 5/6 | 0.62 |
| pyleak | 3/29 | 3 | 0 | 0/6 | 0.11 |
| pytest-threadleak | 3/29 | 3 | 0 | 0/6 | 0.01 |
| pytest-hygiene | 7/29 | 4 | 0 | 1/6 | 0.01 |
| pytest-openfiles | 0/29 | 0 | 0 | 0/6 | 0.05 |
| pytest-leak-finder | 0/29 | 0 | 0 | 0/6 | 0.01 |
| pytest-monitor | 0/29 | 0 | 0 | 0/6 | 0.06 |
| leak-assert, 256 bytes an iteration | 29/29 | 0 | 0 | 6/6 | 0.47 |
| leak-assert, 1 kB an iteration | 23/29 | 0 | 0 | 1/6 | 0.47 |
| leakwatch-py | 29/29 | 3 | 0 | 6/6 | 12.33 |
| objgraph `growth` | 25/29 | 3 | 0 | 0/6 | 0.11 |
| pympler `SummaryTracker` | 26/29 | 8 | 0 | 0/6 | 2.05 |
| guppy3 | 22/29 | 5 | 0 | 0/6 | 0.98 |
| psutil counters | 7/29 | 0 | 0 | 0/6 | 0.07 |
| fdleaky | 2/29 | 2 | 0 | 0/6 | 0.06 |
| tracemalloc, two snapshots | 27/29 | 2 | 15 | 3/6 | 0.21 |
| weak references by hand | 18/29 | 4 | 0 | 0/6 | 0.05 |
| dutch-boy (Python 3.6) | 0/29 | 0 | 0 | 0/6 | 1.83 |
"""
"""Measured once on CPython 3.13 (3.6 and debug builds as said), pytest 9.2, two cores, three runs at a time."""


@dataclass(frozen=True)
class Row:
    """One scenario under this plugin."""

    scenario: Scenario
    failed: bool
    names_holder: bool
    names_line: bool
    findings: str
    elapsed_s: float

    @classmethod
    def of(cls, scenario: Scenario, outcome: Outcome) -> Row:
        """What an outcome amounts to. A holder is named where a finding says so, not where a word occurs."""
        check = outcome.checks.get("callable", {"outcome": "error", "findings": []})
        if outcome.status not in {0, 1} or check["outcome"] not in {"clean", "known", "leaking"}:
            raise RuntimeError(f"{scenario.name} could not be judged:\n{outcome.text}")
        holders = [finding["holder"] or {} for finding in check["findings"]]
        texts = [
            " ".join(map(str, (*h.values(), *f["trace"])))
            for h, f in zip(holders, check["findings"], strict=True)
        ]
        line = scenario.leaking_line
        sites = [f["site"] for f in check["findings"] if f["site"]]
        return cls(
            scenario=scenario,
            failed=check["outcome"] == "leaking",
            names_holder=any(scenario.holder.search(text) for text in texts),
            names_line=any(
                line is not None and Path(site["file"]).match(line[0]) and site["line"] == line[1]
                for site in sites
            ),
            findings=", ".join(
                f"{finding['kind']} `{(finding['holder'] or {}).get('path')}`"
                for finding in check["findings"]
            ),
            elapsed_s=outcome.elapsed_s,
        )

    def line(self) -> str:
        """The row of the table of scenarios."""
        scenario = self.scenario
        due = scenario.kind in {"leak", "stale"}
        if not due:
            verdict = "**false positive**" if self.failed else "ok"
        elif self.failed:
            verdict = (
                "caught"
                + (", holder named" if self.names_holder else "")
                + (", line" if self.names_line else "")
            )
        else:
            verdict = "not yet: an effect" if scenario.effect else "**missed**"
        found = self.findings.replace("|", "\\|")
        return f"| {scenario.name} | {scenario.kind} | {verdict} | {found} | {self.elapsed_s:.2f} |"


def measure(scenario: Scenario) -> Row:
    """Run one scenario."""
    with tempfile.TemporaryDirectory(prefix="reloadleak-") as directory:
        return Row.of(scenario, run(scenario, Path(directory), rounds=ROUNDS))


def page(rows: list[Row]) -> str:
    """The whole document."""
    due = [row for row in rows if row.scenario.kind in {"leak", "stale"}]
    references = [row for row in due if not row.scenario.effect]
    controls = [row for row in rows if row.scenario.kind == "clean"]
    ours = (
        f"| **pytest-reloadleak** | {sum(r.failed for r in due)}/{len(due)} | {sum(r.names_holder for r in due)} "
        f"| {sum(r.names_line for r in due)} | {sum(r.failed for r in controls)}/{len(controls)} "
        f"| {median(r.elapsed_s for r in rows):.2f} |"
    )
    version = platform.python_version()
    grey = next(row for row in rows if row.scenario.kind == "grey")
    return f"""# Compared with other checkers

There are {len(rows)} small scenarios, each with one cause: {len(due)} leaks (two of them stale bindings, which leave
one old object), {len(controls)} clean controls, and one that only fills a bounded cache of the interpreter. The driver
of each scenario reloads it {ROUNDS} times. The sources are in `proofs/peers/cases.py`; `python proofs/peers/table.py`
runs them and writes this page.

| checker | caught | holder named | leaking line named | false positives | median s |
|---|---|---|---|---|---|
{ours}
{PEERS}
This plugin was measured on CPython {version}, one scenario at a time. Its times include what else the machine did
meanwhile. The other tools were measured once, three scenarios at a time, so their times are good to about a factor of
two. They ran on CPython 3.13.0 (3.13.5 for `limit_leaked_objects`), and on debug builds where the table says so.

For the other tools, the whole output was searched for the name of the holder or of the resource. For this plugin, a
holder counts as named only if a finding's holder or trace has the name. Several tools look for something else, such as
threads or open files. Their rows show that most leaks of a reload are not of that kind; they do not judge these tools
at their own job.

Of the {len(references)} leaks that keep an old object of the target, {sum(r.failed for r in references)} are caught
and {sum(r.names_holder for r in references)} have their holder named. The other {len(due) - len(references)} keep no
old object: a lost descriptor, a child process, a plain log handler, a path. The effects' probes find those.

The bounded cache (`grey_typing_cache`) is {"reported" if grey.failed else "not reported"}: old classes in it are no
leak.

## Scenario by scenario

| scenario | kind | verdict | findings | s |
|---|---|---|---|---|
{chr(10).join(row.line() for row in rows)}
"""


def main(names: list[str]) -> int:
    """Measure and write, or print the rows of the scenarios named."""
    unknown = sorted(set(names) - set(SCENARIOS))
    if unknown:
        sys.exit(f"table.py: no scenario {unknown[0]!r}; there are {', '.join(SCENARIOS)}")
    rows = []
    for name in names or SCENARIOS:
        rows.append(measure(SCENARIOS[name]))
        sys.stdout.write(rows[-1].line() + "\n")
        sys.stdout.flush()
    if not names:
        PAGE.write_text(page(rows), encoding="utf-8")
        sys.stdout.write(f"wrote {PAGE.name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
