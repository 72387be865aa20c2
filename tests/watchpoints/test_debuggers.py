"""Who traces the program while a check fails sees what it would see without the check."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from cases import run
from watchpoints.test_lines import lines, marked, measured

from pytest_reloadleak import measure_reload

PLUGIN = "import host\n\ndef on(): pass\n\nhost.keep(on)  # leak here\n"
HOST = "kept = []\n\ndef keep(function):\n    kept.append(function)\n    return len(kept)\n"
SCRIPT = """\
import importlib
import host, plugin

def bare():
    for _ in range(12):
        importlib.reload(plugin)

def checked():
    from pytest_reloadleak import measure_reload
    report = measure_reload("plugin", strategy="reload", rounds=4)
    (finding,) = report.findings
    assert finding.site.code == "host.keep(on)  # leak here", finding

def after(count):
    doubled = count * 2
    return doubled

{what}()
number = after(3)
print("the end", number)
"""
COMMANDS = """\
break host.py:4, len(kept) == 3
break script.py:15
continue
print(len(kept))
next
next
up
list
continue
print(count)
next
return
next
print(number)
continue
quit
"""


def session(directory: Path, what: str) -> list[str]:
    """What pdb shows of a program that checks the target, or only reloads it."""
    directory.mkdir()
    files = {"host.py": HOST, "plugin.py": PLUGIN, "script.py": SCRIPT.format(what=what)}
    for name, text in files.items():
        directory.joinpath(name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pdb", "script.py"],
        input=COMMANDS,
        capture_output=True,
        text=True,
        cwd=directory,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        timeout=120,
        check=False,
    )
    assert done.stderr == "", done.stdout + done.stderr
    return done.stdout.replace(str(directory), "").replace(f"{what}()", "what()").splitlines()


def test_pdb_shows_what_it_shows_without_the_check(tmp_path):
    """It stops in a round and after the check, steps, and shows values; what it keeps of a round is no finding."""
    checked = session(tmp_path / "checked", "checked")

    assert checked == session(tmp_path / "bare", "bare")
    assert {"-> kept.append(function)", "(Pdb) 3", "-> doubled = count * 2", "(Pdb) 6"} <= set(checked)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="`sys.monitoring` is new in 3.12")
def test_a_debugger_of_sys_monitoring_sees_every_round_alike(tmp_path):
    """Its tool number, callbacks and events stay, and each execution of the target shows the same lines."""
    monitoring, seen = sys.monitoring, []
    tool = monitoring.DEBUGGER_ID

    def line(code: Any, number: int) -> None:
        if code.co_filename.endswith("plugin.py"):
            seen.append((code.co_name, number))

    def start(code: Any, _offset: int) -> object:
        if code.co_filename.endswith("plugin.py"):
            seen.append((code.co_name, "starts"))
            return None
        return monitoring.DISABLE

    monitoring.use_tool_id(tool, "debugger")
    events = monitoring.events.LINE | monitoring.events.PY_START
    try:
        monitoring.register_callback(tool, monitoring.events.LINE, line)
        monitoring.register_callback(tool, monitoring.events.PY_START, start)
        monitoring.set_events(tool, events)
        report = measured(tmp_path, PLUGIN)
        assert (monitoring.get_tool(tool), monitoring.get_events(tool)) == ("debugger", events)
        assert monitoring.register_callback(tool, monitoring.events.LINE, None) is line
        assert monitoring.register_callback(tool, monitoring.events.PY_START, None) is start
    finally:
        monitoring.set_events(tool, 0)
        monitoring.free_tool_id(tool)

    assert lines(report) == marked(tmp_path)
    rounds = 1 + 1 + 3 + 3 + 1  # the first import, the warm-up, both passes, and the traced round
    per_round = seen[: seen.index(("<module>", "starts"), 1)]
    assert len(per_round) >= 4
    assert seen == per_round * rounds


OF_A_TRACER = """
import sys, threading

def on(): pass

threading.gettrace().__self__.seen.append(sys._getframe())
"""


@pytest.mark.parametrize("base", ["bdb.Bdb", "object"])
def test_what_a_debugger_keeps_is_a_note(base, tmp_path):
    """A debugger keeps frames in which it stopped until it stops again. Another tracer that keeps frames leaks."""
    files = {
        "tracer": f"import bdb\n\nclass Tracer({base}):\n    def see(self, frame, event, argument): pass\n",
        "plugin": OF_A_TRACER,
    }
    run.write(tmp_path, files)
    before = threading.gettrace()
    with run.importable(tmp_path):
        import tracer

        one = tracer.Tracer()
        one.seen = []
        threading.settrace(one.see)
        del one
        try:
            report = measure_reload("plugin", rounds=3)
        finally:
            threading.settrace(before)

    assert report.outcome == ("clean" if base == "bdb.Bdb" else "leaking")
    assert any(note.startswith("a debugger keeps ") for note in report.notes) is (base == "bdb.Bdb")
