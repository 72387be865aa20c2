"""Verdicts come from the process that was started, and nothing stays behind, whatever the target or the system does."""

import errno
import marshal
import os
import resource
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest

from pytest_reloadleak.isolation import exchange, worker
from pytest_reloadleak.isolation.server import Server
from pytest_reloadleak.model import Report
from pytest_reloadleak.report import jsonfile
from pytest_reloadleak.settings import Settings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks, /proc and signals as Linux has them")
SETTINGS = Settings(rounds=2)
REPORT = jsonfile.to_dict(
    Report(
        target="a",
        nodeid="",
        strategy="reimport",
        rounds=2,
        warmup=1,
        outcome="clean",
        reason="",
        duration_s=0.1,
        reload_s=0.1,
    )
)
LEAKY = "import keeper\ndef f(): pass\nkeeper.kept.append(f)\n"


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a target into a folder that can be imported from; returns the target's name."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "keeper.py").write_text("kept = []\n")

    def written(source: str) -> str:
        (tmp_path / "robust_target.py").write_text(textwrap.dedent(source))
        return "robust_target"

    return written


@pytest.fixture(params=["nameless", "folder", "fork"])
def files(request, monkeypatch, tmp_path_factory, write):
    """Talk to the worker by nameless files, and by a folder as on other systems; and fork it from a server."""
    folder = tmp_path_factory.mktemp("tmp")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    if request.param == "folder":

        def refused(name):
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

        monkeypatch.setattr(exchange.os, "memfd_create", refused)
    server = Server() if request.param == "fork" else None
    if server is not None:

        def forked(target, settings, timeout_s):
            assert server.fits()
            return worker.Worker(worker.Job(target, settings, timeout_s), server).outcome()

        monkeypatch.setattr(worker, "run", forked)
    yield request.param
    if server is not None:
        server.close()
    assert list(folder.iterdir()) == []


ENDS = {
    "exits": ("os._exit(3)", "the worker exited with status 3 before the check finished"),
    "exits well": ("os._exit(0)", "the worker exited with status 0 before the check finished"),
    "crashes": ("os.kill(os.getpid(), signal.SIGSEGV)", "the worker was killed by signal SIGSEGV"),
    "hangs": ("time.sleep(60)", "timed out after 5 s (--reload-leak-timeout)"),
}


@pytest.mark.parametrize("often", ["each time", "once"])
@pytest.mark.parametrize("end", ENDS)
def test_a_fork_of_the_worker_has_no_say(write, files, end, often):
    """The target forks at import: the child finishes the check, but the end of the worker itself counts."""
    how, reason = ENDS[end]
    once = "not os.path.exists('forked') and (open('forked', 'w').close() or os.fork())"
    forks = "os.fork()" if often == "each time" else once
    name = write(f"import os, signal, time\nif {forks}:\n    time.sleep(2)\n    {how}\n")
    outcome = worker.run(name, SETTINGS, 5)
    assert outcome.report.outcome == "error"
    assert outcome.report.reason.startswith(reason)


VANDALS = {
    "encoder": "import json, json.encoder as e\njson.dumps = e.c_make_encoder = e.JSONEncoder = None\n",
    "copies": "import copy, dataclasses\ndataclasses.asdict = copy.deepcopy = None\n",
    "ends": "import os\nos.write = os.replace = os._exit = None\n",
    "folder": "import os, shutil\nshutil.rmtree(os.environ['TMPDIR'])\nos.mkdir(os.environ['TMPDIR'])\n",
    "descriptors": (
        "import os\nfor name in os.listdir('/proc/self/fd'):\n"
        "    if int(name) > 2:\n        try: os.write(int(name), b'x' * 9999)\n        except OSError: pass\n"
    ),
    "closes": "import os\nos.closerange(3, 256)\n",
    "streams": "import sys\nsys.stdout = sys.stderr = None\n",
}


@pytest.mark.parametrize("vandal", VANDALS)
def test_what_the_target_destroys_does_not_change_the_answer(write, files, vandal):
    """A leaking target is found to leak, whatever else it breaks."""
    outcome = worker.run(write(VANDALS[vandal] + LEAKY), SETTINGS, 30)
    assert outcome.report.outcome == "leaking", (outcome.report.reason, outcome.output)


