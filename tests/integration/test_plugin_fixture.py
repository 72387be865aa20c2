import textwrap

import pytest
from support import TRACEBACK

HOST = """
    import importlib, sys

    listeners = []
    current = []

    def reload(name="app"):
        sys.modules.pop(name, None)
        importlib.import_module(name)

    async def areload(name="app"):
        import asyncio
        await asyncio.sleep(0)
        reload(name)
"""

APP = """
    import host

    def handler():
        return "handled"
"""
LEAKY = APP + "\n    host.listeners.append(handler)\n"
CURED = APP + "\n    host.listeners[:] = [handler]\n"


@pytest.fixture
def app(project):
    """A project with a host that reloads, a module `leaky`, its twin `cured`, and `app`, a clean one."""
    project.write({"host.py": HOST, "app.py": APP, "leaky.py": LEAKY, "cured.py": CURED})
    return project


def run(project, test, *arguments, plugins=()):
    """Run one test module, by default without the flag: an explicit check is its own opt-in."""
    project.write({"test_it.py": "import pytest, host\n" + textwrap.dedent(test)})
    return project.spawn("-Wignore", *arguments, plugins=plugins)


def entries(project):
    """Target, strategy and outcome of each entry of the JSON report."""
    return [(check["target"], check["strategy"], check["outcome"]) for check in project.checks()]


# -- check, acheck, measure -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", [[], ["--reload-leak-check"]], ids=["without the flag", "with it"])
def test_check_passes_a_clean_target_and_fails_a_leaking_one(app, flag):
    """An explicit check runs with and without the flag; it returns the report, or raises with it."""
    result = run(
        app,
        """
        def test_cured(reload_leaks):
            report = reload_leaks.check("cured")
            assert report.outcome == "clean"
            assert (report.target, report.strategy, report.rounds, report.warmup) == ("cured", "reimport", 5, 1)
            assert report.findings == () and report.error is None

        def test_leaky(reload_leaks):
            reload_leaks.check("leaky")
        """,
        *flag,
        *(["-m", "not reloadable"] if flag else []),
    )

    result.assert_outcomes(
        passed=1, failed=1, deselected=len(entries(app)) and (result.parseoutcomes().get("deselected", 0))
    )
    result.stdout.fnmatch_lines(
        [
            "E*pytest_reloadleak.errors.ReloadLeakError: leaky (reimport) leaks on reload: 5 old generations*",
            "E*holder  host.listeners[[]*] (list, root sys.modules)",
        ]
    )
    assert entries(app) == [("cured", "reimport", "clean"), ("leaky", "reimport", "leaking")]
    assert [check["nodeid"] for check in app.checks()] == ["test_it.py::test_cured", "test_it.py::test_leaky"]


def test_the_error_carries_the_report_and_is_an_assertion(app):
    """`ReloadLeakError` is an `AssertionError`; its text is the report, its `report` has the JSON's names."""
    result = run(
        app,
        """
        from pytest_reloadleak import ReloadLeakError, Report

        def test_leaky(reload_leaks):
            with pytest.raises(AssertionError) as caught:
                reload_leaks.check("leaky")
            error = caught.value
            assert type(error) is ReloadLeakError
            assert isinstance(error.report, Report)
            assert error.report.outcome == "leaking"
            assert error.report.retained_generations == (-1, 0, 1, 2, 3)
            (finding,) = error.report.findings
            assert (finding.kind, finding.growth, finding.per_round) == ("retained-generation", "growing", 1.0)
            assert (finding.holder.root, finding.holder.path) == ("sys.modules", "host.listeners[*]")
            assert finding.held.name == "leaky.handler"
            assert finding.signature in str(error)
            assert finding.holder.path in str(error)
        """,
    )

    result.assert_outcomes(passed=1)


def test_the_failure_shows_no_frame_of_the_tool(app):
    """The traceback of a failed check ends in the user's test."""
    result = run(app, "def test_leaky(reload_leaks):\n    reload_leaks.check('leaky')\n")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([">*reload_leaks.check('leaky')"])
    assert "pytest_reloadleak/" not in result.stdout.str()


