"""Several workers at once give the verdicts that one after the other gives."""

import errno
import os
import signal
import sys
import textwrap
import time
from dataclasses import replace

import pytest

from pytest_reloadleak.errors import UsageError
from pytest_reloadleak.isolation.pool import Pool
from pytest_reloadleak.isolation.server import Server
from pytest_reloadleak.isolation.worker import Job, Worker
from pytest_reloadleak.settings import Settings

SETTINGS = Settings(rounds=2, warmup=0)


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a module into a folder that can be imported from; returns its job."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "keeper.py").write_text("kept = []\n")

    def write(name, source, timeout_s=60):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(source))
        return name, Job(name, SETTINGS, timeout_s)

    return write


@pytest.fixture
def pool():
    """Two workers at once."""
    pool = Pool(2)
    yield pool
    pool.close()


def outcomes(pool, jobs):
    """The outcomes by name, asked for in order."""
    for name, job in jobs:
        pool.expect(name, job)
    return {name: pool.outcome(name, job).report for name, job in jobs}


MEETS = """
    import os, time
    open("{me}", "w").close()
    end = time.monotonic() + 20
    while not os.path.exists("{other}") and time.monotonic() < end: time.sleep(0.01)
    assert os.path.exists("{other}")
"""


def test_two_checks_run_at_once(write, pool):
    """Each waits for the other, and both are clean; with one job at a time they fail."""
    jobs = [write("one", MEETS.format(me="a", other="b")), write("two", MEETS.format(me="b", other="a"))]
    assert [report.reason for report in outcomes(pool, jobs).values()] == [
        "2 reloads left nothing behind"
    ] * 2


def test_what_ended_in_time_has_not_timed_out(write, pool, monkeypatch):
    """Between two items the session may stand still for any time, as at the prompt of a debugger."""
    jobs = [write(name, "x = 1\n") for name in ("one", "two")]
    for name, job in jobs:
        pool.expect(name, job)
    first = pool.outcome(*jobs[0]).report
    while any(place.worker is not None and place.worker.is_running() for place in pool._places):
        time.sleep(0.01)
    now_s = time.perf_counter
    monkeypatch.setattr(time, "perf_counter", lambda: now_s() + 1000)

    second = pool.outcome(*jobs[1]).report

    assert (first.outcome, second.outcome, second.error) == ("clean", "clean", None)
    assert second.duration_s < 60


EXCLUSIVE = """
    import os, time
    lock = os.open("lock", os.O_CREAT | os.O_EXCL)
    time.sleep(0.2)
    os.close(lock)
    os.remove("lock")
"""


def test_an_error_beside_others_is_no_verdict(write, pool):
    """Two targets that take the same lock are clean, as one after the other they are."""
    jobs = [write(name, EXCLUSIVE) for name in ("one", "two", "three")]
    found = outcomes(pool, jobs)
    assert {name: report.outcome for name, report in found.items()} == dict.fromkeys(found, "clean")


def test_an_error_of_its_own_stays(write, pool):
    """A target that cannot be imported cannot be imported alone either."""
    found = outcomes(pool, [write("broken", "1 / 0"), write("fine", "x = 1")])
    assert (found["broken"].outcome, found["fine"].outcome) == ("error", "clean")


LEAVES = """
    import os, tempfile, time
    os.close(tempfile.mkstemp()[0])
    time.sleep(0.05)
"""


