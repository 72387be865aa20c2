"""Node ids, counts and marks of target items: they behave as any other test's."""

import os

import pytest
from support import CURED, LEAKY, assert_no_traceback, errors, target

LEAKS = "app.plugins.leaky"
NODEID = f"reload-leak::{LEAKS}[reimport]"
INI = "[pytest]\npythonpath = .\nreload_leak_check = true\n"


@pytest.fixture
def app(project):
    """A package with a leaking and a cured plugin, and a test in a directory below."""
    project.write(
        {
            "app/__init__.py": "",
            "app/plugins/__init__.py": "",
            "app/plugins/leaky.py": LEAKY,
            "app/plugins/cured.py": CURED,
            "tests/test_plain.py": "import app.plugins.leaky\n\ndef test_plain(): open('ran', 'w').close()\n",
        }
    )
    return project


# -- one node id everywhere -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [["-rA"], ["-v"], ["-vv"], ["-q", "-rA"], ["-v", "-n1"]], ids=" ".join)
@pytest.mark.parametrize("folder", [".", "tests"])
def test_the_node_id_is_the_same_wherever_it_is_shown(app, monkeypatch, options, folder):
    """In every verbosity, under xdist and from a directory below the rootdir."""
    monkeypatch.chdir(app.path / folder)
    plugins = ("xdist",) if "-n1" in options else ()
    result = app.check_apart(*options, "--tb=short", *target(LEAKS), plugins=plugins)

    shown = [line for line in result.outlines if "reload-leak::" in line]
    assert shown
    assert [line for line in shown if NODEID not in line] == []
    assert not any(f"/{NODEID}" in line for line in shown)
    assert NODEID in [check["nodeid"] for check in app.checks()]


def test_a_marked_test_fails_below_the_rootdir(app, monkeypatch):
    """The room for its line is counted by the node id that pytest shows there."""
    test = "import pytest\n\n@pytest.mark.reloadable('app.plugins.leaky')\ndef test_marked(reloaded): pass\n"
    app.write({"tests/test_marked.py": test})
    monkeypatch.chdir(app.path / "tests")
    monkeypatch.setenv("COLUMNS", "80")
    result = app.check_apart("test_marked.py")

    assert_no_traceback(result)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["FAILED test_marked.py::test_marked - app.plugins.leaky: listeners*"])


@pytest.mark.parametrize(
    "argument",
    [
        NODEID,
        f"../{NODEID}",
        f"./{NODEID}",
        f"{{root}}/{NODEID}",
        f"{{root}}/app/plugins/leaky.py::{LEAKS}[reimport]",
    ],
)
def test_a_node_id_selects_its_item_alone(app, argument):
    """However it is spelled: relative, absolute, or with the item's file, as editors do. No test is even imported."""
    app.write({"tests/test_plain.py": "raise SystemExit('a test file was imported')\n", "pytest.ini": INI})
    result = app.spawn("-v", argument.format(root=app.path))

    result.assert_outcomes(failed=1)
    assert [check["nodeid"] for check in app.checks()] == [NODEID]
    result.stdout.fnmatch_lines(["*collected 1 item*"])


def test_a_node_id_is_opting_in(app):
    """Without any flag or target; an explicit refusal wins."""
    app.run(NODEID).assert_outcomes(failed=1)

    assert app.run("--no-reload-leak-check", NODEID).ret == pytest.ExitCode.USAGE_ERROR


def test_a_node_id_beside_tests_selects_both(app):
    """The named item and the named tests run, and no other target."""
    result = app.check(
        "-v", "tests/test_plain.py", f"reload-leak::{LEAKS}[reload]", *target("app.plugins.cured")
    )

    result.assert_outcomes(passed=1, failed=1)
    assert [check["nodeid"] for check in app.checks()] == [f"reload-leak::{LEAKS}[reload]"]


def test_a_node_id_without_a_strategy_selects_all_of_the_options(app):
    """As a test's name without its parameters does."""
    options = ("--reload-leak-strategy=reload", "--reload-leak-strategy=decache")
    app.check(f"reload-leak::{LEAKS}", *options).assert_outcomes(failed=2)