def test_measure_returns_whatever_the_outcome(app):
    """`measure` raises nothing: a leak, an error and a clean target are reports."""
    app.write({"broken.py": "raise ValueError('no good')\n"})
    result = run(
        app,
        """
        def test_all(reload_leaks):
            assert reload_leaks.measure("leaky").outcome == "leaking"
            assert reload_leaks.measure("cured").outcome == "clean"
            report = reload_leaks.measure("broken")
            assert report.outcome == "error"
            assert report.error == report.reason
            assert "ValueError: no good" in report.reason
        """,
    )

    result.assert_outcomes(passed=1)
    assert entries(app) == [
        ("leaky", "reimport", "leaking"),
        ("cured", "reimport", "clean"),
        ("broken", "reimport", "error"),
    ]


def test_keywords_are_those_of_the_marker(app):
    """`strategy`, `rounds` and `warmup` are taken by `check` and `measure`."""
    result = run(
        app,
        """
        @pytest.mark.parametrize("strategy", ["reload", "decache", "reimport"])
        def test_all(reload_leaks, strategy):
            for way in (reload_leaks.check, reload_leaks.measure):
                report = way("cured", strategy=strategy, rounds=2, warmup=3)
                assert (report.strategy, report.rounds, report.warmup) == (strategy, 2, 3)
        """,
    )

    result.assert_outcomes(passed=3)


@pytest.mark.parametrize("target", ["leaky", "cured"])
def test_reload_is_a_callable(app, target):
    """`reload=` is called once a round, and the strategy is `callable`."""
    result = run(
        app,
        f"""
        import {target}

        calls = []

        def reload():
            calls.append(1)
            host.reload("{target}")

        def test_it(reload_leaks):
            report = reload_leaks.measure("{target}", reload=reload, rounds=3)
            assert report.strategy == "callable"
            assert report.outcome == ("leaking" if "{target}" == "leaky" else "clean")
            # With a leak there is a second pass, and a round that finds the line.
            assert len(calls) == (1 + 3 * 2 + 1 if "{target}" == "leaky" else 1 + 3)
        """,
    )

    result.assert_outcomes(passed=1)


def test_a_coroutine_function_as_reload_runs_on_a_loop_of_its_own_in_a_plain_test(app):
    """`check` awaits an async `reload`, on one loop for all rounds, which is closed at the end."""
    result = run(
        app,
        """
        import asyncio, cured

        loops = []

        async def reload():
            loops.append(asyncio.get_running_loop())
            await host.areload("cured")

        def test_it(reload_leaks):
            reload_leaks.check("cured", reload=reload)
            assert len(loops) == 6
            assert len(set(loops)) == 1
            assert loops[0].is_closed()
        """,
    )

    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("target", ["leaky", "cured"])
def test_acheck_runs_on_the_running_loop(app, target):
    """`acheck` awaits the reload on the test's own loop, and raises like `check`."""
    result = run(
        app,
        f"""
        import asyncio, {target}

        loops = set()

        async def reload():
            loops.add(asyncio.get_running_loop())
            await host.areload("{target}")

        @pytest.mark.asyncio
        async def test_it(reload_leaks):
            loops.add(asyncio.get_running_loop())
            try:
                report = await reload_leaks.acheck("{target}", reload=reload)
                assert report.outcome == "clean"
            finally:
                assert len(loops) == 1
        """,
        plugins=("asyncio",),
    )

    result.assert_outcomes(**({"failed": 1} if target == "leaky" else {"passed": 1}))
    assert [outcome for _, _, outcome in entries(app)] == ["leaking" if target == "leaky" else "clean"]


