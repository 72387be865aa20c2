import pytest
from support import assert_no_traceback

APP = """
    import host

    born = []
    count = getattr(host, "count", 0) + 1
    host.count = count

    def handler():
        return count

    class Thing:
        pass
"""
"""A target that knows which execution it is of: `count` is 1 for the one that the test module imported."""

ROUNDS = 1 + 5  # the defaults: one warm-up round and five counted ones


@pytest.fixture
def app(project):
    """A project with the modules `app` (which knows its generation), `other`, and a package `pkg`."""
    project.write(
        {
            "app.py": APP,
            "other.py": "def twin(): pass\n",
            "pkg/__init__.py": "",
            "pkg/views.py": "import host\n\ndef view(): pass\n",
            "pkg/models.py": "class Model: pass\n",
        }
    )
    return project


def run(project, test, *arguments, plugins=()):
    """Run one test module with the flag, in a process of its own."""
    project.write({"test_it.py": test})
    return project.check_apart("-vv", *arguments, plugins=plugins)


def lines(result, prefix):
    """What the test printed after a prefix, one entry a line (`-s` or the captured output of a failure)."""
    return [line.removeprefix(prefix) for line in result.outlines if line.startswith(prefix)]


# -- once per round, on a fresh generation ----------------------------------------------------------------------------

BODY = """
    import pytest, host

    seen = []

    @pytest.mark.reloadable("app")
    def test_body(reloaded):
        print("\\nround of", reloaded.count)
        seen.append(reloaded.handler.__code__ and reloaded.count)

    def test_after():
        print("\\nseen", seen)
"""


def test_the_body_runs_once_per_round_on_a_fresh_generation(app):
    """With the flag the body runs in the warm-up round and in each counted one, each time on the newest module."""
    result = run(app, BODY, "-s")

    result.assert_outcomes(passed=2)
    assert lines(result, "round of ") == [str(number) for number in range(2, 2 + ROUNDS)]
    (check,) = app.checks()
    assert (check["target"], check["outcome"], check["nodeid"]) == ("app", "clean", "test_it.py::test_body")


def test_the_body_runs_once_without_the_flag(app):
    """Without the flag a marked test is an ordinary one, and `reloaded` is the module as it is imported."""
    app.write({"test_it.py": BODY})

    result = app.spawn("-s")

    result.assert_outcomes(passed=2)
    assert lines(result, "round of ") == ["1"]
    assert lines(result, "seen ") == ["[1]"]
    assert app.checks() == []


UNTOUCHED = """
    import gc, sys, tracemalloc

    def state():
        return gc.isenabled(), gc.get_threshold(), gc.get_debug(), gc.get_freeze_count(), gc.callbacks, gc.collect

    before = state()
    for name in ("collect", "freeze", "disable", "get_objects", "get_referrers"):
        setattr(gc, name, lambda *_, name=name: print(f"\\ncalled {name}"))
    before = state()

    def pytest_unconfigure():
        print("\\ncollector", before == state())
        print("tracing", tracemalloc.is_tracing())
        print("heavy", sorted({"psutil", "objgraph", "pympler"} & set(sys.modules)))
        print("ours", sorted(name for name in sys.modules if name.startswith("pytest_reloadleak")))
"""


@pytest.mark.parametrize("argument", ["", "reloaded"], ids=["plain", "with the fixture"])
def test_without_the_flag_nothing_is_touched_or_imported(app, argument):
    """Without the flag a marked test costs nothing: no collector, no tracing, no dependency, only what has options."""
    app.write(
        {
            "test_it.py": f"""
                import pytest, app

                @pytest.mark.reloadable("app")
                def test_body({argument}):
                    assert app.count == 1
            """,
            "conftest.py": UNTOUCHED,
        }
    )

    # Not `project.spawn`: somebody has to collect the JSON report that it asks for. And pytest itself collects.
    result = app.pytester.runpytest_subprocess("-s", "-preloadleak", "-pno:unraisableexception", timeout=60)

    result.assert_outcomes(passed=1)
    assert lines(result, "called ") == []
    assert lines(result, "collector ") == ["True"]
    assert lines(result, "tracing ") == ["False"]
    assert lines(result, "heavy ") == ["[]"]
    ours = ["pytest_reloadleak", "pytest_reloadleak.command_line", "pytest_reloadleak.plugin"]
    assert lines(result, "ours ") == [str(ours)]


