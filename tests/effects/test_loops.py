"""What a reload leaves on an event loop: each leaking twin is one finding, each cured one is clean."""

from __future__ import annotations

import asyncio  # noqa: F401 - the probe looks for loops where it is loaded
import gc
import importlib
import sys
import textwrap
import warnings
import weakref

import pytest
from cases import lines, loops, run

from pytest_reloadleak.effects.loops.loop_probe import Loops
from pytest_reloadleak.effects.probe import Scope
from pytest_reloadleak.report.jsonfile import to_dict


def pairs():
    """Each case under each strategy."""
    return [
        pytest.param(twins, strategy, id=f"{twins.name}-{strategy}")
        for twins in loops.TWINS
        for strategy in loops.BOTH
    ]


def measured(directory, files, strategy):
    """The report of a target and its host; what a task says when its loop is closed under it is not the point."""
    run.write(directory, files)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return run.measure_and_undo(directory, "plugin", strategy, loops.ROUNDS)


@pytest.mark.parametrize(("twins", "strategy"), pairs())
def test_what_is_left_on_a_loop_is_found(twins, strategy, tmp_path):
    """One cause is one finding: its kind, what it is and how it is called, whose it is, and what it keeps alive."""
    report = measured(tmp_path, twins.files("leaking"), strategy)

    assert report.error is None
    (finding,) = [f for f in report.findings if f.kind not in twins.harmless]
    # Before 3.11 suspended code does not refer to its function, and after `reload` its namespace is the present one.
    is_dateless = strategy == "reload" and sys.version_info < (3, 11)
    per_round = min(1.0, twins.per_round) if is_dateless else twins.per_round
    assert (finding.kind, finding.growth, finding.per_round) == (twins.kind, twins.growth, per_round)
    holder = finding.holder
    assert (holder.root, holder.path, holder.type) == (twins.root, twins.path, twins.type)
    assert finding.held.name == twins.held
    assert finding.generations == twins.generations
    lines.assert_named(finding, lines.expected(twins.files("leaking"), twins.files("cured")), twins.name)
    generations = ", ".join(map(str, twins.generations))
    also = (f"retained-generation: generations {generations} of plugin",)
    kept = tuple(text for text in finding.also_retains if text.partition(":")[0] not in twins.harmless)
    assert kept == (also if twins.retains and not (is_dateless and twins.is_code) else ())
    assert report.outcome == "leaking"


@pytest.mark.parametrize(("twins", "strategy"), pairs())
def test_what_was_ended_is_clean(twins, strategy, tmp_path):
    """The same effect, ended before the next generation begins it again."""
    report = measured(tmp_path, twins.files("cured"), strategy)

    assert (report.error, report.outcome, report.findings) == (None, "clean", ())


@pytest.mark.parametrize("strategy", loops.BOTH)
@pytest.mark.parametrize("name", loops.INNOCENT)
def test_what_is_over_is_no_leak(name, strategy, tmp_path):
    """Effects that have ended, were closed, or are kept only by their own generation."""
    report = measured(tmp_path, {"host": loops.SERVING, "plugin": loops.INNOCENT[name]}, strategy)

    assert (report.error, report.outcome, report.findings) == (None, "clean", ())


def test_a_task_tells_where_it_is_suspended(tmp_path):
    """Innermost first, library code included, as for the stack of a thread."""
    twins = next(t for t in loops.TWINS if t.name == "task that nobody cancels")

    report = measured(tmp_path, twins.files("leaking"), "reimport")

    (finding,) = report.findings
    assert finding.details[0].startswith("at tasks.py:")
    assert finding.details[-1] == f"at {tmp_path / 'plugin.py'}:4 in poll"
    assert finding.advice.startswith("cancel task 'Task-*' poll")


def test_the_same_leak_reads_the_same(tmp_path):
    """Numbers of tasks, times and addresses do not reach a finding's signature."""
    twins = next(t for t in loops.TWINS if t.name == "task that nobody cancels")

    first, second = (measured(tmp_path, twins.files("leaking"), "reimport") for _ in range(2))

    assert [f["signature"] for f in to_dict(first)["findings"]] == [
        f["signature"] for f in to_dict(second)["findings"]
    ]


def test_a_loop_that_the_first_round_made_is_known_from_then_on(tmp_path):
    """A host that the target imports first: its loop is found among the globals of the modules that are new."""
    (tmp_path / "lazy.py").write_text("import asyncio\nloop = asyncio.new_event_loop()\n")

    plugin = "import lazy\n\nlazy.loop.call_later(60, print)\n"
    report = measured(tmp_path, {"plugin": plugin, "host": "import asyncio\n"}, "reimport")

    (finding,) = report.findings
    assert (finding.kind, finding.holder.path) == ("live-timer", "call_later timer print")


def test_what_runs_on_a_loop_of_the_targets_own_thread_ends_with_the_thread(tmp_path):
    """A thread per reload that runs a loop with a task on it: the thread is the cause."""
    host = """
        import asyncio, weakref

        running = []

        def stop():
            for loop, thread in running:
                loop().call_soon_threadsafe(loop().stop)
                thread().join()
    """
    plugin = """
        import asyncio, threading, weakref, host

        async def poll():
            await asyncio.sleep(60)

        def main(loop, ready):
            task = loop.create_task(poll())
            loop.call_soon(ready.set)
            loop.run_forever()
            task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()

        loop, ready = asyncio.new_event_loop(), threading.Event()
        thread = threading.Thread(target=main, args=(loop, ready))
        host.running.append((weakref.ref(loop), weakref.ref(thread)))
        thread.start()
        ready.wait(5)
    """
    files = {"host": textwrap.dedent(host), "plugin": textwrap.dedent(plugin)}

    report = measured(tmp_path, files, "reimport")

    findings = [f for f in report.findings if f.kind != "open-fd"]
    assert [(f.kind, f.held.name) for f in findings] == [("live-thread", "plugin.main")]


