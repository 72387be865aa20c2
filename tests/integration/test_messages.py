"""What went wrong is said once, at its place, with what to do; never by a traceback of ours."""

import xml.etree.ElementTree as ET

import pytest
from support import CURED, LEAKY, assert_no_traceback, target

CHAINED = "During handling of the above exception"


@pytest.fixture
def app(project):
    """A clean module, a leaking and a cured one."""
    project.write({"app.py": "def f(): pass\n", "leaky.py": LEAKY, "cured.py": CURED})
    return project


def said(result):
    """Everything that reached the terminal."""
    return result.stdout.str() + result.stderr.str()


# -- wrong keywords ---------------------------------------------------------------------------------------------------

NUMBER = "must be a whole number of at least"
CHOICE = "use one of reload, decache, reimport, cascade, alias, worker"
MARKS = {
    "'app', round=3": "reloadable: unknown keyword 'round'; the keywords are strategy, rounds, ",
    "'app', rounds='3'": f"rounds {NUMBER} 1, not '3'",
    "'app', warmup='1'": f"warmup {NUMBER} 0, not '1'",
    "'app', rounds=2.0": f"rounds {NUMBER} 1, not 2.0",
    "'app', reload='nobody'": "reload='nobody' is no fixture: pass the name of one",
    "": "reloadable: test_it imports no module of the project's own, so there is nothing to reload; ",
}
CALLS = {
    "'app', rounds='3'": f"rounds {NUMBER} 1, not '3'",
    "'app', warmup='1'": f"warmup {NUMBER} 0, not '1'",
    "'app', strategy='all'": f"strategy='all' compares strategies, and a call checks one: {CHOICE}, or --reload-leak-",
    "'app', strategy='alll'": f"unknown strategy 'alll': {CHOICE}, or pass a callable as reload=",
    "'app', reload='nobody'": "reload='nobody' is no fixture: pass the name of one",
}


@pytest.mark.parametrize(("arguments", "text"), MARKS.items(), ids=list(MARKS))
def test_a_wrong_mark_is_one_line(app, arguments, text):
    """Said once, and chained to nothing."""
    marker = f"@pytest.mark.reloadable({arguments})" if arguments else "@pytest.mark.reloadable"
    app.write({"test_it.py": f"import pytest\n\n{marker}\ndef test_it(reloaded): pass\n"})
    result = app.check_apart("-rN")

    assert said(result).count(text) == 1
    assert CHAINED not in said(result)
    assert_no_traceback(result)


@pytest.mark.parametrize("name", ["3", "None", "''", "['app']"])
@pytest.mark.parametrize("flag", [[], ["--reload-leak-check"]], ids=["without the flag", "with it"])
def test_a_mark_whose_target_is_no_name_is_one_line(app, name, flag):
    """Without the flag too, where the fixture imports the targets itself."""
    app.write(
        {"test_it.py": f"import pytest\n\n@pytest.mark.reloadable({name})\ndef test_it(reloaded): pass\n"}
    )
    result = app.run("-rN", *flag)

    assert said(result).count(f"a target must be the name of a module, not {name}") == 1
    assert_no_traceback(result)


@pytest.mark.parametrize(("arguments", "text"), CALLS.items(), ids=list(CALLS))
def test_a_wrong_call_is_one_line(app, arguments, text):
    """The error's text is all there is of us."""
    app.write({"test_it.py": f"def test_it(reload_leaks): reload_leaks.check({arguments})\n"})
    result = app.spawn("-rN")

    result.stdout.fnmatch_lines([f"E *UsageError: {text.replace('[', '[[]')}*"])
    assert CHAINED not in said(result)
    assert_no_traceback(result)


def test_a_call_takes_the_name_of_a_fixture_that_reloads(app):
    """As the marker does, also for `acheck` and `measure`."""
    app.write(
        {
            "test_it.py": """
                import importlib, pytest, leaky

                @pytest.fixture
                def again():
                    return lambda: importlib.reload(leaky)

                def test_it(reload_leaks, again):
                    report = reload_leaks.measure("leaky", reload="again")
                    assert (report.outcome, report.strategy) == ("leaking", "callable")
                    reload_leaks.check("app", reload=lambda: importlib.reload(__import__("app")))
            """
        }
    )
    app.spawn().assert_outcomes(passed=1)


