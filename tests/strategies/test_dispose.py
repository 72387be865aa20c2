"""The dispose protocol: what an outgoing generation undoes, in which order, what it hands over, and what goes wrong."""

from __future__ import annotations

import importlib
import re
import sys
import threading
import zipfile
from collections import Counter
from textwrap import indent

import pytest
from cases import run
from support import target

from pytest_reloadleak import UsageError, measure_reload
from pytest_reloadleak.report import terminal

ROUNDS = 2
GENERATIONS = 1 + 1 + ROUNDS  # the first one, that of the warm-up, and those that are counted
BOTH = ("reimport", "reload")
ALL = (*BOTH, "decache")

HOST = """\
import importlib, sys, threading, weakref
listeners, log, events = [], [], weakref.WeakSet()
def event():
    new = threading.Event()
    events.add(new)
    return new
def reload():
    log.append("reload")
    del sys.modules["app"]
    importlib.import_module("app")
"""
LISTENS = """\
import host
def on_event(): pass
host.listeners.append(on_event)
def stop(): host.listeners.remove(on_event)
"""
RUNS = """\
import host, threading
def work(): told.wait(60)
told = host.event()
thread = threading.Thread(target=work, daemon=True)
thread.start()
def stop(): told.set(), thread.join()
"""
TICKS = """\
import threading
def on_event(): pass
timer = threading.Timer(60, on_event)
timer.start()
def stop(): timer.cancel(), timer.join()
"""
FILLS = "import host\ndef stop(): del host.slot\nhost.slot = stop\n"
LOGS = """\
import host
number = host.log.count(__name__)
host.log.append(__name__)
def __reload_dispose__(): host.log.append((number, __name__))
"""
COUNTS = """\
import host
count = globals().get("__reload_data__", {}).get("count", 0) + 1
host.log.append((count, __name__))
def __reload_dispose__(data):
    assert data == {}, data
    data["count"] = count
"""
AWAITS = f"""{LISTENS}
import asyncio
async def __reload_dispose__(data):
    host.log.append(asyncio.get_running_loop())
    await asyncio.sleep(0)
    stop()
"""
OWN = "def __reload_dispose__(data): stop()"
STRICT = ("-Werror", "-Wignore::DeprecationWarning")  # a coroutine that is never awaited fails its test


@pytest.fixture
def program(tmp_path):
    """Writes modules and returns their `host`; afterwards no module and no thread of theirs is left."""
    before = set(threading.enumerate())

    def write(files):
        run.write(tmp_path, {"host": HOST, **files})
        return importlib.import_module("host")

    with run.importable(tmp_path):
        yield write
        for event in sys.modules["host"].events:
            event.set()
        for thread in set(threading.enumerate()) - before:
            getattr(thread, "cancel", list)()
            thread.join(5)


def measured(name="app", **keywords):
    """The report of a few rounds."""
    return measure_reload(name, rounds=ROUNDS, **keywords)


def noted(host):
    """Number and module of the generations that noted themselves, in order."""
    return [entry for entry in host.log if type(entry) is tuple]


STARTS = f"def __reload_dispose__(data):\n{indent(RUNS, '    ')}"
HANDS_ON = """\
past = globals().get('__reload_data__', {}).get('all', [])
class Plugin: pass
def __reload_dispose__(data): data['all'] = [*past, Plugin()]
"""
TWINS = {
    "listener": (LISTENS, None, "retained-generation"),
    "listener, own hook": (LISTENS + OWN, None, ""),
    "listener, own hook without data": (LISTENS + "__reload_dispose__ = stop", None, ""),
    "listener, own hook that forgets one": (LISTENS * 2 + OWN, None, "retained-generation"),
    "listener, name": (LISTENS, "stop", ""),
    "listener, dotted name": (LISTENS + "class A: b = staticmethod(stop)", "A.b", ""),
    "listener, callable with a default": (LISTENS, lambda name="app": sys.modules[name].stop(), ""),
    "listener, callable for a module": (LISTENS, lambda module: module.stop(), ""),
    "thread": (RUNS, None, "live-thread"),
    "thread, own hook": (RUNS + OWN, None, ""),
    "thread, started by the hook": (STARTS, None, "live-thread"),
    "timer": (TICKS, None, "live-timer"),
    "timer, name": (TICKS, "stop", ""),
    "instances that are handed on and on": (HANDS_ON, None, "retained-generation"),
    "slot, unloaded": (FILLS, None, "retained-generation"),
    "slot, unloaded, own hook": (FILLS + OWN, None, ""),
}