def test_a_target_beside_its_test_is_found_by_its_node_id(project):
    """It can be imported only once a test beside it is: the tests are collected then, and still not run."""
    test = "import part\n\ndef test_part(): open('ran', 'w').close()\n"
    project.write({"work/part.py": "", "work/test_part.py": test})
    project.check_apart("reload-leak::part[reimport]").assert_outcomes(passed=1, deselected=1)

    assert not (project.path / "ran").exists()


@pytest.mark.parametrize(
    ("nodeid", "text"),
    [
        (
            "reload-leak::app.plugins.nope[reimport]",
            "unknown target 'app.plugins.nope': no such module in package ",
        ),
        (f"reload-leak::{LEAKS}[reimprot]", "unknown strategy 'reimprot': did you mean 'reimport'? "),
    ],
)
@pytest.mark.parametrize("plugins", [(), ("xdist",)], ids=["alone", "xdist"])
def test_a_wrong_node_id_is_a_usage_error(app, nodeid, text, plugins):
    """One line says what is wrong with it."""
    result = app.spawn(nodeid, *(["-n1"] if plugins else []), plugins=plugins)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert text in errors(result)[0]
    assert_no_traceback(result)


def test_xdist_runs_the_named_item_alone(app):
    """Its processes get the same selection."""
    result = app.spawn("-n1", NODEID, plugins=("xdist",))

    result.assert_outcomes(failed=1)


def test_an_item_of_a_large_project_is_collected_alone(project):
    """Among 500 tests, of which none is even imported: whoever names one item waits for one item."""
    body = "raise SystemExit('a test file was imported')\n"
    project.write(
        {f"tests/test_{number}.py": body for number in range(500)}
        | {"app/__init__.py": "", "app/p.py": CURED}
    )
    result = project.run("reload-leak::app.p[reimport]")

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["collected 1 item"])


# -- how editors run tests --------------------------------------------------------------------------------------------


def test_editors_run_items_and_marked_tests_by_the_ids_that_they_collected(app):
    """Node ids from `--collect-only -q`, one after the other, with `--rootdir` and a JUnit file of the old family."""
    app.write(
        {
            "pytest.ini": f"{INI}reload_leak_targets = app.plugins.*\n",
            "tests/test_marked.py": """
                import pytest

                @pytest.mark.reloadable("app.plugins.cured")
                def test_marked(reloaded): pass
            """,
        }
    )
    collected = app.run("--collect-only", "-q", f"--rootdir={app.path}")
    ids = [line for line in collected.outlines if "::" in line]
    assert len(ids) == 4
    for nodeid in ids:
        result = app.spawn(nodeid, f"--rootdir={app.path}", "-ojunit_family=xunit1", "--junit-xml=junit.xml")
        result.assert_outcomes(**{"failed" if nodeid == NODEID else "passed": 1})
        assert (app.path / "junit.xml").read_text().count("<testcase") == 1


VSCODE = """
    import os, pathlib, pytest

    def pytest_sessionfinish(session):
        seen = []
        for item in session.items:
            parent = item.parent
            while isinstance(parent, pytest.Class):
                parent = parent.parent
            assert pathlib.Path.cwd() in parent.path.parents, "the workspace is no longer the top of the tree"
            assert item.location[1] is not None
            seen.append("::".join([str(item.path), *item.nodeid.split("::")[1:]]))
        pathlib.Path(os.environ["SEEN"]).write_text("\\n".join(seen))
"""
"""What the plugin of VS Code does: it names a test by its file and the rest of its node id."""


@pytest.fixture
def workspace(project, monkeypatch):
    """A folder that an editor has opened below the rootdir, with two targets and a marked test; returns the ids."""
    project.write(
        {
            "vscode_pytest.py": VSCODE,
            "_jb_runner_tools.py": "def pytest_sessionfinish(session):\n    pass\n",
            "pytest.ini": "[pytest]\npythonpath = part . \n",
            "part/app/__init__.py": "",
            "part/app/plain.py": CURED,
            "part/app/space/plugin.py": CURED,
            "part/tests/test_marked.py": """
                import pytest
                import app.plain

                class TestMarked:
                    @pytest.mark.reloadable("app.plain")
                    def test_marked(self, reloaded): pass

                def test_plain(): pass
            """,
        }
    )
    monkeypatch.setenv("SEEN", str(project.path / "seen"))
    monkeypatch.syspath_prepend(str(project.path))
    monkeypatch.chdir(project.path / "part")
    return lambda: (project.path / "seen").read_text().split("\n")