def test_options_set_the_rounds_of_marked_tests(app):
    """`--reload-leak-rounds` and `--reload-leak-warmup` count for marked tests as well."""
    result = run(app, BODY, "-s", "--reload-leak-rounds=2", "--reload-leak-warmup=0")

    assert lines(result, "round of ") == ["2", "3"]


def test_keywords_win_over_options(app):
    """The marker's `rounds` and `warmup` win over the options, and are what the report says."""
    result = run(
        app,
        BODY.replace('reloadable("app")', 'reloadable("app", rounds=3, warmup=2)'),
        "-s",
        "--reload-leak-rounds=9",
    )

    assert len(lines(result, "round of ")) == 3 + 2
    (check,) = app.checks()
    assert (check["rounds"], check["warmup"]) == (3, 2)


@pytest.mark.parametrize("strategy", ["reload", "decache", "reimport"])
def test_the_strategy_keyword_says_how(app, strategy):
    """`strategy=` is used and reported: `reload` keeps the module object, the others make a new one each round."""
    result = run(
        app,
        f"""
        import pytest

        ids = set()

        @pytest.mark.reloadable("app", strategy="{strategy}")
        def test_body(reloaded):
            ids.add(id(vars(reloaded)))

        def test_after():
            print("\\nkept", len(ids) == 1)
        """,
        "-s",
    )

    result.assert_outcomes(passed=2)
    if strategy == "reload":
        assert lines(result, "kept ") == ["True"]
    assert [check["strategy"] for check in app.checks()] == [strategy]


def test_each_strategy_of_the_options_is_a_check_of_its_own(app):
    """Without the keyword a marked test is checked under every strategy of the options; each adds an entry."""
    result = run(app, BODY, "-s", "--reload-leak-strategy=reload", "--reload-leak-strategy=reimport")

    result.assert_outcomes(passed=2)
    assert len(lines(result, "round of ")) == 2 * ROUNDS
    assert [(c["strategy"], c["nodeid"]) for c in app.checks()] == [
        ("reload", "test_it.py::test_body"),
        ("reimport", "test_it.py::test_body"),
    ]


# -- what the body does -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line", ["append(reloaded.handler)", "__init__([reloaded.handler])"], ids=["leaks", "cured"]
)
def test_what_the_body_leaves_behind_is_found(app, line):
    """The body is the exercise: what it registers is held against the target, unless it replaces what was there."""
    result = run(
        app,
        f"""
        import pytest, host

        @pytest.mark.reloadable("app")
        def test_body(reloaded):
            host.listeners.{line}
        """,
    )

    leaks = "append" in line
    result.assert_outcomes(failed=leaks, passed=not leaks)
    (check,) = app.checks()
    assert check["outcome"] == ("leaking" if leaks else "clean")
    if leaks:
        assert check["findings"][0]["holder"]["path"] == "host.listeners[*]"
        assert check["findings"][0]["held"]["name"] == "app.handler"
        result.stdout.fnmatch_lines(["app (reimport) leaks on reload: *"])
        assert_no_traceback(result)


def test_locals_and_results_of_the_body_are_no_leaks(app):
    """Locals, closures, exceptions that were caught and what pytest records are not held against the target."""
    result = run(
        app,
        """
        import logging, warnings
        import pytest

        @pytest.mark.filterwarnings("ignore")
        @pytest.mark.reloadable("app")
        def test_body(reloaded, caplog, recwarn, monkeypatch, request):
            thing = reloaded.Thing()
            closure = lambda: thing
            assert isinstance(closure(), reloaded.Thing)
            logging.getLogger("any").error("logged %s", thing)
            warnings.warn("warned of", UserWarning)
            with pytest.raises(ValueError):
                raise ValueError(thing)
            with monkeypatch.context() as patch:
                patch.setattr(reloaded, "count", 0)
        """,
    )

    result.assert_outcomes(passed=1)


def test_a_body_that_fails_is_an_ordinary_failure(app):
    """An assertion of the body is shown as pytest shows it, with the introspected values, and no report of ours."""
    result = run(
        app,
        """
        import pytest

        @pytest.mark.reloadable("app")
        def test_body(reloaded):
            assert reloaded.count < 4
        """,
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*>*assert reloaded.count < 4*",
            "E*assert 4 < 4*",
            "test_it.py:6: AssertionError",
        ]
    )
    assert "leaks on reload" not in result.stdout.str()
    assert "pytest_reloadleak/" not in result.stdout.str()