BREAKERS = {
    "files": "import os\nos.open = os.close = os.getpid = None\n",
    "dataclasses": "import dataclasses\ndataclasses.dataclass = dataclasses.fields = None\n",
    "builtins": "import builtins\nbuiltins.isinstance = builtins.sorted = None\n",
    "gc": "import gc\ngc.get_objects = gc.get_referents = lambda *_: []\n",
}


@pytest.mark.parametrize("breaker", BREAKERS)
def test_a_target_that_breaks_the_check_is_never_clean(write, files, breaker):
    """Where a target breaks what every program needs, the outcome says so, with the reason."""
    report = worker.run(write(BREAKERS[breaker] + LEAKY), SETTINGS, 30).report
    assert report.outcome in {"leaking", "inconclusive", "error"}
    assert report.findings or "self-check failed" in report.reason or "itself failed" in report.reason


def test_a_trial_removal_that_breaks_imports_is_no_doubt(write, files):
    """The leak was certain before: the hook chains to the one before it, and the removal takes the chain apart."""
    hook = """
import builtins, sys
from types import ModuleType
class Hook(ModuleType):
    def __init__(self, name, system):
        super().__init__(name)
        self._system = system
    def imported(self, name, *args, **kwargs):
        return self._system(name, *args, **kwargs)
hook = Hook(__name__ + ".hook", builtins.__import__)
builtins.__import__ = hook.imported
sys.modules[hook.__name__] = hook
"""
    report = worker.run(write(hook), SETTINGS, 30).report
    assert report.outcome == "leaking", report.reason
    assert any(
        note.startswith("after holders were removed on trial, the self-check") for note in report.notes
    )


@pytest.mark.parametrize("more", ["", "import marshal\nmarshal.loads = None\n"])
def test_replaced_builtins_are_named(write, files, more):
    """The check cannot go on without them; a traceback of the tool would not say why."""
    broken = "import builtins\nbuiltins.len = lambda *_: 7\nbuiltins.isinstance = lambda *_: True\n"
    outcome = worker.run(write(broken + more + LEAKY), SETTINGS, 30)
    assert outcome.report.outcome == "error"
    assert outcome.report.reason.startswith("the check itself failed: ")
    assert outcome.report.reason.endswith("; the target replaced builtins: isinstance, len")
    assert "pytest_reloadleak" not in outcome.output


def test_a_failure_of_the_check_itself_says_what_failed(write, files):
    """The report names the error, instead of an exit status."""
    name = write("import pytest_reloadleak.check as c\nc.Check.report = lambda self, error=None: 1 / 0\n")
    report = worker.run(name, SETTINGS, 30).report
    assert report.outcome == "error"
    assert report.reason.startswith("the check itself failed: ")
    assert "ZeroDivisionError" in report.reason


def test_many_open_descriptors_are_no_obstacle(write):
    """A session may have more than 1,024 descriptors open, which `select` does not take."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2000:
        pytest.skip("the system allows too few descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2000), hard))
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        assert worker.run(write(LEAKY), SETTINGS, 30).report.outcome == "leaking"
    finally:
        for descriptor in opened:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_too_few_descriptors_are_an_error_with_a_reason(write):
    """A process that may open no more files gets a line, not a traceback."""
    name = write(LEAKY)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 1, hard))
    try:
        report = worker.run(name, SETTINGS, 30).report
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert report.outcome == "error"
    assert report.reason == (
        "the worker could not be started: Too many open files; raise the limit of open files (ulimit -n)"
    )


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EPERM])
def test_a_kernel_without_pidfd_is_no_obstacle(write, number, monkeypatch):
    """An old kernel or a filter of system calls refuses `pidfd_open`."""

    def refused(pid):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(worker.os, "pidfd_open", refused)
    assert worker.run(write(LEAKY), SETTINGS, 30).report.outcome == "leaking"
    assert "timed out" in worker.run(write("import time\ntime.sleep(60)\n"), SETTINGS, 2).report.reason


PARENT = """
    import signal, sys
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # `nohup` has it ignored
    from pytest_reloadleak.isolation import worker
    from pytest_reloadleak.settings import Settings
    worker.run("robust_target", Settings(), 600)
"""
SPINS = """
    import os, subprocess
    child = subprocess.Popen(["sleep", "600"])
    open("pids", "w").write(f"{os.getpid()} {child.pid}")
    while True: pass
