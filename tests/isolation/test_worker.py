import json
import os
import sys
import tempfile
import time
from fnmatch import fnmatchcase
from pathlib import Path

import psutil
import pytest

from pytest_reloadleak.errors import UsageError
from pytest_reloadleak.isolation import worker
from pytest_reloadleak.settings import Settings

SETTINGS = Settings(rounds=2, warmup=1, nodeid="the::node")


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a module into a directory that `sys.path` leads to, which workers take over."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)

    def write(name, source):
        (tmp_path / f"{name}.py").write_text(source)
        return name

    return write


@pytest.fixture(autouse=True)
def nothing_left_behind(tmp_path_factory, monkeypatch):
    """After each test neither a file of the worker's nor a child process is left."""
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    yield
    assert list(folder.iterdir()) == []
    left = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
    assert left == []


def test_a_report_comes_back_as_it_was_made(write):
    """The parent gets the worker's report with its settings and node id, and what the target printed."""
    outcome = worker.run(write("talks", "print('hello')\n"), SETTINGS, 30)

    report = outcome.report
    assert (report.target, report.outcome, report.nodeid) == ("talks", "clean", "the::node")
    assert (report.rounds, report.warmup, report.strategy) == (2, 1, "reimport")
    assert outcome.output == "hello\n" * 4


def test_a_leak_is_found_in_the_worker(write):
    """Findings cross the process with all of their parts; the cured twin has none."""
    write("hub", "kept = []\n")
    leaky = worker.run(write("leaky", "import hub\ndef f(): pass\nhub.kept.append(f)\n"), SETTINGS, 30).report
    cured = worker.run(write("cured", "import hub\ndef f(): pass\nhub.kept[:] = [f]\n"), SETTINGS, 30).report

    assert (leaky.outcome, cured.outcome) == ("leaking", "clean")
    ((holder, held),) = [(finding.holder, finding.held) for finding in leaky.findings]
    assert (holder.path, held.name, held.line) == ("hub.kept[*]", "leaky.f", 2)


def test_nothing_of_the_target_enters_this_process(write):
    """The parent imports neither the target nor what it imports."""
    write("inner", "")
    worker.run(write("outer", "import inner\n"), SETTINGS, 30)

    assert {"inner", "outer"} & set(sys.modules) == set()


def test_the_worker_has_the_interpreter_and_flags_of_its_parent(write, tmp_path):
    """Interpreter, flags, environment, working directory and `sys.path` are those of the parent."""
    source = (
        "import json, os, sys\n"
        "seen = [sys.executable, sys.flags.utf8_mode, sys.flags.dont_write_bytecode, os.getcwd(), sys.path]\n"
        "open('seen', 'w').write(json.dumps(seen))\n"
    )
    worker.run(write("sees", source), SETTINGS, 30)

    executable, utf8, bytecode, directory, path = json.loads((tmp_path / "seen").read_text())
    assert executable == sys.executable
    assert (utf8, bytecode) == (sys.flags.utf8_mode, sys.flags.dont_write_bytecode)
    assert directory == str(tmp_path)
    assert path == [entry or os.getcwd() for entry in sys.path]


def test_a_target_that_is_refused_there_is_refused_here(write):
    """A usage error of the worker reaches the caller as one."""
    with pytest.raises(UsageError, match="unknown target 'no_such_module'"):
        worker.run("no_such_module", SETTINGS, 30)


def test_an_odd_argument_vector_of_the_target_is_its_own(write):
    """What the target does to `sys.argv` and to the standard streams does not lose the report."""
    source = "import sys\nsys.argv[:] = []\nsys.stdout.close()\nsys.stderr = None\n"

    assert worker.run(write("odd", source), SETTINGS, 30).report.outcome == "clean"


def test_a_target_that_collects_garbage_in_its_own_way_is_checked(write):
    """A target that turns the collector off, or replaces `gc.collect`, gets its report all the same."""
    source = "import gc\ngc.disable()\ngc.collect = lambda *_: 0\ngc.set_threshold(0)\n"

    assert worker.run(write("odd", source), SETTINGS, 30).report.outcome == "clean"