@pytest.mark.parametrize("strategy", BOTH)
@pytest.mark.parametrize(("text", "dispose", "kind"), TWINS.values(), ids=TWINS)
def test_a_hook_undoes_what_the_body_did_or_that_is_found(text, dispose, kind, strategy, program):
    """Without a hook there is one finding, with one of any form there is none, and what a hook forgets or starts is."""
    program({"app": text})

    report = measured(strategy=strategy, dispose=dispose, unload=FILLS in text)

    assert [finding.kind for finding in report.findings] == ([kind] if kind else [])
    assert report.outcome == ("leaking" if kind else "clean")


def test_targets_of_the_command_line_are_disposed(project):
    """In the worker too, where all that a hook raises is the outcome of that item: even `KeyboardInterrupt`."""
    interrupts = "def __reload_dispose__(): raise KeyboardInterrupt"
    project.write({"host.py": HOST, "bare.py": LISTENS, "own.py": LISTENS + OWN, "interrupts.py": interrupts})

    project.check_apart(*target("bare", "own", "interrupts"))

    assert project.outcomes() == {"bare": "leaking", "own": "clean", "interrupts": "error"}


PACKAGE = {
    "pkg.__init__": "from . import a, c",
    "pkg.a.__init__": "from . import b",
    "pkg.a.b": "",
    "pkg.c": "",
}
ONE_HOOK = {"pkg.__init__": "from .a import __reload_dispose__, number", "pkg.a": LOGS}


@pytest.mark.parametrize("strategy", ALL)
@pytest.mark.parametrize(
    "files", [{n: LOGS + text for n, text in PACKAGE.items()}, ONE_HOOK], ids=["pkg", "one"]
)
def test_children_are_disposed_first_and_each_hook_once(files, strategy, program):
    """Of siblings the one that was imported last; every generation once, the last one before the original is back."""
    host = program(files)
    original = importlib.import_module("pkg")

    # The log grows: were growth looked for, more rounds would follow where the process seems to grow as well.
    report = measured("pkg", strategy=strategy, probes=["references"])

    order = ["pkg.a"] if files is ONE_HOOK else ["pkg.a.b", "pkg.c", "pkg.a", "pkg"]
    assert noted(host) == [(number, name) for number in range(GENERATIONS) for name in order]
    assert (report.outcome, sys.modules["pkg"], original.number) == ("clean", original, 0)


def test_a_watched_block_has_the_outgoing_generation_disposed(project):
    """Hooks run before the body reloads and when the block is left; once that of a module which the reload spares."""
    test = """
        import host, app
        def test_it(reload_leaks):
            with reload_leaks.watch("app") as watch:
                for _ in watch.rounds(2):
                    host.reload()
            seen = [entry for entry in host.log if entry == "reload" or type(entry) is tuple]
            app = [(0, "app"), "reload", (1, "app"), "reload", (2, "app"), "reload", (3, "app")]
            assert seen == [(0, "app.sub"), *app]
    """
    files = {"app/__init__.py": LOGS + "from . import sub", "app/sub.py": LOGS}
    project.write({"host.py": HOST, **files, "test_it.py": test})

    project.spawn("-Wignore").assert_outcomes(passed=1)


@pytest.mark.parametrize("strategy", BOTH)
@pytest.mark.parametrize("keyword", ["def", "async def"])
@pytest.mark.parametrize("error", ["ValueError", "SystemExit", "GeneratorExit"])
def test_a_hook_that_raises_stops_no_other(error, keyword, strategy, program, tmp_path):
    """It is the outcome, whatever it raises: with hook, exception and line. What else was found is still told."""
    leaks = LOGS + "def leak(): pass\nhost.listeners.append(leak)"
    fails = f"{keyword} __reload_dispose__(data): raise {error}('no')"
    host = program({"pkg.__init__": LOGS + "from . import a, b", "pkg.a": leaks, "pkg.b": fails})

    report = measured("pkg", strategy=strategy)

    times = range(GENERATIONS + ROUNDS + 1)  # with those of the second pass, and one to find the line
    assert noted(host) == [(number, name) for number in times for name in ("pkg.a", "pkg")]
    what = f"{error}: no ({tmp_path / 'pkg' / 'b.py'}:1 in __reload_dispose__)"
    assert report.reason == f"disposing generation -1: pkg.b.__reload_dispose__ raised: {what}"
    assert (report.outcome, report.error) == ("error", report.reason)
    assert sum(note.startswith("disposing generation ") for note in report.notes) == len(times) - 2
    assert [f.holder.path for f in report.findings] == ["host.listeners[*]"]
    first, *others = terminal.text(report, verbose=False).splitlines()
    assert first == f"pkg ({strategy}) could not be checked: {report.reason}"
    assert any("holder  host.listeners[*]" in line for line in others)