@pytest.mark.skipif(
    sys.platform != "linux", reason="names in the folder of temporary files, as Linux has them"
)
def test_files_that_two_targets_leave_at_once_are_found(write, pool, tmp_path, monkeypatch):
    """The names of one look like those of the other: then each is checked alone."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    written = [write("one", LEAVES), write("two", LEAVES), write("clean", "import time\ntime.sleep(0.05)\n")]
    jobs = [(name, replace(job, settings=Settings(rounds=3))) for name, job in written]
    found = outcomes(pool, jobs)
    assert [report.outcome for report in found.values()] == ["leaking", "leaking", "clean"]
    assert {one.registry for name in ("one", "two") for one in found[name].findings} == {"tempfile"}


def test_what_was_begun_under_other_conditions_is_begun_again(write, pool, monkeypatch):
    """A check that was expected sees the environment of the moment in which its outcome is asked for."""
    shows = "import os\nassert os.environ.get('MODE') == 'late'\n"
    (first, first_job), (second, second_job) = write("one", "x = 1"), write("two", shows)
    for name, job in ((first, first_job), (second, second_job)):
        pool.expect(name, job)
    assert pool.outcome(first, first_job).report.outcome == "clean"
    monkeypatch.setenv("MODE", "late")
    assert pool.outcome(second, second_job).report.outcome == "clean"


def test_a_hang_holds_up_nobody_and_is_not_repeated(write, pool):
    """The others go on beside it, and its time is over once."""
    begun_s = time.monotonic()
    jobs = [write("hangs", "import time\ntime.sleep(60)\n", 3), *(write(f"m{i}", "x = 1") for i in range(3))]
    found = outcomes(pool, jobs)
    assert [report.outcome for report in found.values()] == ["error", "clean", "clean", "clean"]
    assert found["hangs"].reason.startswith("timed out after 3 s")
    assert (len(pool._done), len(pool._waiting)) == (0, 0)
    assert time.monotonic() - begun_s < 40


def test_a_usage_error_is_raised_where_the_outcome_is_asked_for(write, pool):
    """A target that is refused does not spoil the outcome of another."""
    (missing, job), fine = ("no_such_module", Job("no_such_module", SETTINGS, 60)), write("fine", "x = 1")
    pool.expect(missing, job)
    assert pool.outcome(*fine).report.outcome == "clean"
    with pytest.raises(UsageError, match="unknown target 'no_such_module'"):
        pool.outcome(missing, job)


def test_an_interrupt_ends_the_check_that_is_waited_for(write, pool):
    """Another plugin's time limit raises in the wait: its worker ends, and the others go on."""
    hang, fine = write("hangs", "while True: pass"), write("fine", "x = 1")
    for name, job in (hang, fine):
        pool.expect(name, job)

    def tick():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pool.outcome(*hang, tick)
    assert all(place.task is None or place.task.name == "fine" for place in pool._places)
    assert pool.outcome(*fine).report.outcome == "clean"


def test_an_interrupt_of_a_start_leaves_the_place_free(write, pool, monkeypatch):
    """The check that was being started begins again when its turn comes; it is not waited for in vain."""
    fine, other = write("fine", "x = 1"), write("other", "x = 1")

    def start(job, server):
        if job is other[1]:
            raise KeyboardInterrupt
        return Worker(job, server)

    with monkeypatch.context() as patch:
        patch.setattr("pytest_reloadleak.isolation.pool.Worker", start)
        pool.expect(*fine)
        pool.expect(*other)
        with pytest.raises(KeyboardInterrupt):
            pool.outcome(*fine)

    assert all(place.task is None for place in pool._places)
    assert pool.outcome(*other).report.outcome == "clean"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGCHLD")
def test_workers_end_where_the_end_of_children_is_ignored(write):
    """The setting is inherited, and a server would wait for a signal that never comes."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    pool = Pool(1)
    try:
        found = outcomes(pool, [write(name, "x = 1", timeout_s=20) for name in ("one", "two", "three")])
    finally:
        pool.close()
        signal.signal(signal.SIGCHLD, before)
    assert [report.outcome for report in found.values()] == ["clean", "clean", "clean"]


@pytest.mark.skipif(sys.platform != "linux", reason="servers need Linux")
@pytest.mark.parametrize("refused", [1, 2])
def test_a_server_that_gets_no_pipe_leaves_no_descriptor(refused, monkeypatch):
    """Where few are left, each that is lost makes it worse."""
    calls, pipe = iter(range(1, 9)), os.pipe

    def scarce():
        if next(calls) == refused:
            raise OSError(errno.EMFILE, "too many open files")
        return pipe()

    before = os.listdir("/proc/self/fd")
    monkeypatch.setattr(os, "pipe", scarce)
    with pytest.raises(OSError, match="too many"):
        Server()
    assert os.listdir("/proc/self/fd") == before