def test_vs_code_runs_what_it_has_found_alone(project, workspace):
    """Its options are the project's for each run, and its rootdir is the workspace, whatever was found before."""
    options = ("-pvscode_pytest", "--reload-leak-rounds=2", *target("app.space"))
    project.check("--collect-only", *options)
    found = workspace()

    assert len(found) == 3
    assert [nodeid for nodeid in found if not os.path.exists(nodeid.partition("::")[0])] == []
    for nodeid in found:
        result = project.check(*options, f"--rootdir={project.path / 'part'}", nodeid)
        result.assert_outcomes(passed=1)
        assert workspace() == [nodeid]


@pytest.mark.parametrize("names", [(), ("app.plain",)], ids=["automatic", "named"])
def test_pycharm_runs_a_test_alone(project, workspace, names):
    """Its runner appends the test to the options of the run configuration; elsewhere both would be asked for."""
    test = f"{project.path}/part/tests/test_marked.py::test_plain"
    options = ("-q", "--no-header", "--no-summary", "--reload-leak-rounds=2", *target(*names))

    project.check("-p_jb_runner_tools", *options, test).assert_outcomes(passed=1)
    assert project.checks() == []
    assert project.check(*options, test).parseoutcomes()["passed"] > 1


# -- counts -----------------------------------------------------------------------------------------------------------


def test_the_numbers_of_collected_and_deselected_items_are_right(app):
    """The line that pytest prints counts the items, as `--collect-only` and the progress do."""
    targets = target("app.plugins.leaky", "app.plugins.cured")
    app.check("-p", "cacheprovider", *targets).stdout.fnmatch_lines(["collected 3 items", "*100%*"])
    again = app.check("-p", "cacheprovider", "--lf", *targets)
    again.stdout.fnmatch_lines(["collected 3 items / 2 deselected / 1 selected", "*1 failed, 2 deselected*"])

    only = app.check("--collect-only", *targets, "-m", "reloadable")
    only.stdout.fnmatch_lines(["<Targets reload-leak>", "  <TargetItem app.plugins.leaky?reimport?>"])
    only.stdout.fnmatch_lines(["*2/3 tests collected (1 deselected)*"])


def test_lf_finds_an_automatic_target_whose_test_file_it_skips(app):
    """A mended test beside it makes `--lf` skip the file that imports the leaking module."""
    app.write(
        {
            "tests/test_plain.py": "from app.plugins import leaky\n\ndef test_plain(): pass\n",
            "tests/test_other.py": "def test_other(): assert 0\n",
        }
    )
    app.check_apart().assert_outcomes(failed=2, passed=4)
    app.write({"tests/test_other.py": "def test_other(): pass\n"})
    app.check_apart("--lf").assert_outcomes(failed=1, passed=1)

    app.write({"app/plugins/leaky.py": CURED})
    app.check_apart("--lf").assert_outcomes(passed=1)


# -- marks ------------------------------------------------------------------------------------------------------------

CONFTEST = """
    import pytest

    @pytest.fixture
    def prepared():
        print("\\nprepared")
        yield
        print("\\nput away")

    def pytest_collection_modifyitems(items):
        for item in items:
            item.add_marker(pytest.mark.{mark})
"""


@pytest.mark.parametrize(
    ("mark", "outcomes"),
    [
        ("skip(reason='not tonight')", {"skipped": 2}),
        ("skipif(True, reason='not tonight')", {"skipped": 2}),
        ("skipif('sys.platform == sys.platform', reason='not tonight')", {"skipped": 2}),
        ("xfail(reason='known')", {"xfailed": 1, "xpassed": 1}),
        ("xfail(strict=True, reason='known')", {"xfailed": 1, "failed": 1}),
        ("usefixtures('prepared')", {"failed": 1, "passed": 1}),
        ("unknown_to_us", {"failed": 1, "passed": 1}),
    ],
)
def test_marks_work_on_items(app, mark, outcomes):
    """As on tests, for a leaking target and a clean one."""
    app.write({"conftest.py": CONFTEST.format(mark=mark)})
    # The filters of this process apply within it: there a warning is an error.
    quiet = "-Wignore::pytest.PytestUnknownMarkWarning"
    result = app.check(*target("app.plugins.*"), "-s", "--ignore=tests", "-rs", quiet)

    result.assert_outcomes(**outcomes)
    assert_no_traceback(result)
    assert result.outlines.count("prepared") == 2 * ("prepared" in mark)
    assert result.outlines.count("put away") == 2 * ("prepared" in mark)


