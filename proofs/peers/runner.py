"""Runs one scenario in a pytest of its own, which is ended for certain, whatever the scenario left running."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cases import Scenario

CONFTEST = """
import os, sys, time, pytest

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    begun = time.perf_counter()
    result = yield
    with open("elapsed.txt", "a") as file:
        file.write(f"{time.perf_counter() - begun} {item.nodeid}\\n")
    return result

@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session, exitstatus):
    session.config.stash_status = int(exitstatus)

@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    # Threads that a scenario left would keep the interpreter from ending.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(getattr(config, "stash_status", 3))
"""
TEST = """
import driver

def test_reload(reload_leaks):
    reload_leaks.check({checked!r}, reload=driver.cycle, rounds={rounds})
"""
TRUTH = """
import gc, os, sys
import driver

modules = sys.modules

def descriptors():
    return len(os.listdir("/proc/self/fd"))

def children():
    with open(f"/proc/self/task/{{os.getpid()}}/children") as file:
        return len(file.read().split())

def functions(name):
    return sum(type(o).__name__ == "function" and o.__name__ == name for o in gc.get_objects())

def depth(f):
    found = 0
    while callable(f) and getattr(f, "__closure__", None):
        found, f = found + 1, f.__closure__[0].cell_contents
    return found

driver.cycle()
before = {probe}
for _ in range({rounds}):
    driver.cycle()
gc.collect()
after = {probe}
with open("truth.txt", "w") as file:
    print(int(before), int(after), file=file)
os._exit(0)
"""
TIMEOUT_S = 90


@dataclass(frozen=True)
class Outcome:
    """What a scenario's pytest said."""

    status: int
    text: str
    """Its output, without the lines that only quote the test and its driver."""
    checks: dict[str, dict[str, Any]]
    """The entries of the JSON report by strategy."""
    elapsed_s: float
    """Time of the test with the callable: set-up, call and teardown."""


def run(scenario: Scenario, directory: Path, *, rounds: int = 5, strategies: tuple[str, ...] = ()) -> Outcome:
    """Run `scenario` in `directory`: its own reload as a callable, then `strategies`, each in an item of its own."""
    test = TEST.format(checked=scenario.checked, rounds=rounds)
    _write(directory, {**_files(scenario), "conftest.py": CONFTEST, "test_reload.py": test})
    command = [sys.executable, "-m", "pytest", "-p", "pytest_reloadleak.plugin", "-v", "--tb=short"]
    command += ["--reload-leak-json=report.json"]
    if strategies:
        command += ["--reload-leak-check", f"--reload-leak-target={scenario.checked}"]
        command += [f"--reload-leak-strategy={name}" for name in strategies]
        command += [f"--reload-leak-rounds={rounds}"]
    status = _run(command, directory)
    report = directory / "report.json"
    checks = json.loads(report.read_text())["checks"] if report.exists() else []
    timed = (
        (directory / "elapsed.txt").read_text().split() if (directory / "elapsed.txt").exists() else ["nan"]
    )
    return Outcome(
        status=status,
        text=_without_sources((directory / "out.txt").read_text()),
        checks={check["strategy"]: check for check in checks},
        elapsed_s=float(timed[0]),
    )


def truth(scenario: Scenario, directory: Path, *, rounds: int) -> tuple[int, int]:
    """What the scenario's own probe counts before and after `rounds` reloads, with no checker around."""
    script = TRUTH.format(probe=scenario.probe, rounds=rounds)
    _write(directory, {**_files(scenario), "truth.py": script})
    status = _run([sys.executable, "truth.py"], directory)
    if status:
        raise RuntimeError(f"{scenario.name} ended with {status}: {(directory / 'out.txt').read_text()}")
    before, after = map(int, (directory / "truth.txt").read_text().split())
    return before, after


def _files(scenario: Scenario) -> dict[str, str]:
    return {**scenario.sources, "driver.py": scenario.driver, "data.txt": "x"}


def _write(directory: Path, files: dict[str, str]) -> None:
    for path, source in files.items():
        (directory / path).parent.mkdir(exist_ok=True)
        (directory / path).write_text(source)


def _run(command: list[str], directory: Path) -> int:
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environment.pop("PYTEST_ADDOPTS", None)
    with (directory / "out.txt").open("w") as out:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            return process.wait(timeout=TIMEOUT_S)
        finally:
            # Children that the scenario left are in the same group.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _without_sources(text: str) -> str:
    """The output without the lines that only quote the test or the driver."""
    quoting = ("driver.cycle", "import driver", "reload_leaks.check(")
    return "\n".join(line for line in text.splitlines() if not any(quoted in line for quoted in quoting))
