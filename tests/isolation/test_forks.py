"""A worker that is forked from a server is like a fresh interpreter, and has the same guarantees."""

import json
import os
import signal
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest
from support import is_running

from pytest_reloadleak.isolation import serving
from pytest_reloadleak.isolation.pool import Pool
from pytest_reloadleak.isolation.server import Server
from pytest_reloadleak.isolation.worker import Job, Worker
from pytest_reloadleak.settings import Settings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks of a server are for Linux")
SETTINGS = Settings(rounds=2, warmup=0)
LEAKY = "import keeper\ndef f(): pass\nkeeper.kept.append(f)\n"


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a module into a folder that can be imported from; returns its name."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "keeper.py").write_text("kept = []\n")

    def write(source, name="forked_target"):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(source))
        return name

    return write


@pytest.fixture
def server(write):
    """A server that started with this directory and `sys.path`."""
    server = Server()
    yield server
    server.close()


def job(name, timeout_s=60):
    """The job of a check of a module."""
    return Job(name, SETTINGS, timeout_s)


def eventually(condition, seconds=20):
    """Wait until a condition holds; returns whether it does."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


SHOWS = """
    import __main__, gc, json, os, resource, signal, sys, threading, warnings
    def descriptors():
        links = {int(n): os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd") if n != "99"
                 if os.path.exists(f"/proc/self/fd/{n}")}
        return sorted(link.split(":")[0] if number > 2 else str(number) for number, link in links.items())
    seen = {
        "argv": sys.argv,
        "orig_argv": [part for part in getattr(sys, "orig_argv", []) if "/proc/" not in part],
        "descriptors": descriptors(),
        "modules": sorted(n for n in sys.modules if not n.startswith("pytest_reloadleak")),
        "main": sorted(vars(__main__)),
        "path": sys.path,
        "cwd": os.getcwd(),
        "flags": str(sys.flags),
        "options": sys._xoptions,
        "filters": [str(one) for one in warnings.filters],
        "environment": {k: v for k, v in os.environ.items() if k != "PYTEST_RELOADLEAK_CHECK"},
        "is_leader": (os.getsid(0) == os.getpid(), os.getpgrp() == os.getpid()),
        "gc": (gc.isenabled(), gc.get_threshold(), gc.get_freeze_count()),
        "threads": (threading.active_count(), len(os.listdir("/proc/self/task")), threading.current_thread().name),
        "signals": {str(n): str(signal.getsignal(n)) for n in signal.valid_signals()},
        "mask": sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, ()))),
        "limits": {n: resource.getrlimit(getattr(resource, n)) for n in dir(resource) if n.startswith("RLIMIT")},
        "umask": oct(os.umask(0o22)),
        "streams": [(s.encoding, s.errors, s.line_buffering, s.seekable()) for s in (sys.stdin, sys.stdout)],
    }
    open(os.environ["SEEN"], "w").write(json.dumps(seen))
