"""Dispose hooks across checks, at the end of a watch, and under the strategy that renames: each once, and seen."""

from __future__ import annotations

import importlib

import pytest
from cases import run
from support import Project

from pytest_reloadleak import measure_reload

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


@pytest.fixture
def project(pytester, monkeypatch):
    """A project to run pytest in."""
    return Project(pytester, monkeypatch)


@pytest.mark.parametrize("strategy", ["reimport", "decache", "reload"])
@pytest.mark.parametrize(("source", "dispose"), [(OWN, None), (STRICT, "unregister")], ids=["own", "named"])
def test_an_original_that_came_back_disposed_is_not_disposed_again(source, dispose, strategy, program):
    """Checks are independent: the second finds what the first left, and a strict hook has nothing to complain of."""
    program(source)

    reports = [measure_reload("app", strategy=strategy, dispose=dispose, rounds=2) for _ in range(3)]

    assert [(report.outcome, report.error) for report in reports] == [("clean", None)] * 3


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