@pytest.mark.parametrize("count", [2, 4], ids=["in the first round", "later"])
def test_a_body_that_skips_is_skipped(app, count):
    """`pytest.skip` in the body skips the test with its reason, in whatever round it is called."""
    result = run(
        app,
        f"""
        import pytest

        @pytest.mark.reloadable("app")
        def test_body(reloaded):
            if reloaded.count == {count}:
                pytest.skip("not with this one")
        """,
        "-rs",
    )

    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED * not with this one"])


def test_xfail_works_as_ever(app):
    """A strict `xfail` of a leaking body is an expected failure; of a clean one an unexpected pass."""
    result = run(
        app,
        """
        import pytest, host

        @pytest.mark.xfail(strict=True, reason="known")
        @pytest.mark.reloadable("app")
        def test_leaks(reloaded):
            host.listeners.append(reloaded.handler)

        @pytest.mark.xfail(strict=True, reason="known")
        @pytest.mark.reloadable("app")
        def test_clean():
            host.listeners.clear()
        """,
    )

    result.assert_outcomes(xfailed=1, failed=1)


def test_the_rounds_end_with_the_body_that_failed(app):
    """After a failure no further round runs, and everything is back for the next test."""
    result = run(
        app,
        """
        import pytest, sys, app
        from app import handler

        original = app

        @pytest.mark.reloadable("app")
        def test_body():
            print("\\nround of", app.count)
            assert app.count < 3

        def test_after():
            assert app is original is sys.modules["app"]
            assert app.handler is handler
            assert app.count == 1
        """,
        "-s",
    )

    result.assert_outcomes(failed=1, passed=1)
    assert lines(result, "round of ") == ["2", "3"]


# -- the test module's bindings ---------------------------------------------------------------------------------------


def test_bindings_of_the_test_module_are_refreshed_and_put_back(app):
    """Each kind of import binds the newest generation in each round, is no leak, and is the old one again later."""
    result = run(
        app,
        """
        import sys
        import pytest
        import app
        import app as alias
        import pkg.views
        import pkg.models as models
        from app import Thing, handler
        from app import handler as renamed
        from pkg import views
        from pkg.models import *

        def bound():
            return [app, alias, pkg, models, Thing, handler, renamed, views, Model]

        first = bound()
        rounds = []

        @pytest.mark.reloadable("app", "pkg")
        def test_body(reloaded):
            assert app is alias is sys.modules["app"] is reloaded["app"]
            assert handler is renamed is app.handler
            assert Thing is app.Thing
            assert pkg is sys.modules["pkg"] is reloaded["pkg"]
            assert pkg.views is views is sys.modules["pkg.views"]
            assert models is sys.modules["pkg.models"]
            assert Model is models.Model
            assert not [new for new, old in zip(bound(), first) if new is old]
            rounds.append(app.count)

        def test_after():
            assert [new is old for new, old in zip(bound(), first)] == [True] * len(first)
            assert sys.modules["app"] is app
            assert sys.modules["pkg.views"] is pkg.views
            assert len(rounds) == 6
        """,
    )

    result.assert_outcomes(passed=2)
    assert [check["outcome"] for check in app.checks()] == ["clean"]


def test_a_parent_that_is_bound_through_a_submodule_is_refreshed(app):
    """`import pkg.views` binds `pkg`; with the target `pkg.views` the attribute is the fresh one, the package stays."""
    result = run(
        app,
        """
        import sys
        import pytest
        import pkg.views

        first = [pkg.views]  # a binding would be refreshed as well

        @pytest.mark.reloadable("pkg.views")
        def test_body(reloaded):
            assert pkg is sys.modules["pkg"]
            assert pkg.views is sys.modules["pkg.views"] is reloaded
            assert pkg.views is not first[0]

        def test_after():
            assert pkg.views is first[0] is sys.modules["pkg.views"]
        """,
    )

    result.assert_outcomes(passed=2)


def test_what_the_test_module_keeps_elsewhere_is_its_own_too(app):
    """What classes, defaults and containers of the test module keep of the first generation is no leak."""
    result = run(
        app,
        """
        import pytest
        import app
        from app import Thing, handler

        class Helper:
            kind = Thing
            made = Thing()

        def helper(call=handler):
            return call

        table = {"thing": Thing}

        @pytest.mark.reloadable("app")
        def test_body():
            assert app.Thing is Thing
        """,
    )

    result.assert_outcomes(passed=1)