"""


def test_a_target_sees_what_a_fresh_interpreter_has(write, tmp_path, monkeypatch):
    """Arguments, modules, descriptors, environment, signals, limits, collector and streams are the same."""
    name = write(SHOWS)
    monkeypatch.setenv("SEEN", str(tmp_path / "seen"))
    seen = []
    server = Server()
    try:
        for where in (None, server):
            assert Worker(job(name), where).outcome().report.outcome == "clean"
            seen.append(json.loads((tmp_path / "seen").read_text()))
    finally:
        server.close()
    for key in seen[0]:
        assert seen[0][key] == seen[1][key], key


def test_forks_of_one_server_share_nothing_but_the_start(write, server, tmp_path):
    """What one target did to its process is not there for the next, and random numbers differ."""
    name = write(
        """
        import os, random, sys, builtins
        assert not hasattr(builtins, "spoiled")
        builtins.spoiled = True
        open("numbers", "a").write(f"{random.random()} {os.getppid()}\\n")
        """
    )
    assert all(Worker(job(name), server).outcome().report.error is not None for _ in range(2))
    lines = (tmp_path / "numbers").read_text().split()
    assert len(set(lines[::2])) == 2
    assert len(set(lines[1::2])) == 1
    assert os.getpid() != int(lines[1])


def test_a_leak_is_found_and_proven_in_a_fork(write, server):
    """The verdict and its parts are those of a fresh interpreter."""
    name = write(LEAKY)
    fresh, forked = (Worker(job(name), where).outcome().report for where in (None, server))
    assert forked.outcome == "leaking"
    assert forked.findings == fresh.findings
    assert forked.findings[0].proven is True


def test_a_module_that_was_written_after_the_start_is_found(write, server):
    """No listing of a directory is older than the check."""
    assert Worker(job(write("x = 1", "first")), server).outcome().report.outcome == "clean"
    assert Worker(job(write("x = 1", "second")), server).outcome().report.outcome == "clean"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import os\nos._exit(3)", "the worker exited with status 3"),
        (
            "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)",
            "the worker was killed by signal SIGSEGV",
        ),
        ("import time\ntime.sleep(60)", "timed out after 1 s"),
        ("import os, time\nif os.fork(): os._exit(0)", "the worker exited with status 0"),
    ],
    ids=["exit", "crash", "hang", "fork"],
)
def test_the_end_of_the_fork_counts(write, server, source, reason):
    """Only the process that was started answers, and the server goes on."""
    outcome = Worker(job(write(source), 1 if "sleep" in source else 60), server).outcome()
    assert (outcome.report.outcome, outcome.report.reason.startswith(reason)) == ("error", True), outcome
    if "sleep" in source:
        assert "forked_target.py:2 in <module>" in outcome.report.reason
    assert Worker(job(write("x = 1", "next_target")), server).outcome().report.outcome == "clean"


def test_a_child_in_a_session_of_its_own_is_ended(write, server, tmp_path):
    """It has the mark of its own check, and no other check's process has."""
    name = write(
        """
        import os, time
        if not os.path.exists("child") and not os.fork():
            os.setsid()
            open("child", "w").write(str(os.getpid()))
            time.sleep(600)
        while not os.path.exists("child") or not open("child").read(): pass
        """
    )
    Worker(job(name), server).outcome()
    assert eventually(lambda: not is_running(int((tmp_path / "child").read_text())))
    assert server.fits()


KILLS = "import os, signal\nopen('killed', 'a').write('x')\nos.kill(os.getppid(), signal.SIGKILL)\n"


def test_a_server_that_ends_costs_no_verdict(write, tmp_path):
    """A server that is killed from outside is replaced; the check that it served is repeated."""
    once = KILLS.replace("open(", "if not os.path.exists('killed'): open(").replace("\nos.kill", "; os.kill")
    pool = Pool()
    try:
        for name in (write("x = 1", "one"), write("x = 1", "two"), write(once), write(LEAKY, "leaky")):
            report = pool.outcome(name, job(name)).report
            assert report.outcome == ("leaking" if name == "leaky" else "clean"), report.reason
    finally:
        pool.close()
    assert (tmp_path / "killed").read_text() == "x"


def test_a_target_that_ends_its_parent_does_not_end_the_session(write):
    """It is an error that says so, and the next check goes on."""
    pool = Pool()
    try:
        for name in (write("x = 1", "one"), write("x = 1", "two")):
            assert pool.outcome(name, job(name)).report.outcome == "clean"
        report = pool.outcome("kills", job(write(KILLS))).report
        assert report.outcome == "error"
        assert report.reason.startswith(
            "the process from which the worker was forked ended before the check did"
        )
        assert pool.outcome("leaky", job(write(LEAKY, "leaky"))).report.outcome == "leaking"
    finally:
        pool.close()


@pytest.mark.parametrize("change", ["environment", "directory", "path", "mask"])
def test_what_a_worker_inherits_is_that_of_now(write, tmp_path, monkeypatch, change):
    """After a change in this process, a server that started before it serves no more."""
    server = Server()
    try:
        assert server.fits()
        if change == "environment":
            monkeypatch.setenv("SOMETHING", "new")
        elif change == "directory":
            (tmp_path / "below").mkdir()
            monkeypatch.chdir(tmp_path / "below")
        elif change == "path":
            monkeypatch.syspath_prepend(tmp_path / "below")
        else:
            before = os.umask(0o077)
            monkeypatch.setattr(sys, "exitfunc", None, raising=False)
            assert not server.fits()
            os.umask(before)
            assert server.fits()
            return
        assert not server.fits()
    finally:
        server.close()


@pytest.mark.parametrize("why", ["thread", "trace", "coverage"])
def test_a_server_that_is_not_plain_says_so(why, monkeypatch):
    """Where something besides the tool runs in the server, its forks would not be like fresh interpreters."""
    if why == "thread":
        monkeypatch.setattr(serving.os, "listdir", lambda _: ["1", "2"])
    elif why == "trace":
        monkeypatch.setattr(serving.sys, "gettrace", lambda: print)
    else:
        monkeypatch.setitem(sys.modules, "coverage", sys)
    assert serving._unfit("no mark")