CANCELLED = "import asyncio\nasync def __reload_dispose__(): raise asyncio.CancelledError"
OWN_CLASS = "class Own(Exception): pass\ndef __reload_dispose__(): raise Own"
ERRORS = {
    "no name": ("", "nope", "dispose='nope': no such function in app; correct the name"),
    "no hook": ("", "__reload_dispose__", "dispose='__reload_dispose__': no such function in app; define it"),
    "a number": ("__reload_dispose__ = 1", None, "app.__reload_dispose__ must be a function, not int"),
    "own class": (OWN_CLASS, None, "disposing generation -1: app.__reload_dispose__ raised: Own"),
    "cancelled": (CANCELLED, None, "disposing generation -1: app.__reload_dispose__ raised: CancelledError"),
    "reload": (LOGS + "1 / (2 - number)", None, "round 1: the reload raised: ZeroDivisionError: "),
}


@pytest.mark.parametrize("strategy", BOTH)
@pytest.mark.parametrize(("text", "dispose", "reason"), ERRORS.values(), ids=ERRORS)
def test_what_goes_wrong_is_said_once_and_is_no_leak(text, dispose, reason, strategy, program):
    """A hook that is none, or raises; or the reload does, when the generations before it were disposed, once each."""
    host = program({"app": text})

    report = measured(strategy=strategy, dispose=dispose)

    assert report.reason.startswith(reason)
    assert (report.outcome, report.findings) == ("error", ())
    assert len(report.notes) == (GENERATIONS - 1 if reason.startswith("disposing") else 0)
    assert noted(host) == ([(0, "app"), (1, "app")] if LOGS in text else [])


def test_the_user_interrupts_a_check_in_a_hook(program):
    """Ctrl-C ends the check, not the hook alone; the original is back then."""
    program({"app": "def __reload_dispose__(): raise KeyboardInterrupt"})
    original = importlib.import_module("app")

    with pytest.raises(KeyboardInterrupt):
        measured()

    assert sys.modules["app"] is original


def test_a_hook_may_be_a_fixture_and_what_is_none_is_refused_in_one_line(project):
    """In Python, in the fixture's API and in the marker; a fixture's value is looked at too. No frame of ours shows."""
    test = """
        import sys, pytest
        @pytest.fixture
        def plain(): return lambda: sys.modules["app"].stop()
        @pytest.fixture
        def for_module(): return lambda module: module.stop()
        @pytest.fixture
        def number(): return 3
        @pytest.mark.parametrize("given", ["plain", "for_module", "number", 3])
        def test_api(reload_leaks, given): reload_leaks.check("app", dispose=given)
        @pytest.mark.reloadable("app", dispose="plain")
        def test_plain(): pass
        @pytest.mark.reloadable("app", dispose="number")
        def test_number(): pass
        @pytest.mark.reloadable("app", dispose=3)
        def test_3(): pass
    """
    project.write({"host.py": HOST, "app.py": LISTENS, "test_it.py": test})

    result = project.check_apart("-Wignore")

    result.assert_outcomes(passed=3, failed=4)
    wrong = [
        "dispose='number': the fixture of this name must be a callable, not 3",
        "dispose must be a callable, or the name of a function of the target or of a fixture, not 3",
    ]
    failed = [line for line in result.outlines if line.startswith("FAILED ")]
    assert [re.split("Error: |Failed: ", line)[1] for line in failed] == wrong * 2
    assert "pytest_reloadleak/" not in result.stdout.str()
    with pytest.raises(UsageError, match=r"^dispose must be a callable or the name of a function .*, not 3$"):
        measured(dispose=3)


LOOKS = "from importlib.util import find_spec\nfind_spec('app.sub')\nfrom . import sub"
NONE = "from . import sub\nassert '__reload_data__' not in globals()"
PLACES = {
    "module": {"app": COUNTS},
    "package": {"app.__init__": COUNTS + "from . import sub", "app.sub": COUNTS},
    "package that looks first": {"app.__init__": LOOKS, "app.sub": COUNTS},
    "package without a hook": {"app.__init__": NONE, "app.sub": COUNTS},
}


