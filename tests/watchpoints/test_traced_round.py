"""What the traced round does besides naming a line: nothing that the program or the report could notice."""

from __future__ import annotations

import functools
import gc
import importlib
import inspect
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import Any

import pytest
from cases import run
from watchpoints.test_lines import HOST, lines, marked, measured

from pytest_reloadleak import measure_reload
from pytest_reloadleak.effects.system.threads import Threads
from pytest_reloadleak.heap.own_objects import outward
from pytest_reloadleak.holders.retention import Place
from pytest_reloadleak.run.explaining import Explaining, surer

PLUGIN = """\
import host

def on_event(): pass

host.keep(on_event)  # leak here
done = True
"""


def tool_numbers() -> list[str | None]:
    """The names of the tools of `sys.monitoring`; none before 3.12."""
    if sys.version_info < (3, 12):
        return []
    return [sys.monitoring.get_tool(number) for number in range(6)]


def state() -> tuple[Any, ...]:
    """Everything that a tracer may leave in a process."""
    return sys.gettrace(), threading.gettrace(), sys.getswitchinterval(), tool_numbers()


def test_nothing_is_left(tmp_path):
    """Trace functions, tool numbers and the switch interval are those from before."""
    before = state()

    report = measured(tmp_path, PLUGIN)

    assert state() == before
    assert lines(report) == marked(tmp_path)


def test_a_tracer_sees_all_but_the_traced_round(tmp_path):
    """Whoever traced goes on: with `sys.settrace` after the round, with `sys.monitoring` in it as well."""
    seen = []

    def tracer(frame, event, _value):
        if event == "call" and frame.f_code.co_filename.endswith("plugin.py"):
            seen.append(frame.f_code.co_name)

    previous = sys.gettrace()
    sys.settrace(tracer)
    try:
        report = measured(tmp_path, PLUGIN)
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(previous)

    rounds = 1 + 1 + 3 + 3  # the first import, the warm-up, and both passes
    assert len(seen) == rounds + (sys.version_info >= (3, 12))
    assert lines(report) == marked(tmp_path)


class Balance:
    """A tracer that keeps a stack of its own, as coverage does: it sees a return for each call, and no other."""

    def __init__(self) -> None:
        self.stack: list[str] = []
        self.calls = 0

    def trace(self, frame, event, _value):
        if event == "call":
            self.calls += 1
            self.stack.append(frame.f_code.co_name)
        elif event == "return":
            assert self.stack.pop() == frame.f_code.co_name
        return self.trace


def test_a_tracer_that_counts_calls_stays_in_balance(tmp_path):
    """Frames that began before the traced round go on in it and after it."""
    balance = Balance()
    previous, tracer = sys.gettrace(), balance.trace
    sys.settrace(tracer)
    try:
        report = measured(tmp_path, PLUGIN)
        assert sys.gettrace() is tracer  # a trace function that raises is dropped
    finally:
        sys.settrace(previous)

    assert balance.stack == []
    assert balance.calls > 1000
    assert lines(report) == marked(tmp_path)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="nothing replaces a tracer from 3.12 on")
def test_a_replaced_settrace_is_left_alone(tmp_path, monkeypatch):
    """A debugger that replaced `sys.settrace` wants nobody else to call it: the report says so instead."""
    monkeypatch.setattr(sys, "settrace", functools.partial(sys.settrace))

    report = measured(tmp_path, PLUGIN)

    (finding,) = report.findings
    assert (finding.site, finding.sites) == (None, ())
    assert "sys.settrace" in finding.site_reason
    assert f"site: {finding.site_reason}" in report.notes


@pytest.mark.skipif(sys.version_info < (3, 12), reason="`sys.monitoring` is new in 3.12")
def test_without_a_tool_number_nothing_is_traced(tmp_path):
    """Six tools may use `sys.monitoring`; where they do, the report says why it names no line."""
    free = [number for number in range(6) if sys.monitoring.get_tool(number) is None]
    for number in free:
        sys.monitoring.use_tool_id(number, "somebody")
    try:
        report = measured(tmp_path, PLUGIN)
    finally:
        for number in free:
            sys.monitoring.free_tool_id(number)

    (finding,) = report.findings
    assert finding.site is None
    assert "tool number" in finding.site_reason


LATE = """\
import host

def on_event(): pass

host.keep(on_event)
if len(host.kept) > LAST:
    raise KeyError("full")
"""


def test_an_error_of_the_traced_round_changes_no_finding(tmp_path):
    """A host that is full after the judged rounds fails the extra one, and not the check."""
    judged = 1 + 1 + 3 + 3
    good = measured(tmp_path / "good", LATE.replace("LAST", "100"))
    report = measured(tmp_path / "bad", LATE.replace("LAST", str(judged)))

    assert (report.outcome, report.error) == ("leaking", None)
    assert [f.signature for f in report.findings] == [f.signature for f in good.findings]
    assert [f.generations for f in report.findings] == [f.generations for f in good.findings]
    assert report.findings[0].per_round == good.findings[0].per_round


def test_a_hook_that_raises_in_the_traced_round_only_is_no_error(tmp_path):
    """The outcome does not depend on the extra round."""
    plugin = PLUGIN + "def __reload_dispose__(data):\n    host.dispose()\n"
    host = (
        dedent(HOST)
        + "times = []\n\ndef dispose():\n    times.append(1)\n    if len(times) == 8:\n        raise KeyError\n"
    )

    report = measured(tmp_path, plugin, host)

    assert (report.outcome, report.error) == ("leaking", None)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring is new in 3.12")
