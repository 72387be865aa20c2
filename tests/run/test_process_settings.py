"""What a target sets in the process is put back for the tests that follow, and a note says what."""

import asyncio
import builtins
import copy
import copyreg
import csv
import decimal
import gc
import importlib
import json
import locale
import logging
import logging.config
import mimetypes
import multiprocessing
import os
import random
import re
import signal
import socket
import sys
import tempfile
import threading
import urllib.request
import warnings
import weakref
from pathlib import Path

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
    "sys.settrace(lambda *_: None)": "the trace function",
    "threading.settrace(lambda *_: None)": "the trace function of new threads",
    "threading.setprofile(lambda *_: None)": "the profile function of new threads",
    "threading.stack_size(1 << 20)": "the stack size of new threads",
    "sys.breakpointhook = print": "sys.breakpointhook",
    "sys.tracebacklimit = 0": "sys.tracebacklimit",
    "sys.argv = ['x']": "sys.argv",
    "sys.argv[:] = ['x']": "sys.argv",
    "sys.path[:] = ['/nowhere', *(p for p in sys.path if p != '/nowhere')]": "sys.path",
    "sys.path.remove('/kept') if '/kept' in sys.path else None": "sys.path",
    "sys.meta_path[:] = [f for f in sys.meta_path if f.__class__.__name__ != 'Finder'] + [Finder()]": (
        "sys.meta_path"
    ),
    "gc.callbacks[:] = [lambda *_: None]": "gc.callbacks",
    "gc.set_threshold(1, 2, 3)": "the thresholds of the collector",
    "gc.set_debug(gc.DEBUG_UNCOLLECTABLE)": "the debugging flags of the collector",
    "sys.set_coroutine_origin_tracking_depth(3)": "the depth at which coroutines note their origin",
    "sys.set_asyncgen_hooks(lambda _: None, None)": "the hooks of asynchronous generators",
    "os.environ = dict(os.environ)": "os.environ",
    "decimal.getcontext().prec = 3": "the context of decimal",
    "decimal.setcontext(decimal.Context(prec=3))": "the context of decimal",
    "decimal.DefaultContext.traps[decimal.Inexact] = True": "decimal.DefaultContext",
    "csv.field_size_limit(9)": "the largest field of csv",
    "csv.register_dialect('reloadleak', delimiter='|')": "the dialects of csv",
    "csv.unregister_dialect('excel-tab') if 'excel-tab' in csv.list_dialects() else None": "the dialects of csv",
    "mimetypes.add_type('text/reloadleak', '.reloadleak')": "the MIME types",
    "mimetypes.types_map.pop('.txt', None)": "the MIME types",
    "logging.addLevelName(7, 'RELOADLEAK')": "the names of log levels",
    "logging.addLevelName(logging.INFO, 'TOLD')": "the names of log levels",
    "copyreg.add_extension('reloadleak', 'x', 77)": "the codes of copyreg",
    "locale.locale_alias['reloadleak'] = 'C'": "the aliases of locales",
    "tempfile.tempdir = '/nowhere'": "tempfile.tempdir",
    "multiprocessing.set_start_method('spawn', force=True)": "the start method of multiprocessing",
    "urllib.request.install_opener(urllib.request.build_opener())": "the opener of urllib.request",
    "warnings.showwarning = lambda *_: None": "warnings.showwarning",
    "warnings.resetwarnings()": "the warning filters",
    "logging.raiseExceptions = False": "logging.raiseExceptions",
    "logging.setLogRecordFactory(lambda *a, **k: logging.LogRecord(*a, **k))": "the factory of log records",
    "logging.getLogger('reloadleak.test').propagate = False": (
        "the propagate flag of the logger reloadleak.test"
    ),
    "logging.getLogger('reloadleak.test').handlers[:] = [logging.NullHandler()]": (
        "the handlers of the logger reloadleak.test"
    ),
    "signal.setitimer(signal.ITIMER_VIRTUAL, 500)": "the interval timer ITIMER_VIRTUAL",
    "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])": "the blocked signals",
    "os.umask(0o77)": "the file mode mask (umask)",
    "limits = resource.getrlimit(resource.RLIMIT_NOFILE); "
    "resource.setrlimit(resource.RLIMIT_NOFILE, (limits[0] - 1, limits[1]))": "the resource limits",
    "os.setpriority(os.PRIO_PROCESS, 0, 19)": "the priority of the process",
    "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})": "the processors of the process",
    "builtins.print = lambda *_: None": "builtins.print",
    "builtins._ = lambda text: text": "builtins._",
    "json.dumps = lambda *_: ''": "json.dumps",
    "settings_host.current = lambda: None": "settings_host.current",
    "settings_host.function = lambda: None": "settings_host.function",
    "settings_host.added = Finder": "settings_host.added",
    "settings_host.Host.current = lambda *_: None": "settings_host.Host.current",
    "settings_host.host.current = Finder": "settings_host.host.current",
    "settings_host.host.table['key'] = Finder()": "settings_host.host.table['key']",
    "settings_host.table['key'] = Finder()": "settings_host.table['key']",
}
GROUPS = 4
"""Targets that together make all changes; no target makes one change in two ways."""
MODULES = """
builtins copyreg csv decimal gc io json locale logging mimetypes multiprocessing os random resource settings_host signal
socket sys tempfile threading urllib.request warnings
"""
HEAD = (
    f"import {', '.join(MODULES.split())}\n"
    """
class Finder:
    def find_spec(self, *_): return None
"""
)
HOST = """
current = None
def function(): pass
class Host:
    current = None
    def __init__(self): self.table = {}
host = Host()
table = {}
"""