def test_acheck_lets_the_loop_finish_what_was_cancelled(app):
    """A task that a reload cancelled needs the loop to end: `acheck` settles there, and what is left alone is found."""
    source = """
        import asyncio, host

        async def work():
            await asyncio.sleep(3600)

        def start():
            host.current[:] = [asyncio.get_running_loop().create_task(work())]

        def stop():
            {}
            host.current.clear()
    """
    app.write({"quits.py": source.format("host.current[0].cancel()"), "stays.py": source.format("pass")})
    result = run(
        app,
        """
        import sys, quits, stays

        @pytest.mark.asyncio
        @pytest.mark.parametrize("name", ["quits", "stays"])
        async def test_it(reload_leaks, name):
            async def reload():
                if host.current:
                    sys.modules[name].stop()
                host.reload(name)
                sys.modules[name].start()

            await reload_leaks.acheck(name, reload=reload)
        """,
        plugins=("asyncio",),
    )

    result.assert_outcomes(passed=1, failed=1)
    assert [(target, outcome) for target, _, outcome in entries(app)] == [
        ("quits", "clean"),
        ("stays", "leaking"),
    ]


def test_a_reload_that_raises_is_an_error_with_its_text(app):
    """What the callable raises is the outcome `error`: type, text and the user's frames in one line; the test fails."""
    result = run(
        app,
        """
        import app

        def refuse():
            raise LookupError("no such plugin")

        def test_check(reload_leaks):
            reload_leaks.check("app", reload=refuse)

        def test_measure(reload_leaks):
            report = reload_leaks.measure("app", reload=refuse)
            assert report.outcome == "error"
            assert "LookupError: no such plugin (" in report.reason
            assert report.reason.endswith("test_it.py:6 in refuse)")
        """,
    )

    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(
        ["E*ReloadLeakError: app (callable) could not be checked: *LookupError: no such plugin*"]
    )
    assert TRACEBACK not in result.stdout.str()


def test_the_error_of_an_async_reload_names_the_users_frames_only(app):
    """The reason of an async reload that raised has no frame of the event loop or of the tool."""
    result = run(
        app,
        """
        import app

        async def refuse():
            raise LookupError("no such plugin")

        def test_measure(reload_leaks):
            report = reload_leaks.measure("app", reload=refuse)
            print("\\nreason", report.reason)
        """,
        "-s",
    )

    (reason,) = [line for line in result.outlines if line.startswith("reason ")]
    assert f"LookupError: no such plugin ({app.path / 'test_it.py'}:6 in refuse)" in reason
    assert "pytest_reloadleak" not in reason


def test_a_reload_that_reloads_nothing_is_an_error(app):
    """A callable that does nothing is never clean, whatever it returns."""
    result = run(
        app,
        """
        import app

        def test_it(reload_leaks):
            report = reload_leaks.measure("app", reload=lambda: None)
            assert report.outcome == "error"
            assert "the target was not reloaded" in report.reason
        """,
    )

    result.assert_outcomes(passed=1)


def test_several_checks_in_one_test_are_independent(app):
    """A check after a leaking one of the same target is judged by what it leaves itself, and each adds an entry."""
    app.write({"sometimes.py": APP + "\n    if host.current:\n        host.listeners.append(handler)\n"})
    result = run(
        app,
        """
        def test_it(reload_leaks):
            host.current.append(True)
            first = reload_leaks.measure("sometimes")
            host.current.clear()
            second = reload_leaks.measure("sometimes")
            host.current.append(True)
            third = reload_leaks.measure("sometimes")
            assert [r.outcome for r in (first, second, third)] == ["leaking", "clean", "leaking"]
            assert [r.retained_generations for r in (first, third)] == [(-1, 0, 1, 2, 3)] * 2
            assert first.findings[0].signature == third.findings[0].signature
        """,
    )

    result.assert_outcomes(passed=1)
    assert len(app.checks()) == 3