def test_a_hook_at_exit_does_not_run(write, tmp_path):
    """A worker leaves at once: neither `atexit` hooks of the target nor its threads can hold it up."""
    source = (
        "import atexit, threading, time, pathlib\n"
        "atexit.register(pathlib.Path('ran').touch)\n"
        "threading.Thread(target=time.sleep, args=(60,)).start()\n"
    )
    begun_s = time.monotonic()

    worker.run(write("holds", source), SETTINGS, 30)

    assert time.monotonic() - begun_s < 15
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import os\nos._exit(7)\n", "the worker exited with status 7 before the check finished"),
        ("import os\nos._exit(0)\n", "the worker exited with status 0 before the check finished"),
        ("import os\nos.kill(os.getpid(), 9)\n", "the worker was killed by signal SIGKILL"),
        (
            "import time\ntime.sleep(60)\n",
            "timed out after 1 s (--reload-leak-timeout), at *ends.py:2 in <module>",
        ),
    ],
    ids=["status 7", "status 0", "killed", "timeout"],
)
def test_a_worker_that_does_not_finish_is_an_error(write, source, reason):
    """The report of a worker that died has the outcome `error`, its reason, and the settings of the check."""
    timeout_s = 1 if "sleep" in source else 30

    report = worker.run(write("ends", source), SETTINGS, timeout_s).report

    assert (report.outcome, report.error) == ("error", report.reason)
    assert fnmatchcase(report.reason, reason)
    assert (report.target, report.nodeid, report.rounds) == ("ends", "the::node", 2)
    assert report.duration_s > 0


def test_a_result_that_was_written_counts_whatever_came_after(write):
    """A target that forges or breaks nothing of ours cannot pass for clean by leaving early with status 0."""
    source = "import os, sys\nif 'again' in sys.modules:\n    os._exit(0)\nsys.modules['again'] = os\n"

    assert worker.run(write("leaves", source), SETTINGS, 30).report.outcome == "error"


def test_a_child_that_keeps_the_output_open_does_not_hold_up_the_parent(write):
    """A child process of the target that inherited its output is ended, and nobody waits for it."""
    source = "import subprocess, sys\nsubprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(60)'])\n"
    begun_s = time.monotonic()

    worker.run(write("spawns", source), SETTINGS, 30)

    assert time.monotonic() - begun_s < 15


def test_an_interrupt_ends_the_worker(write, tmp_path, monkeypatch):
    """When the parent is interrupted while it waits, the worker and its children are ended before that goes on."""
    write(
        "waits",
        "import os, pathlib, time\npathlib.Path('pid').write_text(str(os.getpid()))\ntime.sleep(60)\n",
    )
    pid = tmp_path / "pid"

    def interrupted(process, timeout_s):
        while not pid.exists() or not pid.read_text():
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(worker, "_has_ended", interrupted)
    with pytest.raises(KeyboardInterrupt):
        worker.run("waits", SETTINGS, 30)

    assert not psutil.pid_exists(int(pid.read_text()))


def test_long_output_keeps_its_end(write):
    """Of much output the end is kept, behind a line that counts what is missing."""
    output = worker.run(
        write("floods", "print('x' * 100_000, flush=True)\nprint('the end')\n"), SETTINGS, 30
    ).output

    first, _, rest = output.partition("\n")
    assert first.startswith("... ")
    assert first.endswith(" earlier bytes are omitted")
    assert rest.endswith("the end\n")
    assert len(rest) <= 64 * 1024


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open descriptors are listed by /proc only")
def test_descriptors_of_the_parent_are_closed(write):
    """A check in a worker leaves no descriptor open in the parent."""
    name = write("plain", "")
    worker.run(name, SETTINGS, 30)
    before = len(os.listdir("/proc/self/fd"))

    worker.run(name, SETTINGS, 30)

    assert len(os.listdir("/proc/self/fd")) == before
