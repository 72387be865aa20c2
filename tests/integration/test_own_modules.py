"""What belongs to the tests: selected or not, it is no holder of what it imported, and never a target by itself."""

import pytest

TEST = """
    import pytest
    {imports}

    @pytest.mark.reloadable("app.part")
    def test_marked(reloaded):
        reloaded.f()

    def test_fixture(reload_leaks):
        reload_leaks.check("app.part")
"""
BINDS = (
    "from app.part import f\nfrom app import part\nCALLS = {'f': f}\n\ndef test_plain():\n    assert f()\n"
)
SELECTIONS = (
    ["-m", "reloadable"],
    ["-k", "test_fixture"],
    ["--deselect=tests/test_plain.py"],
    ["tests/checks.py", "tests/test_marked.py", "-k", "not plain"],
    ["-p", "drops"],
)
DROPS = """
    def pytest_collection_modifyitems(items):
        items[:] = [item for item in items if "plain" not in item.name]
"""


@pytest.fixture
def app(project):
    """A clean module, a test that binds it, and tests that check it."""
    project.write(
        {
            "app/__init__.py": "",
            "app/part.py": "def f():\n    return 1\n",
            "tests/test_plain.py": BINDS,
            "tests/checks.py": BINDS.replace("plain", "plain_too"),
            "tests/test_marked.py": TEST.format(imports=""),
            "drops.py": DROPS,
        }
    )
    return project


@pytest.mark.parametrize("options", SELECTIONS, ids=" ".join)
@pytest.mark.parametrize("mode", ["prepend", "importlib"])
def test_a_deselected_test_module_is_no_holder(app, options, mode):
    """Whatever deselects it: a mark, a keyword, a node id, a plugin that says nothing."""
    result = app.check_apart(f"--import-mode={mode}", *options)

    assert result.ret == 0
    assert {check["outcome"] for check in app.checks()} == {"clean"}


def test_a_deselected_module_without_a_name_for_tests_is_no_holder(app):
    """A test file may have any name if it is named on the command line, and need not be in a folder of tests."""
    app.write({"odd.py": BINDS})

    result = app.check_apart("odd.py", "tests/test_marked.py", "-m", "reloadable")

    assert result.ret == 0
    assert {check["outcome"] for check in app.checks()} == {"clean"}


def test_a_deselected_test_module_is_no_holder_for_targets_of_this_process(app):
    """Nor for target items without isolation."""
    options = ("--reload-leak-target=app.part", "--reload-leak-isolation=none", "-k", "reload-leak")
    app.check_apart(*options).assert_outcomes(passed=1, deselected=3)


def test_a_module_of_the_project_is_a_holder_all_the_same(app):
    """The leaking twin: it binds the same function, and is no test's own."""
    app.write({"app/other.py": BINDS, "tests/test_marked.py": TEST.format(imports="import app.other")})
    app.check_apart("-m", "reloadable").assert_outcomes(failed=1, deselected=2)

    (check,) = app.checks()
    assert {finding["holder"]["path"].partition(".f")[0] for finding in check["findings"]} >= {"app.other"}


HELPERS = "from app.part import f\n\nkept = []\n\ndef assert_f():\n    assert f()\n"


@pytest.mark.parametrize(
    ("path", "ini"),
    [
        ("tests/helpers.py", ""),
        ("tests/unit/deep/helpers.py", ""),
        ("checks/helpers.py", "testpaths = checks\n"),
    ],
)
def test_a_helper_of_the_tests_is_told_apart(app, path, ini):
    """It is no target by itself, and a note says what it holds of the generation from before the check."""
    folder = path.rpartition("/")[0]
    app.write(
        {
            "pytest.ini": f"[pytest]\npythonpath = . {folder}\n{ini}",
            path: HELPERS,
            f"{folder}/test_marked.py": TEST.format(imports="import helpers"),
        }
    )
    names = app.check("--collect-only", "-q", f"{folder}/test_marked.py", "-m", "not reloadable")
    assert not any("helpers" in line for line in names.outlines)

    app.check_apart(f"{folder}/test_marked.py").assert_outcomes(passed=2)
    for check in app.checks():
        assert check["notes"] == [
            "held by your tests: helpers.f keeps app.part.f of before the check: not a leak",
        ]


def test_what_a_helper_gathers_is_a_finding_that_says_whose_it_is(app):
    """The leaking twin: more with each round."""
    app.write(
        {
            "tests/__init__.py": "",
            "tests/helpers.py": HELPERS,
            "tests/test_marked.py": """
                import pytest
                from tests import helpers

                @pytest.mark.reloadable("app.part")
                def test_marked(reloaded):
                    helpers.kept.append(reloaded.f)
            """,
        }
    )
    result = app.check_apart("tests/test_marked.py")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["    detail  held by your tests: only they import tests.helpers"])
    (check,) = app.checks()
    assert [finding["holder"]["path"] for finding in check["findings"]] == ["tests.helpers.kept[*]"]


def test_a_module_among_the_tests_that_the_project_imports_is_its_own(app):
    """It is a target like any, and a holder like any."""
    app.write(
        {
            "tests/__init__.py": "",
            "tests/sample.py": HELPERS,
            "app/seed.py": "from tests import sample\n",
            "tests/test_marked.py": "import app.seed\n\ndef test_it(reload_leaks): reload_leaks.check('app.part')\n",
        }
    )
    names = app.check("--collect-only", "-q", "tests/test_marked.py")
    assert "reload-leak::tests.sample[reimport]" in names.outlines

    app.check_apart("tests/test_marked.py", "-k", "test_it").assert_outcomes(failed=1, deselected=4)


def test_a_plugin_of_the_projects_tests_is_no_target(app):
    """Registered by name, as `pytest_plugins` or `-p` do."""
    app.write({"house.py": "import app.part\n", "conftest.py": "pytest_plugins = ['house']\n"})
    names = app.check("--collect-only", "-q", "tests/test_plain.py")

    items = [line for line in names.outlines if line.startswith("reload-leak::")]
    assert items == ["reload-leak::app[reimport]", "reload-leak::app.part[reimport]"]
