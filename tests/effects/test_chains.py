"""Timers that set themselves again: none of them is old, and after each reload one more runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent, indent
from types import SimpleNamespace
from typing import Any

import pytest
from cases import run

from pytest_reloadleak.effects.chains import Chains
from pytest_reloadleak.effects.probe import Effect
from pytest_reloadleak.holders.sweep import Cause

HOST = """
import asyncio, threading
loop = asyncio.new_event_loop()
def turn():
    loop.run_until_complete(asyncio.sleep(0.02))
def poll():
    loop.call_later(0.001, poll)
def beat():
    timer = threading.Timer(0.01, beat)
    timer.daemon = True
    timer.start()
"""
ON_LOOP = """
import host
handle = None
def tick():
    global handle
    handle = host.loop.call_later(0.001, tick)
tick()
host.turn()
"""
IN_THREADS = """
import threading, time
def tick():
    timer = threading.Timer(0.01, tick)
    timer.daemon = True
    timer.start()
tick()
time.sleep(0.03)
"""


def checked(directory: Path, plugin: str, strategy: str, host: str = HOST) -> dict:
    """The report on a target, made in a process of its own, with which its timers end."""
    directory.mkdir()
    run.write(directory, {"host": host, "plugin": plugin})
    command = [sys.executable, run.__file__, str(directory), "plugin", strategy, "4"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("strategy", ["reimport", "reload"])
@pytest.mark.parametrize(
    ("plugin", "path"),
    [(ON_LOOP, "call_later timer tick"), (IN_THREADS, "timer 'Thread-*' (daemon)")],
    ids=["on a loop", "in threads"],
)
def test_each_reload_that_adds_a_chain_is_found(plugin, path, strategy, tmp_path):
    """One finding, with one more per reload; its cure, pasted, makes the target clean."""
    (finding,) = checked(tmp_path / "leaking", plugin, strategy)["findings"]

    assert (finding["kind"], finding["holder"]["path"], finding["held"]["name"]) == (
        "live-timer",
        path,
        "plugin.tick",
    )
    assert finding["growth"] == "growing"
    if plugin == ON_LOOP:  # a thread may set its next timer meanwhile
        assert (finding["per_round"], finding["site"]["line"]) == (1.0, 6)
        hook = f"\ndef __reload_dispose__(data):\n{indent(finding['cure'], '    ')}\n"
        assert checked(tmp_path / "cured", plugin + hook, strategy)["outcome"] == "clean"


def test_a_chain_of_the_host_that_the_target_begins_is_found(tmp_path):
    """The code is the host's, and each reload begins one more."""
    (finding,) = checked(tmp_path / "leaking", "import host\nhost.poll()\nhost.turn()\n", "reload")[
        "findings"
    ]

    assert (finding["kind"], finding["holder"]["path"]) == ("live-timer", "call_later timer poll")
    assert finding["growth"] == "growing"


@pytest.mark.parametrize("begun", ["poll(); poll(); poll()", "beat(); beat()"])
def test_chains_that_the_host_alone_makes_are_silent(begun, tmp_path):
    """Their number does not depend on the reloads."""
    plugin = dedent("import host\ndef f(): pass\nhost.turn()\n")

    assert checked(tmp_path / "clean", plugin, "reload", f"{HOST}\n{begun}\n")["outcome"] == "clean"


IN_A_THREAD = """
import asyncio, threading
loop = asyncio.new_event_loop()
threading.Thread(target=loop.run_forever, daemon=True).start()
"""


def test_a_timer_that_runs_during_the_look_is_one_finding(tmp_path):
    """The look begins with one handle and finds another one: both are the chain's."""
    plugin = dedent("""
        import host, time
        def tick():
            host.loop.call_later(0.001, tick)
        host.loop.call_soon_threadsafe(tick)
        time.sleep(0.02)
        """)

    (finding,) = checked(tmp_path / "leaking", plugin, "reimport", IN_A_THREAD)["findings"]

    assert (finding["kind"], finding["per_round"]) == ("live-timer", 1.0)


@pytest.mark.parametrize(
    ("pending", "left"),
    [
        ([1, 2, 3, 4], [0, 1, 2]),
        ([2, 4, 6, 8], [0, 0, 1, 1, 2, 2]),
        ([3, 3, 3, 3], []),
        ([1, 1, 1, 2], []),
    ],
    ids=["one more", "two more", "as many", "once more"],
)
def test_what_the_present_generation_began_is_not_left(pending, left):
    """Timers pending at once in each generation, and the generations whose timers are left in the last one."""
    chains = Chains()
    for generation, count in enumerate(pending):
        chains.note(["poll"] * count, generation)
    scope: Any = SimpleNamespace(generation=lambda: len(pending) - 1, owns=lambda _: False)
    effects = [Effect((n,), Cause("live-timer", "timer", "poll", "Timer")) for n in range(pending[-1])]

    dated = chains.dated([("poll", effect) for effect in effects], scope)

    assert sorted(effect.generation for effect in dated.values()) == left