def test_a_check_leaves_the_modules_as_they_were(app):
    """After a check, clean, leaking or failed, the module and its contents are the ones from before."""
    app.write(
        {
            "breaks.py": APP
            + "\n    host.current.append(1)\n    if len(host.current) == 4:\n        raise ValueError\n"
        }
    )
    result = run(
        app,
        """
        import sys

        @pytest.mark.parametrize("strategy", ["reload", "decache", "reimport"])
        @pytest.mark.parametrize("name", ["leaky", "cured", "breaks"])
        def test_it(reload_leaks, name, strategy):
            host.current.clear()
            sys.modules.pop(name, None)
            module = __import__(name)
            contents = dict(vars(module))
            modules = dict(sys.modules)
            reload_leaks.measure(name, strategy=strategy)
            assert sys.modules[name] is module
            assert vars(module) == contents
            assert all(vars(module)[key] is value for key, value in contents.items())
            assert {key for key in sys.modules if key in ("leaky", "cured", "breaks")} == {
                key for key in modules if key in ("leaky", "cured", "breaks")
            }
        """,
    )

    result.assert_outcomes(passed=9)


# -- watch ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["leaky", "cured"])
def test_watch_judges_reloads_by_hand(app, target):
    """The loop runs warm-up plus n times; leaving the block judges, sets the report and raises like `check`."""
    result = run(
        app,
        f"""
        import {target}

        def test_it(reload_leaks):
            count = 0
            try:
                with reload_leaks.watch("{target}") as watch:
                    for _ in watch.rounds(4):
                        count += 1
                        host.reload("{target}")
            finally:
                assert count == 1 + 4
                assert watch.report.rounds == 4
            assert watch.report.outcome == "clean"
        """,
    )

    result.assert_outcomes(**({"failed": 1} if target == "leaky" else {"passed": 1}))
    assert [outcome for _, _, outcome in entries(app)] == ["leaking" if target == "leaky" else "clean"]
    if target == "leaky":
        result.stdout.fnmatch_lines(["E*ReloadLeakError: leaky (callable) leaks on reload: *"])


@pytest.mark.parametrize("target", ["leaky", "cured"])
@pytest.mark.parametrize("block", ["with", "async with"])
def test_arounds_is_for_coroutines(app, target, block):
    """`async for _ in watch.arounds(n)` does the same on the running loop, in either kind of block."""
    result = run(
        app,
        f"""
        import {target}

        @pytest.mark.asyncio
        async def test_it(reload_leaks):
            {block} reload_leaks.watch("{target}") as watch:
                async for _ in watch.arounds(4):
                    await host.areload("{target}")
            assert watch.report.outcome == "clean"
        """,
        plugins=("asyncio",),
    )

    result.assert_outcomes(**({"failed": 1} if target == "leaky" else {"passed": 1}))


@pytest.mark.parametrize("stop", ["host.current[0].cancel()", "pass"], ids=["cancelled", "left"])
def test_arounds_settles_on_the_running_loop(app, stop):
    """Tasks that the last reloads cancelled end on the loop before it is judged; one left alone is found."""
    app.write(
        {
            "tasks.py": f"""
                import asyncio, host

                async def work():
                    await asyncio.sleep(3600)

                def start():
                    host.current[:] = [asyncio.get_running_loop().create_task(work())]

                def stop():
                    {stop}
                    host.current.clear()
            """
        }
    )
    result = run(
        app,
        """
        import sys, tasks

        @pytest.mark.asyncio
        async def test_it(reload_leaks):
            with reload_leaks.watch("tasks") as watch:
                async for _ in watch.arounds(3):
                    if host.current:
                        sys.modules["tasks"].stop()
                    host.reload("tasks")
                    sys.modules["tasks"].start()
        """,
        plugins=("asyncio",),
    )

    result.assert_outcomes(**({"failed": 1} if stop == "pass" else {"passed": 1}))