def test_a_coroutine_function_that_reloads_nothing_gets_a_hint(app):
    """It ran on a loop of its own; `acheck` takes the test's."""
    app.write(
        {
            "test_it.py": """
                def test_it(reload_leaks):
                    async def nothing(): pass
                    reload_leaks.check("app", reload=nothing)

                def test_cured(reload_leaks):
                    import importlib
                    async def again(): importlib.reload(__import__("app"))
                    reload_leaks.check("app", reload=again)
            """
        }
    )
    result = app.spawn()

    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(
        ["*reload= is a coroutine function, *: use `await reload_leaks.acheck(...)`*"]
    )


@pytest.mark.parametrize("flag", [True, False])
@pytest.mark.parametrize("name", ["nope", "app.nope"])
def test_a_marked_test_of_a_missing_module_is_one_line(app, flag, name):
    """With the flag and without it."""
    app.write(
        {"test_it.py": f"import pytest\n\n@pytest.mark.reloadable('{name}')\ndef test_it(reloaded): pass\n"}
    )
    result = (app.check_apart if flag else app.spawn)("-rN")

    assert said(result).count(f"unknown target '{name}': no such module") == 1
    assert CHAINED not in said(result)
    assert_no_traceback(result)


# -- bodies that fail -------------------------------------------------------------------------------------------------

RAISES = """
    import pytest

    calls = []

    @pytest.mark.reloadable("app")
    {kind} test_it(reloaded):
        calls.append(1)
        {body}
"""


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_body_that_raises_is_an_entry_with_its_round(app, kind):
    """The JSON report has the error; the terminal says the round below the test's own traceback."""
    mark = "@pytest.mark.asyncio\n    @pytest.mark" if kind == "async def" else "@pytest.mark"
    test = RAISES.replace("@pytest.mark", mark).format(kind=kind, body="assert len(calls) < 3")
    app.write({"test_it.py": test})
    result = app.check_apart(plugins=("asyncio",) if kind == "async def" else ())

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E *assert 3 < 3",
            "*reload leak call*",
            "The test's body raised in round 2 of 5, on a fresh app (reimport).",
        ]
    )
    (check,) = app.checks()
    assert check["outcome"] == "error"
    assert check["reason"].startswith("round 2: the test's body raised AssertionError: assert 3 < 3")
    assert "test_it.py:" in check["reason"]


@pytest.mark.parametrize("body", ["pytest.skip('no')", "pytest.xfail('no')"])
def test_a_body_that_is_skipped_is_no_entry(app, body):
    """The twin: nothing failed."""
    app.write({"test_it.py": RAISES.format(kind="def", body=body)})
    app.check_apart()

    assert app.checks() == []


SUBTESTS = {
    "reloaded, subtests": "    with subtests.test(): assert len(calls) != 3",
    "self": "        with self.subTest(): assert len(calls) != 3",
}


@pytest.mark.parametrize("arguments", SUBTESTS)
def test_a_failing_subtest_ends_the_rounds(app, arguments):
    """It fails once, in its round, and not once per round and pass."""
    has_subtests = pytest.version_tuple >= (9,)
    if not has_subtests:
        pytest.skip("subtests are a part of pytest since 9.0")
    lines = [
        "import pytest, unittest",
        "calls = []",
        "class ThingCase(unittest.TestCase):" if arguments == "self" else "",
        f"{'    ' * (arguments == 'self')}@pytest.mark.reloadable('app')",
        f"{'    ' * (arguments == 'self')}def test_it({arguments}):",
        f"{'    ' * (1 + (arguments == 'self'))}calls.append(1)",
        SUBTESTS[arguments],
        "def test_after(): assert len(calls) == 3",
    ]
    app.write({"test_it.py": "\n".join(lines) + "\n"})
    result = app.check_apart()

    result.assert_outcomes(failed=1 + (arguments != "self"), passed=1 + (arguments == "self"))
    (check,) = app.checks()
    assert (check["outcome"], check["reason"]) == ("error", "round 2: a subtest failed")


# -- errors of the target ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["def f(:\n", "if 1:\nx = 1\n", "x = '\\N{no such name}'\n"])
def test_an_error_of_the_syntax_is_where_it_is(project, source):
    """In the target's file, not in the import system."""
    project.write({"broken.py": source})
    result = project.check(*target("broken"))

    result.assert_outcomes(failed=1)
    (check,) = project.checks()
    assert f"({project.path / 'broken.py'}:" in check["reason"]
    assert "importlib" not in check["reason"]