# -- asynchronous tests ------------------------------------------------------------------------------------------------

WORK = """
    import asyncio, host

    async def poll():
        await asyncio.sleep(3600)

    def start():
        host.current[:] = [asyncio.get_running_loop().create_task(poll())]

    def stop():
        {}
"""

HOST = """
    import importlib, sys

    current = []

    def reload(name):
        if current:
            sys.modules[name].stop()
        sys.modules.pop(name, None)
        importlib.import_module(name).start()
"""


def entry(project, test, plugins, passed):
    """The one entry of the report of a test that passes or fails."""
    project.write({"host.py": HOST, "test_it.py": "import pytest, host\n" + textwrap.dedent(test)})
    result = project.spawn("-Wignore", plugins=plugins)
    result.assert_outcomes(**({"passed": 1} if passed else {"failed": 1}))
    (check,) = project.checks()
    return check


@pytest.mark.parametrize("ends", [True, False], ids=["cured", "leaking"])
def test_a_task_on_the_tests_own_loop(project, ends):
    """Under pytest-asyncio the task that a reload starts on the running loop is found; the test's own is innocent."""
    project.write({"work.py": WORK.format("host.current[0].cancel()" if ends else "pass")})
    test = """
        @pytest.mark.asyncio
        async def test_it(reload_leaks):
            async def reload():
                host.reload("work")

            await reload_leaks.acheck("work", reload=reload)
    """

    check = entry(project, test, ("asyncio",), ends)

    found = [(f["kind"], f["growth"], f["holder"]["path"], f["held"]["name"]) for f in check["findings"]]
    leak = ("pending-task", "growing", "task 'Task-*' poll", "work.poll")
    assert found == ([] if ends else [leak])


TRIO = """
    import trio, host

    async def poll(scope):
        with scope:
            await trio.sleep_forever()

    def start():
        scope = trio.CancelScope()
        host.current[:] = [scope]
        host.nursery.start_soon(poll, scope)

    def stop():
        {}
"""


@pytest.mark.parametrize("ends", [True, False], ids=["cured", "leaking"])
def test_a_task_in_a_nursery_of_trio(project, ends):
    """Under anyio with trio the task that a reload starts in the host's nursery is found."""
    project.write({"work.py": TRIO.format("host.current[0].cancel()" if ends else "pass")})
    test = """
        import trio

        @pytest.fixture
        def anyio_backend():
            return "trio"

        @pytest.mark.anyio
        async def test_it(reload_leaks):
            async def reload():
                host.reload("work")

            async with trio.open_nursery() as host.nursery:
                try:
                    await reload_leaks.acheck("work", reload=reload)
                finally:
                    host.nursery.cancel_scope.cancel()
    """

    check = entry(project, test, ("anyio",), ends)

    found = [(f["kind"], f["growth"], f["holder"]["path"], f["held"]["name"]) for f in check["findings"]]
    leak = ("pending-task", "growing", "task 'work.poll'", "work.poll")
    assert found == ([] if ends else [leak])


# -- uvloop ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", loops.BOTH)
@pytest.mark.parametrize("twin", ["leaking", "cured"])
@pytest.mark.parametrize(
    "name",
    [
        "call_later on a loop that does not run",
        "task that nobody cancels",
        "reader",
        "future with a callback",
    ],
)
def test_uvloop(name, twin, strategy, tmp_path):
    """The loops of uvloop list nothing, but show the collector what they have."""
    pytest.importorskip("uvloop")
    twins = next(t for t in loops.TWINS if t.name == name)
    files = dict(twins.files(twin))
    files["host"] = (
        files["host"]
        .replace("asyncio.new_event_loop()", "__import__('uvloop').new_event_loop()")
        .replace("list(loop._signal_handlers)", "()")
    )

    report = measured(tmp_path, files, strategy)

    assert report.error is None
    found = [(f.kind, f.growth, f.per_round, f.holder.path, f.held.name) for f in report.findings]
    leak = (twins.kind, twins.growth, twins.per_round, twins.path, twins.held)
    assert found == ([leak] if twin == "leaking" else [])


def test_a_loop_that_tells_nothing_leaves_the_question_open(tmp_path):
    """A loop of an unknown library is named, and a check that found nothing is not called clean."""
    host = "import asyncio\n\nclass Loop(asyncio.AbstractEventLoop):\n    pass\n\nloop = Loop()\n"

    report = measured(tmp_path, {"host": host, "plugin": "import host\n\ndef f(): pass\n"}, "reimport")

    assert report.outcome == "inconclusive"
    assert "a loop of type host.Loop does not list its timers" in report.reason


def test_the_search_for_loops_keeps_nothing_of_the_target(tmp_path):
    """Not even until the next collection: neither a value of the target nor a frame that refers to one."""
    run.write(tmp_path, {"plugin": "class Thing: pass\nlast = Thing()\n"})
    with run.importable(tmp_path):
        plugin = importlib.import_module("plugin")
        last = weakref.ref(plugin.last)
        probe = Loops()
        probe.begin(Scope(lambda name: name == "plugin", lambda: 0, str, lambda _: None))
        gc.disable()
        try:
            list(probe.identities())
            del plugin.last
            assert last() is None
        finally:
            gc.enable()
            probe.end()