def test_an_exception_in_the_block_is_chained(app):
    """What the block raises is the outcome `error` and the cause of the error that the test fails with."""
    result = run(
        app,
        """
        import app
        from pytest_reloadleak import ReloadLeakError

        def test_it(reload_leaks):
            with pytest.raises(ReloadLeakError) as caught:
                with reload_leaks.watch("app") as watch:
                    for number in watch.rounds(5):
                        host.reload()
                        if number == 2:
                            raise LookupError("lost")
            assert type(caught.value.__cause__) is LookupError
            assert caught.value.report is watch.report
            assert watch.report.outcome == "error"
            assert "LookupError: lost (" in watch.report.reason
            assert "app (callable) could not be checked: " in str(caught.value)

        def test_by_assertion(reload_leaks):
            with reload_leaks.watch("app") as watch:
                for number in watch.rounds(5):
                    host.reload()
                    assert number < 2, "too far"
        """,
    )

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["E*AssertionError: too far", "*direct cause of*", "E*ReloadLeakError: app (callable) *"]
    )
    assert [outcome for _, _, outcome in entries(app)] == ["error", "error"]


def test_a_skip_in_the_block_skips_the_test(app):
    """`pytest.skip` in a watched block is a skip, not an error."""
    result = run(
        app,
        """
        import app, sys

        def test_it(reload_leaks):
            with reload_leaks.watch("app") as watch:
                for number in watch.rounds(5):
                    host.reload()
                    pytest.skip("not today")
        """,
    )

    result.assert_outcomes(skipped=1)


LEFT_IN_ROUND_2 = """for number in watch.rounds(5):
                    host.reload()
                    if number == 2:
                        break"""


@pytest.mark.parametrize(
    ("block", "text"),
    [
        (LEFT_IN_ROUND_2, "*round*"),
        ("pass", "the watched block ran no round: loop over watch.rounds(n) and reload in its body"),
        ("for _ in watch.rounds(5): break", "*round*"),
        ("for _ in watch.rounds(5): pass", "*the target was not reloaded*"),
    ],
    ids=["left in round 2", "no loop", "left early", "no reload"],
)
def test_a_watch_that_saw_no_rounds_is_never_clean(app, block, text):
    """A block without a loop, a loop that is left early and rounds without a reload are the outcome `error`."""
    result = run(
        app,
        f"""
        import app

        def test_it(reload_leaks):
            with reload_leaks.watch("app") as watch:
                {block}
        """,
    )

    result.assert_outcomes(failed=1)
    assert [outcome for _, _, outcome in entries(app)] == ["error"]
    result.stdout.fnmatch_lines([f"E*ReloadLeakError: app (callable) could not be checked: {text}"])


def test_watch_takes_the_markers_keywords(app):
    """`warmup` of `watch` counts for `rounds(n)`."""
    result = run(
        app,
        """
        import app

        def test_it(reload_leaks):
            with reload_leaks.watch("app", warmup=3) as watch:
                assert len([host.reload() for _ in watch.rounds(2)]) == 3 + 2
            assert (watch.report.rounds, watch.report.warmup) == (2, 3)
        """,
    )

    result.assert_outcomes(passed=1)


def test_the_modules_are_back_after_a_watch(app):
    """After the block, also one that raised, the original module is in place again."""
    result = run(
        app,
        """
        import sys, app

        def test_it(reload_leaks):
            with reload_leaks.watch("app") as watch:
                for _ in watch.rounds(2):
                    host.reload()
            assert sys.modules["app"] is app

        def test_raising(reload_leaks):
            with pytest.raises(AssertionError), reload_leaks.watch("app") as watch:
                for _ in watch.rounds(2):
                    host.reload()
                    raise ValueError
            assert sys.modules["app"] is app
        """,
    )

    result.assert_outcomes(passed=2)


# -- globs ------------------------------------------------------------------------------------------------------------

FACTORY = """
    import itertools, sys, types

    numbers = itertools.count()
    kept = []
    running = []

    def create():
        if running:
            del sys.modules[running.pop().__name__]
        module = types.ModuleType("session_" + str(next(numbers)))
        exec("def handler(): pass\\n", vars(module))
        sys.modules[module.__name__] = module
        running.append(module)
        {}
"""


