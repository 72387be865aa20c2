"""Dispose hooks across checks, at the end of a watch, and under the strategy that renames: each once, and seen."""

from __future__ import annotations

import asyncio
import importlib
import sys

import pytest
from cases import run

from pytest_reloadleak import measure_reload
from pytest_reloadleak.check import Check, settings_for
from pytest_reloadleak.strategies.dispose import Disposal

HOST = "listeners = []\n"
STRICT = """
import host

def on_event(): pass

def unregister(): host.listeners.remove(on_event)

host.listeners.append(on_event)
"""
"""Disposed twice, it raises."""

OWN = f"{STRICT}\n__reload_dispose__ = unregister\n"


@pytest.fixture
def program(tmp_path):
    """Write a target and its host, and import both."""
    with run.importable(tmp_path):

        def write(source):
            run.write(tmp_path, {"host": HOST, "app": source})
            importlib.import_module("app")
            return importlib.import_module("host")

        yield write


@pytest.mark.parametrize("strategy", ["reimport", "decache", "reload"])
@pytest.mark.parametrize(("source", "dispose"), [(OWN, None), (STRICT, "unregister")], ids=["own", "named"])
def test_an_original_that_came_back_disposed_is_not_disposed_again(source, dispose, strategy, program):
    """Checks are independent: the second finds what the first left, and a strict hook has nothing to complain of."""
    program(source)

    reports = [measure_reload("app", strategy=strategy, dispose=dispose, rounds=2) for _ in range(3)]

    assert [(report.outcome, report.error) for report in reports] == [("clean", None)] * 3


ADDON = """
import host

def on_event(): pass

def register(): host.listeners.append(on_event)

def unregister(): host.listeners.{}
"""
"""What the test's body begins, the hook ends; strictly, so that it raises where nothing was begun."""


@pytest.mark.parametrize("strategy", ["reimport", "decache", "reload", "callable"])
@pytest.mark.parametrize("how", ["remove(on_event)", "count(on_event)"], ids=["cured", "leaking"])
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_the_exercise_comes_before_the_hook_in_the_first_generation_too(how, is_async, strategy, program):
    """It was loaded before the first round. A second check finds it disposed, and leaves it alone."""
    host = program(ADDON.format(how))
    used = []

    def exercise():
        module = sys.modules["app"]
        used.append(id(vars(module)["register"]))
        module.register()

    async def aexercise():
        exercise()

    def check():
        way = (
            {"reload": lambda: run.import_again("app")} if strategy == "callable" else {"strategy": strategy}
        )
        # Chosen so that there are no more rounds where the process seems to grow.
        settings = settings_for(rounds=2, probes=["references"], **way)
        made = Check(["app"], settings, way.get("reload"), Disposal("unregister"))
        return asyncio.run(made.aperform(aexercise)) if is_async else made.perform(exercise)

    first = id(sys.modules["app"].register)
    report = check()

    assert report.error is None
    assert used[0] == first
    if how == "remove(on_event)":
        assert (report.outcome, host.listeners, len(used)) == ("clean", [], 1 + 1 + 2)
        assert check().outcome == "clean"
        assert len(used) == 2 * (1 + 2) + 1
    else:
        (finding,) = report.findings
        assert (finding.holder.path, finding.growth, finding.generations[0]) == (
            "host.listeners[*]",
            "growing",
            -1,
        )


def test_without_a_hook_the_first_generation_is_not_exercised(program):
    """It is judged as it was loaded."""
    program(ADDON.format("clear()"))
    used = []

    settings = settings_for(rounds=2, probes=["references"])  # no more rounds where the process seems to grow
    report = Check(["app"], settings, None, Disposal()).perform(lambda: used.append(1))

    assert (report.outcome, len(used)) == ("clean", 1 + 2)


