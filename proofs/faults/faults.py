"""Kill processes of a checking session at random moments: every target has an outcome, and nothing stays behind.

    python proofs/faults/faults.py [--runs 50] [--targets 200] [--seed N] [--every SECONDS]

Each run checks all targets, alternately by one process of pytest and by two of pytest-xdist. Meanwhile some process
below pytest gets a signal about every `--every` seconds: workers, the servers from which they are forked, and now and
then a process of xdist. In each fifth run pytest itself is killed. Then the earlier report must still be there.

A run fails if a target has no entry or several, if a leaking target is clean or a clean one leaks, if the report is
incomplete or differs from the line of counts, if the exit status is wrong, or if a process or a temporary file is left.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil

SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGABRT, signal.SIGSTOP)
TIMEOUT_S = 20
GRACE_S = 5
"""For the end of what was started: the tether of a worker works at once, but the machine may be busy."""
MOST_OF_XDIST = 3
"""Processes of xdist to kill in one run: it makes a new one each time."""

HOST = "kept = []\n"
CLEAN = "import time\ndef f(): pass\ntime.sleep(0.005)\n"
LEAKY = "import host\ndef f(): pass\nhost.kept.append(f)\n"
CHILD = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'pass'], check=True)\ndef f(): pass\n"
BODIES = (
    *(CLEAN,) * 7,
    LEAKY,
    CHILD,
    "import threading\nt = threading.Thread(target=int)\nt.start(); t.join()\n",
)
OLD = '{"old": true}'


class Run:
    """One session in a project of its own.

    Args:
        directory: where the project is.
        targets: how many there are.
        is_distributed: whether two processes of xdist run them.
    """

    def __init__(self, directory: Path, targets: int, *, is_distributed: bool) -> None:
        self.directory = directory
        self.names = [f"target{number:03}" for number in range(targets)]
        self.is_distributed = is_distributed
        self.report = directory / "report.json"
        self.token = f"faults-{os.getpid()}-{random.getrandbits(64):x}"
        self.killed: Counter[str] = Counter()
        self._temporary = directory / "tmp"
        self.output = directory / "output.txt"

    def start(self) -> subprocess.Popen[bytes]:
        """Write the project and start pytest."""
        self._temporary.mkdir(parents=True)
        (self.directory / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
        (self.directory / "host.py").write_text(HOST)
        for number, name in enumerate(self.names):
            (self.directory / f"{name}.py").write_text(BODIES[number % len(BODIES)])
        self.report.write_text(OLD)
        command = [sys.executable, "-m", "pytest", "-q", "-preloadleak", "--reload-leak-check", "--tb=no"]
        command += [f"--reload-leak-target={name}" for name in self.names]
        command += ["--reload-leak-rounds=1", f"--reload-leak-timeout={TIMEOUT_S}"]
        command += [f"--reload-leak-json={self.report}", *(["-pxdist", "-n2"] if self.is_distributed else [])]
        environment = {**os.environ, "FAULTS": self.token, "TMPDIR": str(self._temporary), "CI": ""}
        environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        with self.output.open("wb") as output:
            return subprocess.Popen(
                command,
                cwd=self.directory,
                env=environment,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
            )

    def strike(self, pytest: psutil.Process) -> None:
        """Send a signal to some process below pytest."""
        victims = list(self._victims(pytest))
        if not victims:
            return
        kind, process = random.choice(victims)
        number = signal.SIGKILL if kind == "xdist" else random.choice(SIGNALS)
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            return
        self.killed[f"{kind} {number.name}"] += 1

    def _victims(self, pytest: psutil.Process) -> Iterator[tuple[str, psutil.Process]]:
        try:
            found = pytest.children(recursive=True)
        except psutil.NoSuchProcess:
            return
        for process in found:
            try:
                is_gateway = self.is_distributed and process.ppid() == pytest.pid
            except psutil.NoSuchProcess:
                continue
            if not is_gateway:
                yield "below", process
            elif self.killed["xdist SIGKILL"] < MOST_OF_XDIST and random.random() < 0.1 and works(process):
                yield "xdist", process

    def faults(self, status: int, *, is_cut: bool) -> Iterator[str]:
        """What is wrong after the end."""
        yield from self._left()
        if is_cut:
            if self.report.read_text() != OLD:
                yield from self._wrong_entries(status)  # it was killed when all was done
            return
        text = self.output.read_text(errors="replace")
        for sign in ("INTERNALERROR", "Traceback (most recent call last)"):
            if sign in text:
                yield f"{sign} in {self.output}"
        yield from self._wrong_entries(status)

    def _wrong_entries(self, status: int) -> Iterator[str]:
        report = json.loads(self.report.read_text())
        if "checks" not in report:
            yield f"no report was written (status {status})"
            return
        counts = Counter(check["target"] for check in report["checks"])
        for name in self.names:
            if counts[name] != 1:
                yield f"{name} has {counts[name]} entries"
        if not report["complete"] or report["collected"] != len(self.names):
            yield f"complete {report['complete']}, collected {report['collected']}"
        outcomes = {check["target"]: check["outcome"] for check in report["checks"]}
        for number, name in enumerate(self.names):
            right = "leaking" if BODIES[number % len(BODIES)] is LEAKY else "clean"
            if outcomes.get(name) not in {right, "error"}:
                yield f"{name} is {outcomes.get(name)}, not {right}"
        if status not in {1, -signal.SIGKILL}:
            yield f"exit status {status}"
        told = Counter(outcomes.values())
        line = f"reload-leak: {len(self.names)} checked, {told['leaking']} leaking, 0 known, {told['error']} errors"
        if status == 1 and line not in self.output.read_text(errors="replace"):
            yield f"the last line is not {line!r}"

    def _left(self) -> Iterator[str]:
        """Processes and files that are left."""
        end_s = time.monotonic() + GRACE_S
        while (left := list(self._alive())) and time.monotonic() < end_s:
            time.sleep(0.1)
        for process in left:
            yield f"process {process.pid} is left: {' '.join(process.cmdline())[:200]}"
            process.kill()
        for path in self._temporary.rglob("*reloadleak*"):
            yield f"a file is left: {path}"

    def _alive(self) -> Iterator[psutil.Process]:
        return filter(self._is_mine, psutil.process_iter())

    def _is_mine(self, process: psutil.Process) -> bool:
        try:
            return process.status() != psutil.STATUS_ZOMBIE and process.environ().get("FAULTS") == self.token
        except psutil.Error:
            return False


def works(gateway: psutil.Process) -> bool:
    """Whether a process of xdist has begun to check: xdist itself fails if one ends while it starts."""
    try:
        return bool(gateway.children())
    except psutil.NoSuchProcess:
        return False


def one(
    directory: Path, targets: int, every_s: float, *, is_distributed: bool, is_cut: bool
) -> tuple[list[str], Run]:
    """Make one run; returns what is wrong, and the run."""
    run = Run(directory, targets, is_distributed=is_distributed)
    started = run.start()
    process = psutil.Process(started.pid)
    over = threading.Event()
    cut_s = time.monotonic() + random.uniform(1.5, 6) if is_cut else None

    def trouble() -> None:
        while not over.wait(random.expovariate(1 / every_s)):
            if cut_s is not None and time.monotonic() > cut_s:
                started.kill()
                return
            run.strike(process)

    thread = threading.Thread(target=trouble)
    thread.start()
    try:
        status = started.wait(60 + targets * TIMEOUT_S)
    finally:
        over.set()
        thread.join()
        if started.poll() is None:
            started.kill()
    return list(run.faults(status, is_cut=is_cut)), run


def main() -> int:
    """Make the runs, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--targets", type=int, default=200)
    parser.add_argument("--every", type=float, default=0.3)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    given = parser.parse_args()
    random.seed(given.seed)
    print(f"seed {given.seed}")
    failures = 0
    for number in range(given.runs):
        begun_s = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            faults, run = one(
                Path(folder) / "project",
                given.targets,
                given.every,
                is_distributed=bool(number % 2),
                is_cut=number % 5 == 4,
            )
            how = "xdist" if run.is_distributed else "serial"
            killed = sum(run.killed.values())
            print(
                f"run {number + 1}: {how}, {killed} signals, {time.monotonic() - begun_s:.0f} s: "
                f"{'; '.join(faults) or 'as it should be'}",
                flush=True,
            )
            if faults:
                print(run.output.read_text(errors="replace")[-2000:])
        failures += bool(faults)
    print(f"{given.runs} runs, {failures} with faults")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