@pytest.mark.parametrize("is_stopped", [False, True])
def test_a_server_ends_with_its_parent_and_its_worker_too(is_stopped, write, tmp_path):
    """A target that has closed its tether is ended by the server, also by one that somebody stopped (SIGSTOP)."""
    write(
        "import os\nopen('pid', 'w').write(f'{os.getpid()} {os.getppid()}')\nos.closerange(3, 99)\nwhile True: pass\n"
    )
    parent = started(tmp_path, 'Worker(Job("forked_target", Settings(), 600), Server()).outcome()')
    numbers = told(tmp_path / "pid", 2)
    if is_stopped:
        os.kill(numbers[1], signal.SIGSTOP)
        assert eventually(lambda: psutil.Process(numbers[1]).status() == psutil.STATUS_STOPPED)
    parent.kill()
    parent.wait()
    assert_ended(numbers)


STOPS = """
    import os, signal
    with open("pid", "w") as file:
        file.write(str(os.getpid()))
    os.kill(os.getpid(), signal.SIGSTOP)
"""


@pytest.mark.parametrize(
    "start", ['Worker(Job("any", Settings(), 600)).outcome()', "Server().fits()"], ids=["worker", "server"]
)
def test_what_was_stopped_while_it_started_ends_with_its_parent(start, tmp_path):
    """It had no time to ask for a signal: its parent has asked for it."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(textwrap.dedent(STOPS))
    first = "import os; os.environ['PYTHONPATH'] = os.path.abspath('site')"
    parent = started(tmp_path, f"{first}\n{start}")
    numbers = told(tmp_path / "pid", 1)
    assert eventually(lambda: psutil.Process(numbers[0]).status() == psutil.STATUS_STOPPED)
    parent.kill()
    parent.wait()
    assert_ended(numbers)


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_fork_that_has_not_begun_ends_with_its_server(is_killed, tmp_path):
    """It has no session and no mark of its own yet: here it waits for its job, which nobody writes."""
    os.mkfifo(tmp_path / "job")
    end = "import time; time.sleep(600)" if is_killed else "server.close()"
    tell = "open('pid', 'w').write(str(forked.pid))"
    start = f"server = Server()\nassert server.fits()\nforked = server.fork('job')\n{tell}\n{end}"
    parent = started(tmp_path, start)
    numbers = told(tmp_path / "pid", 1, are_alive=is_killed)
    if is_killed:
        parent.kill()
    parent.wait()
    assert_ended(numbers)


def started(directory, code):
    """A process that makes workers."""
    imports = """
        from pytest_reloadleak.isolation.server import Server
        from pytest_reloadleak.isolation.worker import Job, Worker
        from pytest_reloadleak.settings import Settings
    """
    path = os.pathsep.join(map(str, (Path.cwd(), *sys.path)))
    command = [sys.executable, "-c", f"{textwrap.dedent(imports)}\n{code}"]
    return psutil.Popen(command, cwd=directory, env={**os.environ, "PYTHONPATH": path})


def told(file, count, *, are_alive=True):
    """The numbers of processes, as soon as a file has so many."""
    assert eventually(lambda: file.exists() and len(file.read_text().split()) == count)
    numbers = [int(word) for word in file.read_text().split()]
    assert not are_alive or all(map(is_running, numbers))
    return numbers


def assert_ended(numbers):
    """These processes end, and are ended here if they do not."""
    try:
        assert eventually(lambda: not any(map(is_running, numbers)))
    finally:
        for pid in filter(is_running, numbers):
            os.kill(pid, signal.SIGKILL)


def test_nothing_is_left_when_the_pool_is_closed(write, tmp_path):
    """Neither a process nor a descriptor, also while a check runs."""
    before = (len(os.listdir("/proc/self/fd")), len(psutil.Process().children()))
    pool = Pool()
    for name in (write("x = 1", "one"), write("x = 1", "two")):
        pool.outcome(name, job(name))
    assert psutil.Process().children()
    pool.expect("hangs", job(write("open('begun', 'w')\nwhile True: pass")))
    pool._fill()
    assert eventually((tmp_path / "begun").exists)
    pool.close()
    assert (len(os.listdir("/proc/self/fd")), len(psutil.Process().children())) == before