def test_an_exercise_that_fails_there_ends_the_check_and_the_hook_runs(program):
    """The exception reaches the caller, as from any other round."""
    host = program(STRICT)

    def exercise():
        raise LookupError("not ready")

    with pytest.raises(LookupError, match="not ready"):
        Check(["app"], settings_for(rounds=2), None, Disposal("unregister")).perform(exercise)

    assert host.listeners == []


def test_a_hook_that_was_not_asked_for_the_first_time_is_called_the_second(program):
    """What was disposed is remembered by hook."""
    host = program(STRICT)
    first = measure_reload("app", rounds=2)
    host.listeners[:] = [importlib.import_module("app").on_event]

    second = measure_reload("app", dispose="unregister", rounds=2)

    assert (first.outcome, second.outcome) == ("leaking", "clean")


def test_what_the_last_generation_handed_over_does_not_pin_it(program):
    """With `unload`: there is no next one, so the data is nobody's."""
    program("class Own:\n    def m(self): pass\n\ndef __reload_dispose__(data): data['own'] = Own()\n")

    report = measure_reload("app", unload=True, rounds=2)

    assert (report.outcome, report.findings) == ("clean", ())


def test_an_alias_inherits_too(program):
    """The name is another in each round, and so is that of a submodule."""
    host = program(
        "import host\ncount = globals().get('__reload_data__', {}).get('count', 0) + 1\n"
        "host.listeners.append(count)\n\ndef __reload_dispose__(data): data['count'] = count\n"
    )

    measure_reload("app", strategy="alias", rounds=3)

    assert host.listeners[:5] == [1, 2, 3, 4, 5]


WATCHED = """
    import importlib
    import sys
    import pytest

    import app

    def reload():
        del sys.modules["app"]
        importlib.import_module("app")

    def test_sync(reload_leaks):
        with pytest.raises(AssertionError, match="disposing generation 2: app.__reload_dispose__ raised: ValueError"):
            with reload_leaks.watch("app") as watch:
                for _ in watch.rounds(2):
                    reload()
        assert watch.report.outcome == "error"

    @pytest.mark.asyncio
    async def test_async(reload_leaks):
        with pytest.raises(AssertionError, match="disposing generation 2: app.__reload_dispose__ raised: ValueError"):
            async with reload_leaks.watch("app") as watch:
                async for _ in watch.arounds(2):
                    reload()

    @pytest.mark.asyncio
    async def test_mixed(reload_leaks):
        with pytest.raises(AssertionError, match="disposing generation 2: app.__reload_dispose__ raised: ValueError"):
            with reload_leaks.watch("app") as watch:
                async for _ in watch.arounds(2):
                    reload()
"""


@pytest.mark.parametrize("word", ["", "async "])
def test_the_last_hook_of_a_watch_is_heard(word, project):
    """It runs before the report is made, and on the running loop if there is one."""
    source = (
        "import counter\ncounter.count += 1\nmine = counter.count\n"
        f"{word}def __reload_dispose__(data):\n    if mine % 4 == 0: raise ValueError(mine)\n"
    )
    project.write({"counter.py": "count = 0\n", "app.py": source, "test_it.py": WATCHED})

    results = [
        project.spawn("-k", name, plugins=("asyncio",)) for name in ("test_sync", "test_async", "test_mixed")
    ]

    for result in results:
        result.assert_outcomes(passed=1)


@pytest.mark.parametrize("dispose", ["stop", "__reload_dispose__", None, lambda module: module.stop()])
def test_a_worker_is_disposed_where_it_runs(dispose, tmp_path):
    """A name, the module's own hook and a callable, which is passed what stands for the module there."""
    with run.importable(tmp_path):
        note = f"open({str(tmp_path / 'said')!r}, 'a').write('x')"
        own = "__reload_dispose__ = stop\n" if dispose in {None, "__reload_dispose__"} else ""
        run.write(tmp_path, {"served": f"def stop():\n    {note}\n{own}"})

        report = measure_reload("served", strategy="worker", dispose=dispose, rounds=2)

        assert (report.outcome, report.error) == ("clean", None)
        assert (tmp_path / "said").read_text() == "xxxx"