@pytest.mark.parametrize("leaks", [True, False], ids=["leaks", "cured"])
@pytest.mark.parametrize("way", ["check", "watch"])
def test_a_glob_finds_modules_whose_names_are_invented(app, way, leaks):
    """Modules born in a round that match the glob are its generation; their names do not reach the report."""
    app.write(
        {
            "factory.py": FACTORY.format(
                "kept.append(module.handler)" if leaks else "kept[:] = [module.handler]"
            )
        }
    )
    body = {
        "check": "reload_leaks.check('session_*', reload=factory.create)",
        "watch": (
            "with reload_leaks.watch('session_*') as w:\n        for _ in w.rounds(5):\n            factory.create()"
        ),
    }[way]
    result = run(app, f"\nimport factory\n\ndef test_it(reload_leaks):\n    {body}\n")

    result.assert_outcomes(failed=leaks, passed=not leaks)
    (check,) = app.checks()
    assert (check["target"], check["outcome"]) == ("session_*", "leaking" if leaks else "clean")
    if leaks:
        (finding,) = check["findings"]
        assert finding["holder"]["path"] == "factory.kept[*]"
        assert finding["held"]["name"] == "session_*.handler"
        assert len(finding["generations"]) >= 4


# -- skipping, misuse -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        "reload_leaks.check('leaky')",
        "reload_leaks.measure('leaky')",
        "asyncio.run(reload_leaks.acheck('leaky'))",
        "with reload_leaks.watch('leaky') as w: pass",
    ],
    ids=["check", "measure", "acheck", "watch"],
)
def test_explicit_checks_are_skipped_on_demand(app, body):
    """`--no-reload-leak-check` skips a test at its explicit check, with the reason; the ini value alone does not."""
    test = f"import asyncio\n\ndef test_it(reload_leaks):\n    {body}\n"
    skipped = run(app, test, "--no-reload-leak-check", "-rs")

    skipped.assert_outcomes(skipped=1)
    skipped.stdout.fnmatch_lines(
        ["SKIPPED * --no-reload-leak-check skips checks with the reload_leaks fixture"]
    )
    assert app.checks() == []

    app.write({"pytest.ini": "[pytest]\npythonpath = .\nreload_leak_check = false\n"})
    assert "skipped" not in run(app, test).parseoutcomes()


MISUSE = {
    "reload_leaks.check('nope')": (
        "unknown target 'nope': no such module in sys.path; check the spelling and where pytest is started"
    ),
    "reload_leaks.check('app', rounds=0)": "rounds must be at least 1, not 0",
    "reload_leaks.check('app', round=3)": (
        "unknown keyword 'round'; the keywords are strategy, rounds, warmup, reload, dispose, unload, probes, "
        "ignore, expect, preset, host, force; did you mean 'rounds'?"
    ),
    "reload_leaks.check('app', unload='no')": "unload must be True or False, not 'no'",
    "reload_leaks.check('app', force=None)": "force must be True or False, not None",
    "reload_leaks.check('app', rounds=10**9)": "rounds must be at most 1000000, not 1000000000",
    "reload_leaks.check('app', strategy='fancy')": (
        "unknown strategy 'fancy': use one of reload, decache, reimport, cascade, alias, worker, or pass "
        "a callable as reload="
    ),
    "reload_leaks.check(host)": "a target must be the name of a module, not <module 'host' from *",
    "reload_leaks.check('app', reload=3)": "reload must be a callable or the name of a fixture, not 3",
    "reload_leaks.check('threading')": "target 'threading' is refused: *",
    "reload_leaks.watch('app', reload=print)": (
        "watch takes no reload=: the block itself reloads; use check(..., reload=...) for a callable"
    ),
    "next(reload_leaks.watch('app').rounds(3))": (
        "watch.rounds(...) works only inside its block: `with reload_leaks.watch(...) as watch:`"
    ),
    "with reload_leaks.watch('app') as w: next(w.rounds(0))": "*rounds must be at least 1, not 0*",
}