def test_a_trace_that_ends_while_a_function_begins_raises_nothing_there():
    """Another thread of the program may just have called one."""
    from pytest_reloadleak.watchpoints.monitoring import Monitoring

    class Ends:
        ranks = SimpleNamespace(of=lambda _: None)

        def begins(self, _: object) -> bool:
            tracer.stop()
            return True

    def work() -> int:
        return 1

    tracer = Monitoring(Ends())  # type: ignore[arg-type]  # nothing else of an observer is called
    before = tool_numbers()

    assert tracer.start() is None
    assert work() == 1
    assert tool_numbers() == before


def test_a_clean_check_traces_nothing(tmp_path):
    """It does not even import what traces."""
    run.write(
        tmp_path,
        {"host": HOST, "plugin": "import host\n\ndef on_event(): pass\n\nhost.kept[:] = [on_event]\n"},
    )
    script = (
        "import sys\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "import host\n"
        "from pytest_reloadleak import measure_reload\n"
        "assert measure_reload('plugin', rounds=2).outcome == 'clean'\n"
        "assert not [name for name in sys.modules if name.startswith('pytest_reloadleak.watchpoints.w')]\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_the_locals_of_the_program_are_not_kept(tmp_path):
    """After the report no object of the target is alive that only the tracer would keep."""
    plugin = (
        PLUGIN + "class Thing: pass\n\ndef start():\n    thing = Thing()\n    host.keep(thing)\n\nstart()\n"
    )
    run.write(tmp_path, {"host": HOST, "plugin": plugin})

    with run.importable(tmp_path):
        host = importlib.import_module("host")
        report = measure_reload("plugin", rounds=3)
        references = [weakref.ref(o) for o in host.kept]
        host.kept.clear()
        gc.collect()
        alive = [type(o).__name__ for reference in references if (o := reference()) is not None]

    assert report.outcome == "leaking"
    assert alive == []


@pytest.mark.parametrize("by_marker", [True, False])
def test_the_body_of_a_test_is_traced_too(project, by_marker):
    """What the exercise or the application's own reload does is charged to the test if no other line is there."""
    body = {
        True: """
            import host, pytest

            @pytest.mark.reloadable("plugin", rounds=3)
            def test_it(reloaded):
                host.kept.append(reloaded.on_event)
            """,
        False: """
            import importlib, sys, host

            def again():
                sys.modules.pop("plugin", None)
                host.kept.append(importlib.import_module("plugin").on_event)

            def test_it(reload_leaks):
                reload_leaks.check("plugin", reload=again, rounds=3)
            """,
    }[by_marker]
    project.write({"host.py": "kept = []\n", "plugin.py": "def on_event(): pass\n", "test_it.py": body})

    (project.check_apart if by_marker else project.spawn)("test_it.py")

    (check,) = project.checks()
    (finding,) = check["findings"]
    assert Path(finding["site"]["file"]).name == "test_it.py"
    assert finding["site"]["code"].startswith("host.kept.append(")


def test_a_worker_process_names_the_line(project):
    """The report of an isolated check has the line, with the source around it."""
    project.write({"host.py": HOST, "plugin.py": PLUGIN})

    result = project.check_apart("--reload-leak-target=plugin")

    (check,) = project.checks()
    assert (check["findings"][0]["site"]["line"], check["findings"][0]["site_reason"]) == (5, None)
    result.stdout.fnmatch_lines(["    site    plugin.py:5", "*> 5 | host.keep(on_event)  # leak here"])


@pytest.mark.parametrize("method", ["glance", "effects"])
def test_an_error_of_the_tool_hides_no_finding(method, tmp_path, monkeypatch):
    """Where watching fails, the finding stays, with the error as the reason why it has no line."""
    plugin = "import threading, host\n\nthreading.Thread(target=host.event.wait, daemon=True).start()\n"
    host = "import threading\n\nevent = threading.Event()\nstop = event.set\n"
    original = getattr(Threads, method)

    def fail(self, *args):
        if inspect.unwrap(Explaining.round).__code__ in {frame.f_code for frame in outward(sys._getframe())}:
            raise KeyError("broken")
        return original(self, *args)

    monkeypatch.setattr(Threads, method, fail)

    report = measured(tmp_path, plugin, host)

    (finding,) = report.findings
    assert (finding.kind, finding.site, report.error) == ("live-thread", None, None)
    assert "KeyError" in finding.site_reason


REGISTERS, POLLS = Place("plugin.py", 3, "<module>", 0), Place("plugin.py", 9, "poll", 0)


@pytest.mark.parametrize(
    ("known", "traced", "reported"),
    [
        pytest.param((), ((POLLS,),), ((POLLS,),), id="no function was watched"),
        pytest.param(((REGISTERS,),), (), ((REGISTERS,),), id="nothing appeared in the traced round"),
        pytest.param(((REGISTERS,),), ((POLLS,),), ((REGISTERS,),), id="another thread was running"),
        pytest.param(((REGISTERS,),), ((POLLS, REGISTERS),), ((POLLS, REGISTERS),), id="both agree"),
    ],
)
def test_a_watched_function_knows_its_caller(known, traced, reported):
    """The traced round blames the thread that ran last; a watched function was called by the line."""
    assert surer(known, traced) == reported