def test_a_skipped_item_is_shown_with_its_file(app):
    """The place of a skip is the target's."""
    app.write({"conftest.py": CONFTEST.format(mark="skip(reason='not tonight')")})
    result = app.check(*target(LEAKS), "--ignore=tests", "-rs")

    result.stdout.fnmatch_lines(["SKIPPED ?1? app/plugins/leaky.py: not tonight"])


def test_an_unknown_fixture_of_a_mark_is_an_error_of_the_item(app):
    """As it is a test's."""
    app.write({"conftest.py": CONFTEST.format(mark="usefixtures('nobody')")})
    result = app.check(*target(LEAKS), "--ignore=tests")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*fixture 'nobody' not found*"])


# -- patterns and packages --------------------------------------------------------------------------------------------


@pytest.fixture
def program(project):
    """A package with a program and with tests inside."""
    project.write(
        {
            "app/__init__.py": "",
            "app/__main__.py": "raise SystemExit(print('THE PROGRAM RUNS'))\n",
            "app/part.py": "",
            "app/tests/__init__.py": "",
            "app/tests/conftest.py": "",
            "app/tests/helpers.py": "",
            "app/tests/test_part.py": "def test_part(): pass\n",
            "app/test_beside.py": "def test_beside(): pass\n",
        }
    )
    return project


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("app.*", ["app.part"]),
        ("app.t*", []),
        ("app.__main__", ["app.__main__"]),
        ("app.__m*__", []),
        ("app.tests.*", ["app.tests.helpers"]),
        ("app.test_*", ["app.test_beside"]),
    ],
)
def test_a_pattern_leaves_programs_and_tests_out(program, pattern, names):
    """Unless its own text names them; a pattern that matches nothing else is refused with the reason."""
    result = program.check("--collect-only", "-q", "-m", "reloadable", *target(pattern))

    shown = [line for line in result.outlines if line.startswith("reload-leak::")]
    assert shown == [f"reload-leak::{name}[reimport]" for name in names]
    if not names:
        assert (
            "are tests or programs (__main__), which a pattern leaves out; name them in full"
            in errors(result)[0]
        )


@pytest.mark.parametrize("strategy", ["reload", "decache", "reimport", "cascade", "alias", "worker"])
def test_a_package_is_reloaded_with_all_its_modules(project, strategy):
    """Also with those that nothing imports; what cannot be imported, programs and tests are left out."""
    project.write(
        {
            "app/__init__.py": "",
            "app/__main__.py": "raise SystemExit('the program runs')\n",
            "app/broken.py": "raise ValueError('no display')\n",
            "app/sub/__init__.py": "",
            "app/sub/leaky.py": LEAKY,
            "app/tests/__init__.py": "raise SystemExit('a test is imported')\n",
        }
    )
    result = project.check("-v", *target("app"), f"--reload-leak-strategy={strategy}")

    (check,) = project.checks()
    if strategy == "worker":
        assert check["outcome"] == "clean"  # the process ends with what it kept
        return
    result.stdout.fnmatch_lines(["reload-leak: 1 target: app (4 modules)"])
    assert "app was reloaded with 2 modules below it" in check["notes"]
    assert any(
        note.startswith("app.broken was left out, since it could not be imported: ValueError: no display")
        for note in check["notes"]
    )
    assert [f["held"]["name"] for f in check["findings"] if f["held"]["type"] == "function"] in (
        ["app.sub.leaky.on_event"],
        ["app__alias*.sub.leaky.on_event"],
    )


def test_a_package_that_cleans_up_is_clean_with_all_its_modules(project):
    """The cured twin; without a glob, the package alone is one item."""
    project.write({"app/__init__.py": "", "app/sub/__init__.py": "", "app/sub/cured.py": CURED})
    for isolation in ("process", "none"):
        result = project.check_apart(*target("app"), f"--reload-leak-isolation={isolation}")

        result.assert_outcomes(passed=1)
        assert project.outcomes() == {"app": "clean"}
