"""Imports and reloads in several threads: each waits for the other, and nobody gets half a module."""

import importlib
import sys
import threading

import pytest
from importing import GATE, SLOW, Threads, waits_for_a_lock, when_it_waits
from program import program, state

from pytest_reloadleak.errors import RoundError
from pytest_reloadleak.strategies.imports.locks import imports_locked, is_initializing

STRATEGIES = ("reload", "decache", "reimport", "cascade", "alias")
DROPPING = ("decache", "reimport", "cascade")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A `Program` with a gate in it."""
    with program(tmp_path, monkeypatch) as place:
        (tmp_path / "gate.py").write_text(GATE)
        yield place


@pytest.fixture
def threads(place):
    """Threads that import modules of the program."""
    threads = Threads(importlib.import_module("gate"))
    yield threads
    threads.join()


# -- the context manager itself ---------------------------------------------------------------------------------------


def test_another_thread_that_imports_a_locked_module_waits(place, threads):
    """It gets what is there when the block ends; other modules, and modules that stay loaded, are not held up."""
    place.load({"t": "", "a": "", "free": "", "late": ""}, "t", "a", "free")
    old, a = sys.modules["t"], sys.modules["a"]

    with imports_locked(["t", "a"]):
        del sys.modules["t"]
        thread = threads.run(lambda: importlib.import_module("t"))
        waits_for_a_lock(thread)
        others = [threads.run(lambda name=name: __import__(name)) for name in ("a", "free", "late")]
        for other in others:
            other.join(30)
        assert a in threads.results
        fresh = importlib.import_module("t")
        assert thread.is_alive()
    thread.join(30)

    assert threads.results[-1] is fresh is not old
    assert sorted(place.log.ran) == ["late", "t"]


def test_locks_are_released_however_the_block_ends(place, threads):
    """An exception passes, and the next import does not wait."""
    place.load({"t": "", "u": ""}, "t")
    with pytest.raises(LookupError, match="mine"), imports_locked(["u", "t"]):
        raise LookupError("mine")

    threads.run(lambda: importlib.import_module("u")).join(30)
    assert threads.results == [sys.modules["u"]]
    with imports_locked(["t", "u"]), imports_locked(["u", "t"]), imports_locked([]):
        pass


def test_an_import_that_is_under_way_is_waited_for(place, threads):
    """The block begins when the module is whole."""
    place.write({"t": SLOW})
    threads.importing("t")
    assert is_initializing("t")
    waiting = when_it_waits(threading.current_thread(), threads.gate.go.set)

    with imports_locked(["t"]):
        assert vars(sys.modules["t"])["ended"] == 1
        assert not is_initializing("t")
    waiting.join(30)


def test_two_that_wait_for_each_other_are_told_apart(place, threads):
    """The other thread imports `t`, whose body waits for the one that this thread imports: refused, and both go on."""
    place.write(
        {
            "t": "import gate\ngate.enter(__name__)\nimport outer\nended = 1\n",
            "outer": "log.calls.pop()()\n",
        }
    )

    def within():
        thread = threads.importing("t")
        threads.gate.go.set()
        waits_for_a_lock(thread)
        with (
            pytest.raises(RoundError, match="the reload was refused: t is still being imported"),
            imports_locked(["t"]),
        ):
            raise AssertionError("entered")

    place.log.calls.append(within)
    importlib.import_module("outer")
    threads.join()

    assert threads.results == [id(sys.modules["t"])]
    assert sys.modules["t"].ended == 1


# -- a reload while somebody imports the target -----------------------------------------------------------------------


def measured(place, threads, target, strategy):
    """Check a target that another thread is in the middle of importing; it goes on when this one waits for it."""
    waiting = when_it_waits(threading.current_thread(), threads.gate.go.set)
    report = place.measure(target, strategy)
    waiting.join(30)
    threads.join()
    return report


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_reload_waits_for_an_import_of_the_target(strategy, place, threads):
    """Each body runs once for the import and once per reload, and the importer gets the module that it loaded."""
    place.write({"t": SLOW})
    threads.importing("t")
    half = id(sys.modules["t"])

    report = measured(place, threads, "t", strategy)

    assert report.error is None
    assert report.outcome == ("leaking" if strategy == "alias" else "clean")
    assert threads.results == [half]
    assert id(sys.modules["t"]) == half
    expected = 1 if strategy == "alias" else 1 + 1 + 2
    assert place.log.ran.count("t") == expected


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_is_put_back_is_the_whole_module(strategy, place, threads):
    """Not the half that was there when the check began."""
    place.write({"t": SLOW})
    threads.importing("t")

    measured(place, threads, "t", strategy)

    assert vars(sys.modules["t"]).get("ended") == 1


@pytest.mark.parametrize("strategy", DROPPING)
def test_an_import_that_fails_while_a_reload_waits_for_it_is_none(strategy, place, threads):
    """The check imports the module itself then; nobody gets a `KeyError`."""
    place.write({"t": SLOW})
    threads.gate.fails = True
    threads.importing("t")

    report = measured(place, threads, "t", strategy)

    assert (report.outcome, report.error) == ("clean", None)
    assert threads.results == ["ValueError: t is not to be"]
    assert "t" not in sys.modules


def test_a_cascade_waits_for_the_import_of_a_dependent(place, threads):
    """A module that depends on the target, and is just being imported elsewhere, is reloaded and put back whole."""
    place.load({"t": "def f(): pass\n", "it": f"from t import f\n{SLOW}"}, "t")
    threads.importing("it")
    half = id(sys.modules["it"])

    report = measured(place, threads, "t", "cascade")

    assert (report.outcome, report.error) == ("clean", None)
    assert threads.results == [half]
    assert id(sys.modules["it"]) == half
    assert sys.modules["it"].ended == 1
    assert len(place.log.ran) >= 7
    assert place.log.ran == ["it", *["t", "it"] * (len(place.log.ran) // 2)]


# -- an import while the target is reloaded ---------------------------------------------------------------------------

IMPORTS = {
    "import": "import app.t as got",
    "from package": "from app import t as got",
    "from module": "from app.t import ended; import app.t as got",
    "a sibling": "import app.u as got",
}


@pytest.mark.parametrize("statement", IMPORTS.values(), ids=IMPORTS)
@pytest.mark.parametrize("strategy", DROPPING)
def test_who_imports_the_target_meanwhile_gets_a_whole_module(strategy, statement, place, threads):
    """One that is being executed is waited for; no body runs twice in a round."""
    place.load({"app.__init__": "from app import t, u\n", "app.t": SLOW, "app.u": SLOW}, "app")
    before = state("app")

    def imports():
        threads.gate.inside.wait(30)
        place.log.calls.append(threading.current_thread())
        namespace = {}
        exec(statement, namespace)
        return vars(namespace["got"]).get("ended"), namespace["got"].f

    threads.gate.slow = "app.t"
    thread = threads.run(imports)
    waiting = when_it_waits(thread, threads.gate.go.set)
    report = place.measure("app", strategy, probes=["threads"])
    waiting.join(30)
    threads.join()

    assert (report.outcome, report.error) == ("clean", None)
    assert [ended for ended, _ in threads.results] == [1]
    assert {name: place.log.ran.count(name) for name in ("app", "app.t", "app.u")} == {
        "app": 3,
        "app.t": 3,
        "app.u": 3,
    }
    assert state("app") == before


# -- code that reloads what is being imported -------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_module_that_is_reloaded_by_its_own_import_is_refused(strategy, place):
    """The outcome is `error` with what to do; its import goes on and ends as it would have."""
    place.write({"t": "begun = 1\nlog.calls.pop()() if log.calls else None\ndef f(): pass\n"})
    reports = []
    place.log.calls.append(lambda: reports.append(place.measure("t", strategy)))

    t = importlib.import_module("t")

    (report,) = reports
    assert report.outcome == "error"
    assert report.error == (
        "the reload was refused: t is still being imported, and that import waits for this reload; "
        "reload it after its import has finished"
    )
    assert t is sys.modules["t"]
    assert (t.begun, t.f.__module__) == (1, "t")
    assert place.log.ran == ["t"]
    assert place.measure("t", "reimport").outcome == "clean"


def test_a_cascade_by_the_import_of_a_dependent_is_refused(place):
    """`main` would have to be reloaded too; the target alone can be."""
    place.write({"t": "def f(): pass\n", "main": "from t import f\nlog.calls.pop()()\nended = 1\n"})
    reports = []
    place.log.calls.append(
        lambda: reports.extend([place.measure("t"), place.measure("t", "reimport", probes=["fds"])])
    )

    main = importlib.import_module("main")

    assert [report.outcome for report in reports] == ["error", "clean"]
    assert reports[0].error.startswith("the reload was refused: main is still being imported")
    assert main.ended == 1
    assert main.f is sys.modules["t"].f