def state():
    """What the tests below compare."""
    context = decimal.getcontext()
    return (
        os.getcwd(),
        os.environ,
        dict(os.environ),
        signal.getsignal(signal.SIGUSR1),
        signal.getitimer(signal.ITIMER_VIRTUAL),
        signal.pthread_sigmask(signal.SIG_BLOCK, []),
        [
            vars(logger) | {"handlers": [*logger.handlers]}
            for logger in (logging.getLogger("reloadleak.test"),)
        ],
        logging.getLogger().level,
        logging.root.manager.disable,
        logging.raiseExceptions,
        logging.getLogRecordFactory(),
        sys.excepthook,
        sys.breakpointhook,
        getattr(sys, "tracebacklimit", None),
        sys.stdout,
        [sys.argv, *sys.argv, *sys.path, *sys.meta_path],
        sys.getrecursionlimit(),
        sys.getswitchinterval(),
        sys.gettrace(),
        sys.getprofile(),
        sys.get_coroutine_origin_tracking_depth(),
        sys.get_asyncgen_hooks(),
        threading.excepthook,
        threading._trace_hook,
        threading._profile_hook,
        threading.stack_size(),
        [gc.get_threshold(), gc.get_debug(), *gc.callbacks],
        [context, repr(context).partition("flags")[0], str(decimal.DefaultContext.traps)],
        csv.field_size_limit(),
        {name: csv.get_dialect(name) for name in csv.list_dialects()},
        copy.deepcopy(
            [vars(mimetypes._db), mimetypes.encodings_map, logging._levelToName, logging._nameToLevel]
        ),
        dict(copyreg._extension_registry),
        dict(locale.locale_alias),
        tempfile.gettempdir(),
        multiprocessing.get_start_method(allow_none=True),
        urllib.request._opener,
        [warnings.showwarning, *warnings.filters],
        socket.getdefaulttimeout(),
        locale.setlocale(locale.LC_NUMERIC),
        random.getstate(),
        [
            Path(f"/proc/self/{name}").read_text()
            for name in ("limits",)
            if os.path.exists("/proc/self/limits")
        ],
        os.getpriority(os.PRIO_PROCESS, 0),
        os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None,
        [os.umask(mask) for mask in [os.umask(0)]],
        [print, vars(builtins).get("_"), json.dumps],
        [
            (name, value)
            for name, value in vars(sys.modules["settings_host"]).items()
            if name != "__builtins__"
        ],
        [vars(sys.modules["settings_host"].Host)["current"], repr(vars(sys.modules["settings_host"].host))],
        dict(sys.modules["settings_host"].table),
    )