DJANGO = """
    class AppRegistryNotReady(Exception): pass

    READY = []

    def get_model():
        if not READY:
            raise AppRegistryNotReady("Apps aren't loaded yet.")
"""


def test_a_target_that_needs_what_the_tests_set_up_gets_a_hint(project):
    """In a worker process there is no `conftest.py`; beside the tests it passes."""
    project.write(
        {
            "apps.py": DJANGO,
            "models.py": "import apps\napps.get_model()\n",
            "conftest.py": "import apps\napps.READY.append(1)\n",
        }
    )
    result = project.check(*target("models"))

    result.stdout.fnmatch_lines(
        ["*AppRegistryNotReady*mark a test reloadable, or use --reload-leak-isolation=none"]
    )
    project.check_apart(*target("models"), "--reload-leak-isolation=none").assert_outcomes(passed=1)


# -- where it is shown ------------------------------------------------------------------------------------------------

MARKED = "import pytest\n\n@pytest.mark.reloadable('leaky')\ndef test_marked(reloaded): pass\n"
BY_HAND = "def test_hand(reload_leaks): reload_leaks.check('leaky')\n"
HOLDER = "    holder  host.listeners[*]"


@pytest.mark.parametrize(
    ("environment", "options"),
    [("", []), ("CI", []), ("", ["--tb=line"]), ("CI", ["--tb=line"]), ("CI", ["-vv"])],
    ids=["plain", "CI", "line", "CI line", "CI verbose"],
)
def test_the_report_is_shown_once(app, monkeypatch, environment, options):
    """Above, never in the summary: for items, marked tests and checks by hand."""
    app.write({"test_marked.py": MARKED, "test_hand.py": BY_HAND})
    if environment:
        monkeypatch.setenv(environment, "true")
    result = app.check_apart(*options, *target("leaky"))

    assert said(result).count(HOLDER) <= 3
    summary = [line for line in result.outlines if line.startswith("FAILED ")]
    found = "listeners[*] keeps 5 old generations (leaky.py:7)"
    assert summary == [
        f"FAILED test_hand.py::test_hand - leaky: {found}",
        f"FAILED test_marked.py::test_marked - leaky: {found}",
        f"FAILED reload-leak::leaky[reimport] - {found}",
    ]


def test_the_summary_names_the_holder_in_80_columns(app, monkeypatch):
    """The node id takes half of the line."""
    monkeypatch.setenv("COLUMNS", "80")
    result = app.check("--tb=no", *target("leaky"))

    result.stdout.fnmatch_lines(["FAILED reload-leak::leaky[[]reimport[]] - listeners[[]*] (leaky.py:7)"])
    assert max(len(line) for line in result.outlines if line.startswith("FAILED")) <= 80


PLACES = """
    def pytest_runtest_logreport(report):
        if report.failed:
            crash = report.longrepr.reprcrash
            print("\\nplace", report.nodeid, crash.path, crash.lineno, report.location[0])
"""


@pytest.mark.parametrize("options", [[], ["-n1"]], ids=["alone", "xdist"])
def test_failures_have_a_place(app, options):
    """The line that made the reference or defines what is held: annotations, editors and `--tb=line` show it."""
    app.write({"test_marked.py": MARKED, "conftest.py": PLACES})
    plugins = ("xdist",) if options else ()
    result = app.check_apart("-s", "--tb=line", *options, *target("leaky"), plugins=plugins)

    places = {line.split()[1]: line.split()[2:] for line in result.outlines if line.startswith("place ")}
    file = str(app.path / "leaky.py")
    assert places["reload-leak::leaky[reimport]"][0] == file
    assert places["reload-leak::leaky[reimport]"][1] in ("4", "7")
    assert places["reload-leak::leaky[reimport]"][2] == "leaky.py"
    assert places["test_marked.py::test_marked"][0] == file
    assert places["test_marked.py::test_marked"][2] == "test_marked.py"


def test_a_junit_file_of_the_old_family_has_files_and_lines(app):
    """As editors ask for."""
    app.check("-ojunit_family=xunit1", "--junit-xml=junit.xml", *target("leaky", "cured"))

    cases = {case.get("name"): case for case in ET.parse(app.path / "junit.xml").iter("testcase")}
    assert {name: (case.get("file"), case.get("line")) for name, case in cases.items()} == {
        "leaky[reimport]": ("leaky.py", "0"),
        "cured[reimport]": ("cured.py", "0"),
    }