def test_parametrised_values_of_the_target_are_no_leaks(app):
    """What pytest itself keeps of the first generation as a parameter is not held against the target."""
    result = run(
        app,
        """
        import pytest
        from app import Thing

        @pytest.mark.parametrize("kind", [Thing], ids=["thing"])
        @pytest.mark.reloadable("app")
        def test_body(kind):
            assert kind.__name__ == "Thing"
        """,
    )

    result.assert_outcomes(passed=1)


def test_a_module_that_the_test_does_not_reload_keeps_its_stale_binding(app):
    """The exemption is the test module's alone: another module that took a name and kept it is reported."""
    app.write({"keeper.py": "from app import handler\n"})
    test = """
        import pytest, app
        {}

        @pytest.mark.reloadable("app")
        def test_body():
            pass
    """

    run(app, test.format("import keeper")).assert_outcomes(failed=1)
    ((finding,),) = [check["findings"] for check in app.checks()]
    assert (finding["kind"], finding["holder"]["path"]) == ("stale-reference", "keeper.handler")

    run(app, test.format("")).assert_outcomes(passed=1)


# -- targets ----------------------------------------------------------------------------------------------------------


def test_a_bare_marker_takes_what_the_test_module_imports(app):
    """Without arguments the targets are the first-party modules that the test module imports, and no others."""
    result = run(
        app,
        """
        import json
        import pytest
        import app, other
        from pkg.views import view

        @pytest.mark.reloadable
        def test_body(reloaded):
            assert sorted(reloaded) == ["app", "other", "pkg.views"]

        @pytest.mark.reloadable()
        def test_called(reloaded):
            assert sorted(reloaded) == ["app", "other", "pkg.views"]
        """,
    )

    result.assert_outcomes(passed=2)


def test_a_bare_marker_with_one_import_is_that_module(app):
    """With a single first-party import `reloaded` is the module itself."""
    result = run(
        app,
        """
        import pytest
        from pkg import models

        @pytest.mark.reloadable
        def test_body(reloaded):
            assert reloaded is models
            assert reloaded.__name__ == "pkg.models"
        """,
    )

    result.assert_outcomes(passed=1)


def test_several_targets_are_one_unit(app):
    """Targets that refer to each other are reloaded together, and `reloaded` is indexed by name."""
    app.write({"first.py": "import second\ndef f(): return second\n", "second.py": "def g(): pass\n"})

    result = run(
        app,
        """
        import pytest

        @pytest.mark.reloadable("first", "second")
        def test_body(reloaded):
            assert reloaded["first"].f() is reloaded["second"]
        """,
    )

    result.assert_outcomes(passed=1)
    (check,) = app.checks()
    assert check["target"] == "first, second"


def test_a_target_that_nobody_imported_is_not_loaded_afterwards(app):
    """A target is loaded for its check, and is as unloaded as before when the check is over."""
    result = run(
        app,
        """
        import sys
        import pytest

        @pytest.mark.reloadable("other")
        def test_body(reloaded):
            assert reloaded is sys.modules["other"]

        def test_after():
            assert "other" not in sys.modules
        """,
    )

    result.assert_outcomes(passed=2)


# -- kinds of tests ---------------------------------------------------------------------------------------------------

KINDS = {
    "method": """
        class TestThing:
            kind = "class"

            def setup_method(self):
                self.made = []

            @pytest.mark.reloadable("app")
            def test_body(self, reloaded):
                assert self.kind == "class" and self.made == [] or len(self.made) > 0
                self.made.append(None)
                run(reloaded.handler)
    """,
    "class": """
        @pytest.mark.reloadable("app")
        class TestThing:
            def test_body(self, reloaded):
                run(reloaded.handler)
    """,
    "module": """
        pytestmark = pytest.mark.reloadable("app")

        def test_body(reloaded):
            run(reloaded.handler)
    """,
    "static": """
        class TestThing:
            @staticmethod
            @pytest.mark.reloadable("app")
            def test_body(reloaded):
                run(reloaded.handler)
    """,
    "parametrised": """
        @pytest.mark.parametrize("number", [7])
        @pytest.mark.reloadable("app")
        def test_body(reloaded, number):
            assert number == 7
            run(reloaded.handler)
    """,
    "unittest": """
        import unittest

        class ThingCase(unittest.TestCase):
            def setUp(self):
                self.number = 7

            @pytest.mark.reloadable("app")
            def test_body(self):
                import app
                self.assertEqual(self.number, 7)
                run(app.handler)
    """,
    "unittest class": """
        import unittest

        @pytest.mark.reloadable("app")
        class ThingCase(unittest.TestCase):
            def test_body(self):
                import app
                run(app.handler)
    """,
    "unittest async": """
        import unittest

        class ThingCase(unittest.IsolatedAsyncioTestCase):
            @pytest.mark.reloadable("app")
            async def test_body(self):
                import app, asyncio
                await asyncio.sleep(0)
                run(app.handler)
    """,
}