@pytest.mark.parametrize("strategy", ALL)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("form", ["files", "zip"])
def test_data_reaches_the_next_generation(form, place, strategy, program, tmp_path):
    """A counter survives the reloads, in each module that has a hook; afterwards nothing of it is left anywhere."""
    host = program({})
    path = folder = tmp_path / "sources"
    run.write(folder, PLACES[place])
    if form == "zip":
        path = tmp_path / "sources.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for file in folder.rglob("*.py"):
                archive.write(file, file.relative_to(folder))

    with run.importable(path):
        original, finders = importlib.import_module("app"), list(sys.meta_path)
        report = measured(strategy=strategy)

        names = [name.replace(".__init__", "") for name, text in PLACES[place].items() if COUNTS in text]
        assert Counter(noted(host)) == {(n + 1, name): 1 for n in range(GENERATIONS) for name in names}
        assert (report.outcome, sys.meta_path, sys.modules["app"]) == ("clean", finders, original)
        for module in (original, *(sys.modules[name] for name in names)):
            assert "__reload_data__" not in vars(module)
            assert "exec_module" not in vars(module.__loader__)


@pytest.mark.parametrize("strategy", BOTH)
def test_coroutines_run_on_one_loop_of_the_checks_own(strategy, program):
    """The same for all generations, closed at the end."""
    host = program({"app": AWAITS})

    report = measured(
        strategy=strategy, probes=["references"]
    )  # no more rounds where the process seems to grow

    assert report.outcome == "clean"
    assert (len(host.log), len(set(host.log)), host.log[0].is_closed()) == (GENERATIONS, 1, True)


def test_coroutines_run_on_the_running_loop(project):
    """In `acheck`, in an async marked test, and before the rounds and at the end of a watched block."""
    test = f"""
        import asyncio, pytest, host
        pytestmark = pytest.mark.asyncio
        @pytest.fixture(autouse=True)
        def loops():
            host.log.clear()
            yield
            loops = [entry for entry in host.log if entry != "reload"]
            assert len(loops) == {GENERATIONS} + 1 and len(set(loops)) == 1
        async def test_acheck(reload_leaks):
            host.log.append(asyncio.get_running_loop())
            await reload_leaks.acheck("app", rounds={ROUNDS})
        @pytest.mark.reloadable("app", rounds={ROUNDS})
        async def test_marked():
            if len(host.log) == 1:
                host.log.append(asyncio.get_running_loop())

        async def test_watch(reload_leaks):
            __import__("app")
            host.log.append(asyncio.get_running_loop())
            async with reload_leaks.watch("app") as watch:
                async for _ in watch.arounds({ROUNDS}):
                    host.reload()
    """
    project.write({"host.py": HOST, "app.py": AWAITS, "test_it.py": test})

    project.check_apart(*STRICT, plugins=("asyncio",)).assert_outcomes(passed=3)


def test_in_a_running_loop_what_cannot_be_awaited_or_is_cancelled_is_an_error(project):
    """A check that is not async says which one is; a hook that awaits what it cancelled does not cancel the check."""
    test = """
        import asyncio, sys, pytest
        async def forgetful():
            task = asyncio.create_task(asyncio.sleep(60))
            await asyncio.sleep(0)
            task.cancel()
            await task

        async def run(check, dispose, timeout=60):
            result = check("app", dispose=dispose)
            return await asyncio.wait_for(result, timeout) if asyncio.iscoroutine(result) else result

        def test_check(reload_leaks):
            with pytest.raises(AssertionError, match="dispose raised: RuntimeError: an event loop is running, "):
                asyncio.run(run(reload_leaks.check, forgetful))

        @pytest.mark.skipif(sys.version_info < (3, 11), reason="a task cannot tell whether it is being cancelled")
        def test_acheck(reload_leaks):
            with pytest.raises(AssertionError, match="dispose raised: .*CancelledError"):
                asyncio.run(run(reload_leaks.acheck, forgetful))
            with pytest.raises(asyncio.TimeoutError):
                asyncio.run(run(reload_leaks.acheck, lambda: asyncio.sleep(60), 0.1))
    """
    project.write({"app.py": "", "test_it.py": test})

    assert project.spawn(*STRICT).parseoutcomes().keys() <= {"passed", "skipped"}


@pytest.mark.parametrize(("name", "is_called"), [("app", False), ("base", True)])
def test_a_hook_that_nobody_calls_is_said(name, is_called, program, tmp_path, monkeypatch):
    """A dependency's hook runs where the dependency is reloaded; elsewhere the report says that it never did."""
    monkeypatch.chdir(tmp_path)
    hook = "def __reload_dispose__(): host.log.append('disposed')\n"
    host = program({"app": "import base\n", "base": f"import host\n{hook}"})

    report = measured(name)

    said = "base.__reload_dispose__ was never called: base was not reloaded"
    assert (report.outcome, "disposed" in host.log, said in report.notes) == (
        "clean",
        is_called,
        not is_called,
    )
