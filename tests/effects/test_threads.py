"""Threads and timers that a reload leaves running: each leaking twin is found as one cause, each cured one is clean."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from cases import run
from cases.threads import BOTH, HOST, JUDGED, ROUNDS, TWINS

from pytest_reloadleak.effects.system import threads
from pytest_reloadleak.holders.search import Search
from pytest_reloadleak.holders.sweep import Cause, Root


def measured(directory, source, strategy):
    """The report of a target with the host."""
    from cases.edges import source as dedented

    run.write(directory, {"host": HOST, "plugin": dedented(source)})
    return run.measure_and_undo(directory, "plugin", strategy, ROUNDS)


@pytest.mark.parametrize("strategy", BOTH)
@pytest.mark.parametrize("twins", TWINS, ids=lambda twins: twins.name)
def test_what_is_left_running_is_one_finding(twins, strategy, tmp_path):
    """The thread is the finding, and names the generations that it keeps alive. These are no separate finding."""
    report = measured(tmp_path, twins.leaking, strategy)

    (finding,) = report.findings
    assert (finding.kind, finding.growth, finding.per_round) == (twins.kind, "growing", 1.0)
    assert (finding.holder.path, finding.holder.type) == (twins.path, twins.type)
    assert finding.held.name == twins.held
    assert finding.generations == JUDGED
    assert bool(finding.also_retains) == twins.retains
    assert report.outcome == "leaking"


@pytest.mark.parametrize("strategy", BOTH)
@pytest.mark.parametrize("twins", TWINS, ids=lambda twins: twins.name)
def test_what_is_ended_is_clean(twins, strategy, tmp_path):
    """A thread that the next generation tells to stop, and one that has done its work, are no leak."""
    report = measured(tmp_path, twins.cured, strategy)

    assert (report.outcome, report.findings, report.error) == ("clean", (), None)


def test_the_report_shows_where_a_thread_is(tmp_path):
    """The present stack, innermost frame first, as far as it is the program's."""
    report = measured(tmp_path, TWINS[0].leaking, "reimport")

    (finding,) = report.findings
    assert any(
        line.startswith(f"at {tmp_path / 'plugin.py'}:") and line.endswith("in loop")
        for line in finding.details
    )


@pytest.mark.parametrize("strategy", BOTH)
def test_a_thread_of_the_host_is_nobodys_leak(strategy, tmp_path):
    """A thread that a host starts once, when the target is first loaded, is no finding."""
    report = measured(
        tmp_path,
        """
            import threading, host
            def on_event():
                pass
            if not host.running:
                host.start(threading.Thread(target=host.stopping.wait, args=(60,), daemon=True))
        """,
        strategy,
    )

    assert (report.outcome, report.findings) == ("clean", ())


@pytest.mark.parametrize("strategy", BOTH)
def test_a_thread_that_was_started_once_and_runs_old_code_is_found(strategy, tmp_path):
    """It does not grow, and it is a leak all the same: the first generation's code runs for ever."""
    report = measured(
        tmp_path,
        """
            import threading, host
            def loop():
                host.stopping.wait(60)
            if not host.running:
                host.start(threading.Thread(target=loop, daemon=True))
        """,
        strategy,
    )

    (finding,) = report.findings
    assert (finding.kind, finding.growth, finding.generations) == ("live-thread", "bounded", (-1,))


@pytest.mark.parametrize("strategy", BOTH)
def test_a_thread_of_a_pool_is_of_no_generation(strategy, tmp_path):
    """A pool of the host's starts its thread for the first generation, and lends it to each of the later ones."""
    report = measured(
        tmp_path,
        """
            import threading, host
            def work(told):
                told.wait(60)
            def lend():
                if not host.pools:
                    host.pools.append(host.ThreadPoolExecutor(1))
                for told, future in host.lent:
                    told.set()
                    future.result(5)
                told = threading.Event()
                host.lent[:] = [(told, host.pools[0].submit(work, told))]
            lend()
        """,
        strategy,
    )

    assert (report.outcome, report.findings) == ("clean", ())


SEEN = {
    "it runs": ("module", True, True),
    "it ran when the sweep began": ("thread", False, True),
    "it has ended and is kept": ("module", False, False),
}


@pytest.mark.parametrize("case", SEEN)
def test_a_timer_set_after_the_probes_had_looked_is_of_the_one_that_set_it(case):
    """One that sets itself again may do so between the look and the sweep, and be over when its path is read."""
    kind, is_running, is_found = SEEN[case]
    cause = Cause("live-timer", "thread", "timer tick", "threading.Timer")
    before, after = threading.Timer(60, int), threading.Timer(60, int)
    search = SimpleNamespace(effects=[Root("thread", "timer", "timer", before, cause=cause)])
    if is_running:
        after.start()

    found = Search.timer_of(search, (after, after.function), 0, Root(kind, "root", "root", after))

    after.cancel()
    if is_running:
        after.join()
    assert found == (cause if is_found else None)


RAW = [Cause("live-thread", "thread", "raw thread in loop", "_thread")]


@pytest.mark.parametrize(
    ("without_frame", "asked"),
    [([0, 0], 2), ([0, 1, 1, 0], 4), ([3, 3], 2), ([0, *[1] * 10_000], None)],
    ids=["none begins", "one begins late", "threads of a library", "one that never runs Python"],
)
def test_a_raw_thread_gets_time_to_begin(without_frame, asked, monkeypatch):
    """The system lists it at once, but it has a frame only once it runs: the line that started it is over by then."""
    left = iter(without_frame)
    monkeypatch.setattr(threads, "_threads_without_frame", lambda: next(left))
    probe = threads.Threads()
    probe._without_frame = without_frame[0]
    probe.glance(RAW)

    probe.glance(RAW)

    if asked is None:
        assert probe._without_frame == 1  # it is not waited for again
    else:
        assert len(without_frame) - len(list(left)) == asked


@pytest.mark.skipif(
    not Path(threads._TASKS).is_dir(), reason="the system does not list the threads of a process"
)
def test_threads_that_run_no_python_are_counted(monkeypatch):
    """The system lists all threads; those with a frame run Python."""
    before = threads._threads_without_frame()
    with monkeypatch.context() as patched:
        patched.setattr(threads, "current_frames", dict)

        assert threads._threads_without_frame() == before + len(sys._current_frames())


def test_without_a_list_of_threads_no_raw_thread_is_waited_for(monkeypatch):
    """Other systems have no such folder."""
    monkeypatch.setattr(threads, "_TASKS", "/nowhere")

    assert threads._threads_without_frame() == 0