@pytest.mark.parametrize("leaks", [True, False], ids=["leaks", "cured"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_test_can_be_marked(app, kind, leaks):
    """Methods, marked classes and modules, parametrised tests and `unittest` cases run in rounds, and are judged."""
    line = "host.listeners.append(made)" if leaks else "host.listeners[:] = [made]"
    head = f"import pytest, host\n\ndef run(made):\n    print('\\nran')\n    {line}\n\n"
    app.write({"test_it.py": KINDS[kind]})
    source = (app.path / "test_it.py").read_text()
    (app.path / "test_it.py").write_text(head + source)

    result = app.check_apart("-s")

    result.assert_outcomes(failed=leaks, passed=not leaks)
    assert [check["outcome"] for check in app.checks()] == ["leaking" if leaks else "clean"]
    # A second pass confirms what the first found; where the process grew by itself meanwhile, there are more rounds.
    assert len(lines(result, "ran")) >= ROUNDS + 6 * leaks


def test_each_parameter_is_a_check_of_its_own(app):
    """Parametrised tests are checked one by one: of three values the one that leaks fails."""
    result = run(
        app,
        """
        import pytest, host

        @pytest.mark.parametrize("number", [1, 2, 3])
        @pytest.mark.reloadable("app")
        def test_body(reloaded, number):
            if number == 2:
                host.listeners.append(reloaded.handler)
        """,
    )

    result.assert_outcomes(passed=2, failed=1)
    assert [(c["nodeid"], c["outcome"]) for c in app.checks()] == [
        ("test_it.py::test_body[1]", "clean"),
        ("test_it.py::test_body[2]", "leaking"),
        ("test_it.py::test_body[3]", "clean"),
    ]


@pytest.mark.parametrize("scope", ["function", "class", "module", "package", "session"])
def test_fixtures_of_every_scope_live_through_all_rounds(app, scope):
    """A fixture is set up once, used in each round and torn down once, and what it is made of is no leak."""
    result = run(
        app,
        f"""
        import pytest, app

        @pytest.fixture(scope="{scope}")
        def resource():
            print("\\nset up")
            yield app.Thing()
            print("\\ntorn down")

        @pytest.mark.reloadable("app")
        def test_body(resource, reloaded):
            assert type(resource).__name__ == "Thing"
            print("\\nused")
        """,
        "-s",
    )

    result.assert_outcomes(passed=1)
    assert len(lines(result, "set up")) == len(lines(result, "torn down")) == 1
    assert len(lines(result, "used")) == ROUNDS


@pytest.mark.parametrize("line", ["host.append(made)", "host[:] = [made]"], ids=["leaks", "cured"])
def test_what_a_fixture_collects_is_found_by_the_fixtures_name(app, line):
    """A container of a fixture's that grows with each round is a holder, named by the fixture."""
    result = run(
        app,
        f"""
        import pytest

        @pytest.fixture
        def host():
            return []

        @pytest.mark.reloadable("app")
        def test_body(host, reloaded):
            made = reloaded.handler
            {line}
        """,
    )

    leaks = "append" in line
    result.assert_outcomes(failed=leaks, passed=not leaks)
    if leaks:
        ((finding,),) = [check["findings"] for check in app.checks()]
        assert (finding["holder"]["root"], finding["holder"]["path"]) == ("fixture", "fixture.host[*]")


# -- async ------------------------------------------------------------------------------------------------------------

LOOP = "import asyncio\nsleep = asyncio.sleep\ncurrent = asyncio.get_running_loop\n"
BACKEND = "\n@pytest.fixture\ndef anyio_backend():\n    return '{}'\n"

ASYNC = {
    "pytest-asyncio": (
        ("asyncio",),
        "@pytest.mark.asyncio",
        LOOP,
    ),
    "pytest-asyncio auto": (
        ("asyncio", "no:anyio"),
        "",
        LOOP,
    ),
    "anyio asyncio": (
        ("anyio",),
        "@pytest.mark.anyio",
        LOOP + BACKEND.format("asyncio"),
    ),
    "anyio trio": (
        ("anyio",),
        "@pytest.mark.anyio",
        "import trio\nsleep = trio.sleep\ncurrent = trio.lowlevel.current_root_task\n"
        + BACKEND.format("trio"),
    ),
}


@pytest.mark.parametrize("leaks", [True, False], ids=["leaks", "cured"])
@pytest.mark.parametrize("runner", ASYNC)
def test_async_tests_run_all_rounds_on_one_loop(app, runner, leaks):
    """Under pytest-asyncio and anyio the rounds of a coroutine test share one loop, and leaks are found as ever."""
    plugins, decorator, head = ASYNC[runner]
    body = f"""
import pytest, host
{head}

loops = []

{decorator}
@pytest.mark.reloadable("app")
async def test_body(reloaded):
    loops.append(current())
    count = reloaded.count
    await sleep(0)
    assert reloaded.count == count
    host.listeners{".append(reloaded.handler)" if leaks else "[:] = [reloaded.handler]"}

def test_after():
    print("\\nrounds", len(loops), "loops", len(set(map(id, loops))))
"""
    (app.path / "test_it.py").write_text(body)
    if "auto" in runner:
        app.write({"pytest.ini": "[pytest]\npythonpath = .\nasyncio_mode = auto\n"})

    result = app.check_apart("-s", "-Wignore", plugins=plugins)

    result.assert_outcomes(failed=leaks, passed=1 if leaks else 2)
    assert lines(result, "rounds ") == [f"{ROUNDS + 6 * leaks} loops 1"]
    (check,) = app.checks()
    assert check["outcome"] == ("leaking" if leaks else "clean")
    assert [f["holder"]["path"] for f in check["findings"]] == (["host.listeners[*]"] if leaks else [])


def test_what_the_loop_still_has_to_finish_is_given_time(app):
    """A task that the body cancelled ends on the loop while the check settles: it is no leak, one left alone is."""
    test = """
        import asyncio
        import pytest, host

        @pytest.mark.asyncio
        @pytest.mark.reloadable("app")
        async def test_body(reloaded):
            async def forever(thing):
                await asyncio.sleep(3600)

            task = asyncio.create_task(forever(reloaded.Thing()))
            await asyncio.sleep(0)
            {}
    """

    cancelled = run(app, test.format("task.cancel()"), "-Wignore", plugins=("asyncio",))
    cancelled.assert_outcomes(passed=1)

    left = run(app, test.format("pass"), "-Wignore", plugins=("asyncio",))
    left.assert_outcomes(failed=1)
    assert [check["outcome"] for check in app.checks()] == ["leaking"]


@pytest.mark.parametrize("plugin", ["asyncio", "anyio"])
def test_an_async_body_that_fails_is_an_ordinary_failure(app, plugin):
    """The assertion of a coroutine test is shown as it is, and no frame of ours."""
    result = run(
        app,
        f"""
        import pytest

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.mark.{plugin}
        @pytest.mark.reloadable("app")
        async def test_body(reloaded):
            assert reloaded.count < 4
        """,
        "-Wignore",
        plugins=(plugin,),
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*assert 4 < 4*"])
    assert "pytest_reloadleak/" not in result.stdout.str()


# -- reload= ----------------------------------------------------------------------------------------------------------

HOST_RELOAD = """
    import importlib, sys

    class Host:
        def __init__(self):
            self.calls = 0
            self.kept = []

        def reload(self):
            self.calls += 1
            del sys.modules["app"]
            return self.loaded()

        def loaded(self):
            module = importlib.import_module("app")
            self.kept{} [module.handler]

        async def areload(self):
            self.reload()
"""


@pytest.mark.parametrize("leaks", [True, False], ids=["leaks", "cured"])
@pytest.mark.parametrize("how", ["callable", "fixture", "async fixture"])
def test_reload_is_the_applications_own(app, how, leaks):
    """`reload=` takes a callable or the name of a fixture that returns one, sync or async, once for each round."""
    app.write({"hosting.py": HOST_RELOAD.format(" +=" if leaks else "[:] =")})
    keyword = {"callable": "the_host.reload", "fixture": "'reload'", "async fixture": "'areload'"}[how]

    result = run(
        app,
        f"""
        import pytest, hosting, app

        the_host = hosting.Host()

        @pytest.fixture
        def reload():
            return the_host.reload

        @pytest.fixture
        def areload():
            return the_host.areload

        @pytest.mark.reloadable("app", reload={keyword})
        def test_body(reloaded):
            assert the_host.kept[-1] is reloaded.handler

        def test_after():
            print("\\ncalls", the_host.calls)
        """,
        "-s",
    )

    result.assert_outcomes(failed=leaks, passed=1 if leaks else 2)
    assert lines(result, "calls ") == [str(ROUNDS + 6 * leaks)]
    (check,) = app.checks()
    assert (check["strategy"], check["outcome"]) == ("callable", "leaking" if leaks else "clean")


def test_an_async_reload_runs_on_the_tests_own_loop(app):
    """In a coroutine test, a coroutine function as `reload=` is awaited on the loop of the body."""
    app.write({"hosting.py": HOST_RELOAD.format("[:] =")})

    result = run(
        app,
        """
        import asyncio
        import pytest, hosting, app

        loops = set()

        async def reload():
            loops.add(id(asyncio.get_running_loop()))
            await hosting.Host().areload()

        @pytest.mark.asyncio
        @pytest.mark.reloadable("app", reload=reload)
        async def test_body(reloaded):
            loops.add(id(asyncio.get_running_loop()))

        def test_after():
            assert len(loops) == 1
        """,
        "-Wignore",
        plugins=("asyncio",),
    )

    result.assert_outcomes(passed=2)


def test_a_reload_that_raises_fails_the_test_with_its_text(app):
    """What a `reload=` callable raises is the outcome `error`, with its type and text, and no traceback of the tool."""
    result = run(
        app,
        """
        import pytest, app

        def broken():
            raise RuntimeError("the host refuses")

        @pytest.mark.reloadable("app", reload=broken)
        def test_body():
            pass
        """,
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["app (callable) could not be checked: *RuntimeError: the host refuses (*test_it.py:5 in broken)"]
    )
    assert_no_traceback(result)
    assert [check["outcome"] for check in app.checks()] == ["error"]


def test_a_reload_that_does_nothing_is_an_error(app):
    """A callable that reloads nothing is never called clean."""
    result = run(
        app,
        """
        import pytest, app

        @pytest.mark.reloadable("app", reload=lambda: None)
        def test_body():
            pass
        """,
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["app (callable) could not be checked: *the target was not reloaded*"])
    assert_no_traceback(result)


def test_a_target_whose_execution_raises_later_is_an_error(app):
    """A target that raises in a later round fails its test with the round and the exception, and is put back."""
    app.write({"app.py": APP + "\n    if count == 4:\n        raise ValueError('fourth')\n"})

    result = run(
        app,
        """
        import pytest, sys, app

        first = app

        @pytest.mark.reloadable("app")
        def test_body():
            pass

        def test_after():
            assert sys.modules["app"] is app is first
        """,
    )

    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(
        ["app (reimport) could not be checked: round 2: the reload raised: ValueError: fourth (*"]
    )
    assert_no_traceback(result)


# -- markers that make no sense ---------------------------------------------------------------------------------------

BAD = {
    '"app", round=3': "reloadable: unknown keyword 'round'; "
    "the keywords are strategy, rounds, warmup, reload, dispose, unload, probes, ignore, expect, preset, host; "
    "did you mean 'rounds'?",
    '"app", rounds=0': "rounds must be at least 1, not 0",
    '"app", rounds="many"': "rounds must be a whole number of at least 1, not 'many'",
    '"app", rounds=True': "rounds must be a whole number of at least 1, not True",
    '"app", warmup=-1': "warmup must be at least 0, not -1",
    '"app", strategy="fancy"': (
        "unknown strategy 'fancy': use one of reload, decache, reimport, cascade, alias, worker, all, or pass "
        "a callable as reload="
    ),
    '"nope"': (
        "unknown target 'nope': no such module in sys.path; check the spelling and where pytest is started"
    ),
    '"app.py"': "target 'app.py' looks like a file: name the module instead, such as 'package.module'",
    '"sys"': (
        "target 'sys' is refused: it is a builtin module, which Python cannot execute again; "
        "name a module of your own"
    ),
    '"threading"': (
        "target 'threading' is refused: it owns process-wide state, which a copy would split; "
        "use --reload-leak-force to check it anyway"
    ),
    "host": "a target must be the name of a module, not <module 'host' from *",
    "3": "a target must be the name of a module, not 3",
    '"app", reload="nowhere"': "reload='nowhere' is no fixture: pass the name of one",
    '"app", reload=3': "reload must be a callable or the name of a fixture, not 3",
    '"app", reload="not_callable"': "reload must be a callable or the name of a fixture, not *",
}


@pytest.mark.parametrize(("arguments", "text"), BAD.items(), ids=BAD)
def test_a_marker_that_makes_no_sense_fails_its_test_alone(app, arguments, text):
    """One line says what is wrong with the marker; the body does not run, the next test does."""
    result = run(
        app,
        f"""
        import pytest, host

        @pytest.fixture
        def not_callable():
            return [1]

        @pytest.mark.reloadable({arguments})
        def test_body():
            print("\\nthe body ran")

        def test_after():
            pass
        """,
    )

    result.assert_outcomes(failed=1, passed=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines([text.replace("[", "[[]")])
    assert lines(result, "the body ran") == []
    assert_no_traceback(result)


def test_a_bare_marker_without_own_imports_says_what_to_do(project):
    """A test module that imports nothing of the project's own has nothing to reload: one line says so."""
    (project.path / "host.py").unlink()
    result = run(
        project,
        """
        import json
        import pytest

        @pytest.mark.reloadable
        def test_body():
            pass
        """,
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            (
                "reloadable: test_it imports no module of the project's own, so there is nothing to reload; "
                "name the target: @pytest.mark.reloadable('myapp.module')"
            )
        ]
    )
    assert_no_traceback(result)


@pytest.mark.parametrize("flag", [["--reload-leak-check"], []], ids=["with the flag", "without"])
def test_the_fixture_needs_the_marker(app, flag):
    """`reloaded` in a test without the marker is an error that says so."""
    app.write({"test_it.py": "def test_body(reloaded): pass\n"})

    result = app.spawn(*flag)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*the fixture `reloaded` needs a marker: add @pytest.mark.reloadable(...)"])
    assert_no_traceback(result)


def test_the_marker_is_registered(app):
    """`--strict-markers` accepts the marker, and `--markers` explains it."""
    app.write({"test_it.py": BODY})

    app.spawn("--strict-markers").assert_outcomes(passed=2)
    app.spawn("--markers").stdout.fnmatch_lines(["@pytest.mark.reloadable([*]targets, *"])


def test_m_chooses_marked_tests(app):
    """`-m reloadable` runs marked tests alone."""
    result = run(app, BODY, "-m", "reloadable")

    result.assert_outcomes(passed=1, deselected=1)


def test_marked_tests_run_under_xdist(app):
    """Under `-n 2` marked tests give the same outcomes and entries as in one process."""
    test = """
        import pytest, host

        @pytest.mark.parametrize("number", [1, 2, 3, 4])
        @pytest.mark.reloadable("app")
        def test_body(reloaded, number):
            if number == 2:
                host.listeners.append(reloaded.handler)
    """
    run(app, test).assert_outcomes(passed=3, failed=1)
    alone = [(c["nodeid"], c["outcome"], [f["signature"] for f in c["findings"]]) for c in app.checks()]

    run(app, test, "-n2", plugins=("xdist",)).assert_outcomes(passed=3, failed=1)
    spread = [(c["nodeid"], c["outcome"], [f["signature"] for f in c["findings"]]) for c in app.checks()]

    assert spread == alone


def test_checks_of_several_tests_are_independent(app):
    """What one marked test left behind is not held against the next one."""
    result = run(
        app,
        """
        import pytest, host

        @pytest.mark.reloadable("app")
        def test_leaks(reloaded):
            host.listeners.append(reloaded.handler)

        @pytest.mark.reloadable("app")
        def test_clean(reloaded):
            assert host.listeners
        """,
    )

    result.assert_outcomes(failed=1, passed=1)
    assert [check["outcome"] for check in app.checks()] == ["clean", "leaking"]