@pytest.fixture
def target(tmp_path, monkeypatch):
    """Write a target that can be imported; returns its name."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("RELOADLEAK_Y", "1")
    logging.getLogger("reloadleak.test").setLevel(0)
    mimetypes.init()
    monkeypatch.setattr(sys, "path", [*sys.path, "/kept"])
    (tmp_path / "settings_host.py").write_text(HOST)
    for name in ("settings_host", "settings_target"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    importlib.import_module("settings_host")

    def written(change: str) -> str:
        (tmp_path / "settings_target.py").write_text(HEAD + change + "\n")
        return "settings_target"

    return written


@pytest.mark.parametrize("first", range(GROUPS))
def test_what_each_reload_sets_is_put_back(target, first):
    """The state after the check is the state before it, and a note names each setting."""
    changes = {
        change: name
        for change, name in list(CHANGES.items())[first::GROUPS]
        if all(hasattr(os, call) for call in re.findall(r"\bos\.(\w+)\(", change))
    }
    before = state()
    report = measure_reload(target("\n".join(changes)), rounds=1)
    assert state() == before
    (note,) = [note for note in report.notes if note.startswith("put back after the check")]
    assert sorted(note.partition("changed them: ")[2].split(", ")) == sorted(changes.values())


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


def test_after_a_target_that_asked_for_a_loop_others_still_get_one(target, monkeypatch):
    """`asyncio` makes a loop for the first one who asks, and for nobody later."""
    if sys.version_info >= (3, 14):
        pytest.skip("policies are deprecated, and asyncio makes no loop")
    warnings.simplefilter("ignore", DeprecationWarning)
    policy = asyncio.get_event_loop_policy()
    monkeypatch.setattr(policy, "_local", type(policy._local)())
    report = measure_reload(target("import asyncio\nasyncio.get_event_loop().close()"), rounds=1)
    loop = policy.get_event_loop()
    loop.close()
    assert any("the current event loop" in note for note in report.notes)


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


HOSTED = """
import settings_host
def on_event(): pass
class Plugin: pass
"""


def test_a_loaded_targets_own_entries_come_back(target):
    """What the original had put into a host is there again, not what the last generation put there."""
    name = target(
        HOSTED + "settings_host.current = on_event\nsettings_host.table['a'] = Plugin\n"
        "settings_host.host.table['b'] = on_event\n"
    )
    original, host = importlib.import_module(name), sys.modules["settings_host"]
    report = measure_reload(name, rounds=1)
    assert report.outcome == "clean"
    assert host.current is original.on_event
    assert host.table == {"a": original.Plugin}
    assert host.host.table == {"b": original.on_event}


def test_what_is_gone_is_named(target):
    """What only the host had of the original dies in the first round: a note says that it cannot come back."""
    name = target(HOSTED + "settings_host.host.current = Plugin()\n")
    importlib.import_module(name)
    report = measure_reload(name, rounds=1)
    assert report.outcome == "clean"
    (note,) = [note for note in report.notes if note.startswith("stays after the check")]
    assert "what was there is gone: settings_host.host.current;" in note


def test_a_hosts_wrapper_of_the_original_is_not_kept(target):
    """A function of the host's that has the target's in its closure may be the last that keeps a generation."""
    host = sys.modules["settings_host"]
    exec("def wrapped(f):\n    def call(): return f()\n    return call\ncurrent = wrapped(len)\n", vars(host))
    name = target(HOSTED + "settings_host.current = settings_host.wrapped(Plugin())\n")
    module = importlib.import_module(name)
    wrapper, alive = weakref.ref(host.current), []

    def reload():
        importlib.reload(module)
        gc.collect()
        alive.append(wrapper() is not None)

    measure_reload(name, reload=reload, rounds=1)
    assert alive == [False, False]


def test_what_a_finding_reports_stays(target):
    """A table that gets an entry per reload is the finding's, and is not emptied behind the reader's back."""
    name = target(HOSTED + "settings_host.table[f'key {id(Plugin)}'] = Plugin\n")
    report = measure_reload(name, rounds=2)
    assert report.outcome == "leaking"
    assert len(sys.modules["settings_host"].table) > 2


def test_finders_and_folders_of_other_libraries_stay(target, tmp_path):
    """A library that the target loads first stays loaded, and may need its finder and folder later."""
    (tmp_path / "vendored").mkdir()
    (tmp_path / "vendored" / "settings_library.py").write_text(
        "import sys\nclass Finder:\n    @staticmethod\n    def find_spec(*_): return None\nsys.meta_path.append(Finder)"
    )
    folder = str(tmp_path / "vendored")
    name = target(f"if {folder!r} not in sys.path: sys.path.append({folder!r})\nimport settings_library")
    measure_reload(name, rounds=1)
    library = sys.modules.pop("settings_library")
    assert sys.path[-1] == folder
    assert sys.meta_path.pop() is library.Finder


def test_table_entries_of_a_library_that_stays_are_not_removed(target, tmp_path, monkeypatch):
    """A library that the target loads first adds them once; what was there comes back all the same."""
    (tmp_path / "settings_library.py").write_text(
        "import csv\ncsv.register_dialect('library', delimiter='|')\n"
    )
    monkeypatch.delitem(sys.modules, "settings_library", raising=False)
    dialect = csv.get_dialect("unix")
    try:
        measure_reload(
            target("import settings_library; csv.register_dialect('unix', delimiter=':')"), rounds=1
        )
        assert "library" in csv.list_dialects()
        assert csv.get_dialect("unix") is dialect
    finally:
        csv.unregister_dialect("library")


def test_a_frozen_heap_is_collected_again(target):
    """`gc.freeze` at import hides all objects of the process from every later collection."""
    report = measure_reload(target("gc.freeze()"), rounds=1)
    assert any("with gc.freeze()" in note for note in report.notes)
    assert gc.get_freeze_count() < 1000  # 3.12 counts some immortal objects


def test_descriptors_of_the_standard_streams_are_named(target):
    """Where they led is gone once they are replaced."""
    saved = os.dup(0)
    try:
        change = "file = os.open(__file__, os.O_RDONLY)\nos.dup2(file, 0)\nos.close(file)"
        report = measure_reload(target(change), rounds=1)
    finally:
        os.dup2(saved, 0)
        os.close(saved)
    assert any("where descriptor 0 leads" in note for note in report.notes)


def test_a_timer_that_runs_already_goes_on(target):
    """A plugin's timeout runs over the whole test: it is neither a change nor lost when a target stops it."""
    signal.setitimer(signal.ITIMER_VIRTUAL, 400)
    try:
        assert not measure_reload(target(""), rounds=1).notes
        report = measure_reload(target("signal.setitimer(signal.ITIMER_VIRTUAL, 0)"), rounds=1)
        assert any("ITIMER_VIRTUAL" in note for note in report.notes)
        assert 200 < signal.getitimer(signal.ITIMER_VIRTUAL)[0] <= 400
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def test_many_loggers_are_counted(target):
    """`dictConfig` disables every logger that exists."""
    for number in range(5):
        logging.getLogger(f"reloadleak.test.{number}")
    report = measure_reload(
        target("import logging.config\nlogging.config.dictConfig({'version': 1})"), rounds=1
    )
    assert not logging.getLogger("reloadleak.test.3").disabled
    assert any(re.search(r"the disabled flag of \d+ loggers", note) for note in report.notes)


@pytest.mark.parametrize(("interval_s", "most"), [(0, 1), (0.05, 1000)], ids=["once", "again and again"])
def test_a_timer_that_fires_meanwhile_did_not_change(interval_s, most, target):
    """One that fires once must not fire a second time: it may be the timeout of the test."""
    fired = []
    before = signal.signal(signal.SIGALRM, lambda *_: fired.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05, interval_s)
        report = measure_reload(target("import time\ntime.sleep(0.25)"), rounds=1)
        left_s, again_s = signal.getitimer(signal.ITIMER_REAL)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert not report.notes
    assert 1 <= len(fired) <= most
    assert (bool(left_s), again_s) == (bool(interval_s), pytest.approx(interval_s))