"""


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that only waits for its parent to notice its end does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def eventually(condition, seconds=20):
    """Wait until a condition holds; returns whether it does."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_worker_ends_with_its_parent(write, tmp_path, number):
    """Whatever kills pytest while a target spins, the worker and its children go, and no file stays."""
    write(SPINS)
    (tmp_path / "tmp").mkdir()
    code = textwrap.dedent(PARENT)
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(tmp_path / "tmp")}
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=variables)
    pids = tmp_path / "pids"
    assert eventually(lambda: pids.exists() and len(pids.read_text().split()) == 2)
    numbers = [int(word) for word in pids.read_text().split()]
    assert all(is_alive(pid) for pid in numbers)
    parent.send_signal(number)
    parent.wait(20)
    try:
        assert eventually(lambda: not any(is_alive(pid) for pid in numbers))
        assert list((tmp_path / "tmp").iterdir()) == []
    finally:
        for pid in filter(is_alive, numbers):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("spins", ["at import", "in a call"])
def test_a_generation_s_worker_ends_with_its_parent(write, tmp_path, spins):
    """Also under the strategy `worker` in pytest's own process, where the worker leads no session."""
    source = "import os\ndef spin():\n    open('pid', 'w').write(str(os.getpid()))\n    while True: pass\n"
    source += "spin()\n" if spins == "at import" else ""
    name = write(source)
    code = f"""
        from pytest_reloadleak.check import Check, settings_for
        check = Check([{name!r}], settings_for(strategy="worker"))
        check.perform(lambda: check.run.subject.module({name!r}).spin())
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    file = tmp_path / "pid"
    assert eventually(lambda: file.exists() and file.read_text())
    pid = int(file.read_text())
    assert is_alive(pid)
    parent.kill()
    parent.wait(20)
    try:
        assert eventually(lambda: not is_alive(pid), 10)
    finally:
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)


def test_an_interrupt_ends_a_child_in_a_session_of_its_own(write, tmp_path, monkeypatch):
    """Ctrl-C ends what the target started, wherever it put it."""
    source = """
        import os, subprocess, time
        child = subprocess.Popen(["sleep", "600"], start_new_session=True)
        open("child", "w").write(str(child.pid))
        time.sleep(600)
    """
    child = tmp_path / "child"

    def interrupted(process, timeout_s):
        assert eventually(lambda: child.exists() and child.read_text())
        raise KeyboardInterrupt

    monkeypatch.setattr(worker, "_has_ended", interrupted)
    with pytest.raises(KeyboardInterrupt):
        worker.run(write(source), SETTINGS, 30)
    assert eventually(lambda: not is_alive(int(child.read_text())))


def test_megabytes_of_output_cost_no_memory(write, files):
    """Only the end of what a target prints is read."""
    outcome = worker.run(write("for _ in range(40): print('x' * 1_000_000)\nprint('end')\n"), SETTINGS, 60)
    assert outcome.report.outcome == "clean"
    assert outcome.output.endswith("end\n")
    assert len(outcome.output) < 70_000


def test_the_worker_leaves_no_file_open_on_its_way(write, monkeypatch):
    """With warnings as errors, nothing of ours is printed as the target's output."""
    monkeypatch.setattr(subprocess, "_args_from_interpreter_flags", lambda: ["-X", "dev", "-W", "error"])
    outcome = worker.run(write("x = 1\n"), SETTINGS, 60)
    assert (outcome.report.outcome, outcome.output) == ("clean", "")


DAMAGED = {
    "nothing": b"",
    "noise": b"\xff\x00noise",
    "a number": marshal.dumps(3),
    "a list": marshal.dumps([1]),
    "fields are missing": marshal.dumps({"target": "a"}),
    "a field of another type": marshal.dumps({**REPORT, "series": "text"}),
    "a field of another shape": marshal.dumps({**REPORT, "findings": [{"kind": []}]}),
    "no outcome": marshal.dumps({**REPORT, "outcome": "fine"}),
}


@pytest.mark.parametrize("answer", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_answer_is_a_reason(answer):
    """Whatever a target wrote over the answer is no report."""
    assert worker._report(answer) == "the worker's answer is damaged: the target may have written into it"


def test_an_answer_that_is_whole_is_the_report():
    """The twin."""
    report, is_doubtful, files = worker._report(marshal.dumps(REPORT))
    assert (jsonfile.to_dict(report), is_doubtful, files) == (REPORT, False, ())
