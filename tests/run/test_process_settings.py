"""What a target sets in the process is put back for the tests that follow, and a note says what."""

import asyncio
import locale
import logging
import os
import random
import signal
import socket
import sys
import threading

import pytest

from pytest_reloadleak.check import measure_reload

CHANGES = {
    "os.chdir('/')": "the working directory",
    "os.environ['RELOADLEAK_X'] = '1'": "the environment variable RELOADLEAK_X",
    "os.environ.pop('RELOADLEAK_Y')": "the environment variable RELOADLEAK_Y",
    "signal.signal(signal.SIGUSR1, lambda *_: None)": "the handler of SIGUSR1",
    "logging.getLogger().setLevel(logging.FATAL)": "the level of the root logger",
    "logging.getLogger('reloadleak.test').setLevel(7)": "the level of the logger reloadleak.test",
    "logging.disable(7)": "logging.disable",
    "sys.excepthook = lambda *_: None": "sys.excepthook",
    "sys.stdout = io.StringIO()": "sys.stdout",
    "sys.setrecursionlimit(5000)": "the recursion limit",
    "sys.setswitchinterval(0.5)": "the switch interval",
    "sys.setprofile(lambda *_: None)": "the profile function",
    "threading.excepthook = print": "threading.excepthook",
    "socket.setdefaulttimeout(9)": "the default timeout of sockets",
    "locale.setlocale(locale.LC_NUMERIC, 'C.UTF-8')": "the locale LC_NUMERIC",
}
HEAD = "import io, locale, logging, os, random, signal, socket, sys, threading\n"


def state():
    """What the tests below compare."""
    return (
        os.getcwd(),
        dict(os.environ),
        signal.getsignal(signal.SIGUSR1),
        logging.getLogger().level,
        logging.getLogger("reloadleak.test").level,
        logging.root.manager.disable,
        sys.excepthook,
        sys.stdout,
        sys.getrecursionlimit(),
        sys.getswitchinterval(),
        sys.getprofile(),
        threading.excepthook,
        socket.getdefaulttimeout(),
        locale.setlocale(locale.LC_NUMERIC),
        random.getstate(),
    )


@pytest.fixture
def target(tmp_path, monkeypatch):
    """Write a target that can be imported; returns its name."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("RELOADLEAK_Y", "1")
    logging.getLogger("reloadleak.test").setLevel(0)

    def written(change: str) -> str:
        (tmp_path / "settings_target.py").write_text(HEAD + change + "\n")
        return "settings_target"

    return written


@pytest.mark.parametrize("change", CHANGES)
def test_what_each_reload_sets_is_put_back(target, change):
    """The state after the check is the state before it, and a note names the setting."""
    before = state()
    report = measure_reload(target(change), rounds=2)
    assert state() == before
    (note,) = [note for note in report.notes if note.startswith("put back after the check")]
    assert note.endswith(f": {CHANGES[change]}")


def test_what_nobody_changes_is_not_told(target):
    """Without a change there is no note; the state of `random` is put back without one."""
    before = state()
    report = measure_reload(target("random.random()"), rounds=2)
    assert state() == before
    assert not [note for note in report.notes if "put back" in note]
    assert report.outcome == "clean"


def test_a_changed_policy_of_event_loops_is_put_back(target):
    """A policy of the target's would outlive it."""
    if sys.version_info >= (3, 14):
        pytest.skip("policies are deprecated")
    before = asyncio.get_event_loop_policy()
    change = "import asyncio\nasyncio.set_event_loop_policy(asyncio.DefaultEventLoopPolicy())"
    report = measure_reload(target(change), rounds=2)
    assert asyncio.get_event_loop_policy() is before
    assert any("the event loop policy" in note for note in report.notes)


def test_a_slot_that_already_has_the_targets_object_is_not_kept(target):
    """A handler of the generation before the check is the target's own: keeping it would keep that generation."""
    old = signal.getsignal(signal.SIGUSR1)
    name = target(
        "class Handler:\n    def __call__(self, *_): pass\nsignal.signal(signal.SIGUSR1, Handler())"
    )
    try:
        __import__(name)
        assert measure_reload(name).outcome == "clean"
    finally:
        signal.signal(signal.SIGUSR1, old)
        sys.modules.pop(name, None)
