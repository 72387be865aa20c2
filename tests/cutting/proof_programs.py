"""The leaking twins of `cases` as programs to prove, and how to run them: many in one process, where they allow it."""

import json
import subprocess
import sys
from pathlib import Path

from cases import edges, loops, open_things, registries, watched

SCRIPT = Path(__file__).with_name("prove_programs.py")


def program(name, files, strategy="reimport", *, target="plugin", rounds=edges.ROUNDS):
    """A program as the script reads it."""
    return {"name": name, "files": dict(files), "target": target, "strategy": strategy, "rounds": rounds}


def of_edges(strategy, *, own_process):
    """Twins of references, those that need a process of their own or the others."""
    return [
        program(t.name, t.leaking, strategy, target=t.target)
        for t in edges.TWINS
        if strategy in t.strategies and t.own_process is own_process
    ]


def of_registries(strategy):
    """Registries that can be listed."""
    # What the present generation of the case before has in `warnings.filters` looks like what this one leaves there.
    first = sorted(
        registries.CASES, key=lambda case: case.name != "warnings.filters with what is there already"
    )
    return [program(case.name, case.files("leaking"), strategy) for case in first]


def of_loops(strategy):
    """What is left on an event loop."""
    return [program(t.name, t.files("leaking"), strategy) for t in loops.TWINS]


def of_open_things(strategy):
    """Descriptors and children."""
    return [
        program(t.name, {"host": open_things.HOST, "plugin": t.leaking}, strategy)
        for t in open_things.TWINS
        if not t.own_process
    ]


def of_watched(strategy):
    """Registrations that cannot be listed: each needs a process of its own."""
    return [program(t.name, t.files("leaking"), strategy) for t in watched.APPLICABLE]


def reports(programs):
    """The reports on some programs, all in one process."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT)],
        input=json.dumps(programs),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == len(programs), f"the process ended after {len(found)} of them: {done.stderr}"
    return dict(zip([one["name"] for one in programs], found, strict=True))
