"""Processes whose parent has ended, so that no list of this process has them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="known from /proc")

SPAWNS = """
import pathlib, subprocess, time
import pids

def start():
    done = subprocess.run(["sh", "-c", "setsid sleep 60 >/dev/null 2>&1 & echo $!"], capture_output=True, check=True)
    pids.note(int(done.stdout))
    while pathlib.Path(f"/proc/{int(done.stdout)}/cmdline").read_bytes() != b"sleep\\x0060\\x00":
        time.sleep(0.01)  # until then it has the shell's command line

start()
"""
"""A shell starts a daemon and ends."""

FORKS = """
import os, time
import pids

def start():
    reader, writer = os.pipe()
    if os.fork() == 0:
        if os.fork() == 0:
            os.setsid()
            os.write(writer, str(os.getpid()).encode())
            time.sleep(60)
        os._exit(0)
    os.wait()
    pids.note(int(os.read(reader, 20)))
    os.close(reader)
    os.close(writer)

start()
"""
"""The classic daemon: forked twice, nothing executed."""

PIDS = """
import os, signal
from pathlib import Path

FILE = Path(__file__).with_name("started.txt")
last = []

def note(pid):
    with FILE.open("a") as file:
        file.write(f"{pid}\\n")
    last.append(pid)

def end_last():
    for pid in last:
        os.kill(pid, signal.SIGKILL)
    last.clear()
"""
CURE = "import pids\npids.end_last()\n"


@pytest.fixture
def check(pytester):
    """Check a target in a process of its own; afterwards none of those that it started runs."""

    def check(source, isolation="process"):
        pytester.makepyfile(pids=PIDS, plugin=source, test_it="def test_it(): pass")
        pytester.syspathinsert()
        result = pytester.runpytest_subprocess(
            "--reload-leak-check",
            "--reload-leak-target=plugin",
            f"--reload-leak-isolation={isolation}",
            "--reload-leak-json=report.json",
        )
        (report,) = json.loads((pytester.path / "report.json").read_text())["checks"]
        return result, report

    yield check
    for pid in started(pytester.path):
        if is_running(pid):
            os.kill(pid, 9)


def started(directory: Path) -> list[int]:
    """Processes that a target noted."""
    file = directory / "started.txt"
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def is_running(pid: int) -> bool:
    """Whether a process runs, and is no zombie that a container's init does not wait for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("source", "path"),
    [(SPAWNS, "orphaned process 'sleep 60'"), (FORKS, "orphaned process (forked)")],
    ids=["a daemon that a shell left", "a daemon that was forked twice"],
)
def test_a_daemon_whose_parent_ended_is_found_and_ended(source, path, check, pytester):
    """One finding, with its number and command; when the check is over none of them runs on."""
    _, report = check(source)

    (finding,) = report["findings"]
    assert (finding["kind"], finding["growth"], finding["holder"]["path"]) == (
        "child-process",
        "growing",
        path,
    )
    assert finding["per_round"] == 1
    assert finding["held"]["name"] == "plugin"
    assert "its parent is gone" in finding["advice"]
    assert started(pytester.path)
    assert [pid for pid in started(pytester.path) if is_running(pid)] == []


@pytest.mark.parametrize("source", [SPAWNS, FORKS], ids=["by a shell", "forked twice"])
def test_a_daemon_that_each_generation_ends_for_its_predecessor_is_clean(source, check):
    """The cured twin."""
    _, report = check(CURE + source)

    assert (report["outcome"], report["findings"], report["error"]) == ("clean", [], None)


def test_it_is_found_beside_the_tests_too(check, monkeypatch, pytester):
    """In one process with the tests what executed a program is known, and the environment is as it was."""
    monkeypatch.delenv("PYTEST_RELOADLEAK_CHECK", raising=False)
    pytester.makeconftest(
        """
        import os

        def pytest_sessionfinish():
            assert "PYTEST_RELOADLEAK_CHECK" not in os.environ
        """
    )
    _, report = check(SPAWNS, isolation="none")

    assert [f["holder"]["path"] for f in report["findings"]] == ["orphaned process 'sleep 60'"]