@pytest.mark.parametrize(("body", "text"), MISUSE.items(), ids=MISUSE)
def test_a_check_that_makes_no_sense_fails_its_test(app, body, text):
    """One line says what is wrong with the call; the next test runs, and no frame of the tool is shown."""
    result = run(app, f"\ndef test_it(reload_leaks):\n    {body}\n\ndef test_after(): pass\n")

    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["E*Error: " + text.replace("[", "[[]")])
    assert "pytest_reloadleak/" not in result.stdout.str()


@pytest.mark.parametrize(
    ("call", "right"),
    [
        ("acheck('leaky')", "await reload_leaks.acheck(...)"),
        ("watch('leaky')", "with reload_leaks.watch(...) as watch:"),
    ],
)
def test_a_check_that_never_ran_fails_its_test(app, call, right):
    """Without `await` or `with` nothing is checked, and the test would pass whatever leaks."""
    result = run(app, f"def test_it(reload_leaks):\n    reload_leaks.{call}\n")

    assert result.ret == 1
    result.stdout.fnmatch_lines([f"{call.partition('(')[0]}(...) checked nothing: write `{right}`"])
    assert "pytest_reloadleak/" not in result.stdout.str()


def test_what_pytest_recorded_is_no_leak(app):
    """An exception, a log record and a monkeypatch from before the check do not hold the target's generations."""
    result = run(
        app,
        """
        import app, logging, warnings

        def test_it(reload_leaks, caplog, recwarn):
            def reload():
                host.reload()
                import app
                logging.getLogger("any").error("loaded %s", app.handler)
                warnings.warn("loaded")
                with pytest.raises(ZeroDivisionError):
                    1 / (app.handler is None)

            reload_leaks.check("app", reload=reload)
            assert len(caplog.records) >= 6  # what is recorded may call for a closer look, which takes rounds
        """,
    )

    result.assert_outcomes(passed=1)


def test_a_leak_that_the_test_itself_is_is_named_by_the_frame(app):
    """A list in the test's own function that collects generations is a holder: a local of a running frame."""
    test = """
        import app, sys

        def test_it(reload_leaks):
            mine = []

            def reload():
                host.reload()
                {}

            reload_leaks.check("app", reload=reload)
    """

    run(app, test.format("mine.append(sys.modules['app'].handler)")).assert_outcomes(failed=1)
    ((finding,),) = [check["findings"] for check in app.checks()]
    assert finding["holder"]["root"] == "frame"
    assert finding["holder"]["path"].endswith("<local mine>[*]")

    run(app, test.format("mine[:] = [sys.modules['app'].handler]")).assert_outcomes(passed=1)


def test_checks_work_under_xdist(app):
    """Under `-n 2` the entries of explicit checks reach the one JSON report."""
    result = run(
        app,
        """
        @pytest.mark.parametrize("name", ["cured", "leaky", "app"])
        def test_it(reload_leaks, name):
            reload_leaks.check(name)
            reload_leaks.check("app")
        """,
        "-n2",
        plugins=("xdist",),
    )

    result.assert_outcomes(passed=2, failed=1)
    assert sorted(entries(app)) == [
        ("app", "reimport", "clean"),
        ("app", "reimport", "clean"),
        ("app", "reimport", "clean"),
        ("cured", "reimport", "clean"),
        ("leaky", "reimport", "leaking"),
    ]


@pytest.mark.parametrize(("rounds", "outcome"), [(1, "error"), (2, "clean")])
def test_a_watch_that_is_too_short_to_tell_is_not_called_clean(app, rounds, outcome):
    """With one round and no warm-up everything old is within the grace; two rounds are enough to judge."""
    run(
        app,
        f"""
        import importlib, sys

        def test_it(reload_leaks):
            with reload_leaks.watch("app", warmup=0) as watch:
                for _ in watch.rounds({rounds}):
                    sys.modules.pop("app", None)
                    importlib.import_module("app")
        """,
    )

    assert [found for _, _, found in entries(app)] == [outcome]
