import sys
import textwrap

import pytest
from support import CURED, LEAKY, Project, assert_no_traceback, errors

METADATA = "Metadata-Version: 2.1\nName: tiny-shop\nVersion: 1.0\n"
PYPROJECT = '[project]\nname = "tiny-shop"\nversion = "1.0"\n'
BUS = "listeners = []\n"
PLUGIN = """
    from shop import bus

    def on_event():
        return "event"

    bus.listeners{}
"""
LEAKING, QUIET = PLUGIN.format(".append(on_event)"), PLUGIN.format("[:] = [on_event]")
TEST = "import shop.plugin\n\ndef test_event():\n    assert shop.plugin.on_event() == 'event'\n"
OWN = ["reload-leak::shop[reimport]", "reload-leak::shop.bus[reimport]", "reload-leak::shop.plugin[reimport]"]


class Shop:
    """A distribution `tiny-shop` with the package `shop`, and a project directory with its tests."""

    def __init__(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        self.project = project
        self.root = project.path / "work"
        self.site = project.path / "env" / "lib" / "site-packages"
        self.site.mkdir(parents=True)
        (project.path / "pytest.ini").unlink()  # it would make its own directory the rootdir
        monkeypatch.setenv("PYTHONPATH", str(self.site), prepend=":" if sys.platform != "win32" else ";")
        self.put(self.root, {"pyproject.toml": PYPROJECT, "tests/test_shop.py": TEST})
        monkeypatch.chdir(self.root)

    def put(self, base, files):
        """Write files below a directory."""
        for name, content in files.items():
            path = base / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(content), encoding="utf-8")

    def package(self, base, plugin=QUIET):
        """Write the package below a directory."""
        self.put(base, {"shop/__init__.py": "", "shop/bus.py": BUS, "shop/plugin.py": plugin})

    def installed(self, plugin=QUIET):
        """Install the package as from a wheel."""
        self.package(self.site, plugin)
        self.record(["shop/__init__.py", "shop/bus.py", "shop/plugin.py"])

    def editable(self, source, plugin=QUIET):
        """Install the package as in development: its files stay where they are, and a `.pth` file leads there."""
        self.package(source, plugin)
        # What a `.pth` file does when an interpreter starts, which it does for directories of its own only.
        self.put(
            self.site,
            {
                "tiny_shop.pth": f"{source}\n",
                "sitecustomize.py": f"import sys; sys.path.append({str(source)!r})\n",
            },
        )
        self.record(["tiny_shop.pth"])

    def record(self, files):
        """Write the metadata of the installed distribution."""
        folder = "tiny_shop-1.0.dist-info"
        lines = [f"{name},," for name in [*files, f"{folder}/METADATA", f"{folder}/RECORD"]]
        self.put(self.site, {f"{folder}/METADATA": METADATA, f"{folder}/RECORD": "\n".join(lines) + "\n"})

    def run(self, *arguments):
        """Run pytest in the project's directory, with the flag and nothing else of ours."""
        return self.project.check_apart(*arguments)

    def nodeids(self, *arguments):
        """Node ids of the items, those of tests included."""
        result = self.run("--collect-only", "-q", *arguments)
        assert_no_traceback(result)
        return [line for line in result.outlines if "::" in line]


@pytest.fixture
def shop(project, monkeypatch):
    """A distribution to install one way or another."""
    return Shop(project, monkeypatch)


FLAT = "[tool.pytest.ini_options]\npythonpath = ['.']\n"
SRC = "[tool.pytest.ini_options]\npythonpath = ['src']\n"


def flat(shop, plugin):
    """The package beside the tests, found through `pythonpath`."""
    shop.put(shop.root, {"pyproject.toml": PYPROJECT + FLAT})
    shop.package(shop.root, plugin)


def src(shop, plugin):
    """The package below `src`, found through `pythonpath`."""
    shop.put(shop.root, {"pyproject.toml": PYPROJECT + SRC})
    shop.package(shop.root / "src", plugin)


def flat_editable(shop, plugin):
    """The package beside the tests, installed editable."""
    shop.editable(shop.root, plugin)


def src_editable(shop, plugin):
    """The package below `src`, installed editable."""
    shop.editable(shop.root / "src", plugin)


def installed(shop, plugin):
    """The package in `site-packages`, as from a wheel, with the tests elsewhere."""
    shop.installed(plugin)


def installed_below(shop, plugin):
    """The package in the `site-packages` of an environment below the rootdir."""
    shop.site = shop.root / ".venv" / "lib" / "site-packages"
    shop.installed(plugin)
    shop.put(shop.root, {"conftest.py": f"import sys\nsys.path.insert(0, {str(shop.site)!r})\n"})


LAYOUTS = [flat, src, flat_editable, src_editable, installed, installed_below]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_the_flag_alone_checks_the_projects_own_modules(shop, layout):
    """Whatever the layout, the modules that the tests import become items; a leak among them fails, and only it."""
    layout(shop, LEAKING)

    assert shop.nodeids() == ["tests/test_shop.py::test_event", *OWN]
    result = shop.run()

    assert result.ret == 1
    outcomes = shop.project.outcomes()
    assert outcomes["shop.plugin"] == "leaking"
    assert sorted(outcomes) == ["shop", "shop.bus", "shop.plugin"]
    result.stdout.fnmatch_lines(["    holder  shop.bus.listeners[[]*] (list, root sys.modules)"])


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_the_flag_alone_passes_a_plugin_that_cleans_up(shop, layout):
    """The cured twin: the plugin's item passes in every layout, and the tests pass as without the flag."""
    layout(shop, QUIET)

    shop.run("-k", "shop.plugin or test_event").assert_outcomes(passed=2, deselected=2)
    assert shop.project.outcomes() == {"shop.plugin": "clean"}


def test_what_is_installed_for_others_is_not_the_projects_own(shop):
    """Another distribution in `site-packages`, below the rootdir or not, is never an item."""
    flat(shop, QUIET)
    below = shop.root / ".venv" / "lib" / "python3" / "site-packages"
    shop.put(shop.site, {"stranger.py": LEAKY})
    shop.put(below, {"lodger.py": "", "dwellers/__init__.py": ""})
    shop.put(
        shop.root,
        {
            "conftest.py": f"import sys\nsys.path.insert(0, {str(below)!r})\n",
            "tests/test_shop.py": "import shop.plugin\nimport lodger, dwellers\n\ndef test_event(): pass\n",
        },
    )

    assert shop.nodeids()[1:] == OWN


@pytest.mark.parametrize("folder", [".venv", ".nox/tests"])
def test_environments_below_the_rootdir_are_left_alone(shop, folder):
    """Modules of the standard library's kind in an environment's `lib` are not first-party either."""
    flat(shop, QUIET)
    library = shop.root / folder / "lib" / "python3.99"
    shop.put(shop.root, {f"{folder}/pyvenv.cfg": "home = /usr/bin\n"})
    shop.put(library, {"oddlib.py": ""})
    shop.put(
        shop.root,
        {
            "conftest.py": f"import sys\nsys.path.insert(0, {str(library)!r})\n",
            "tests/test_shop.py": "import shop.plugin, oddlib\n\ndef test_event(): pass\n",
        },
    )

    assert shop.nodeids()[1:] == OWN


def test_test_modules_and_conftests_are_never_items(shop):
    """Test modules by any pattern, `conftest.py`s and packages of tests are not the project's own modules."""
    flat(shop, QUIET)
    shop.put(
        shop.root,
        {
            "conftest.py": "",
            "tests/__init__.py": "",
            "tests/conftest.py": "",
            "tests/unit/__init__.py": "",
            "tests/unit/conftest.py": "",
            "tests/unit/test_deep.py": "import shop.plugin\n\ndef test_deep(): pass\n",
            "tests/unit/deep_test.py": "def test_other_pattern(): pass\n",
            "shop/tests/__init__.py": "",
            "shop/tests/test_inner.py": "import shop.plugin\n\ndef test_inner(): pass\n",
        },
    )

    own = [nodeid for nodeid in shop.nodeids() if nodeid.startswith("reload-leak")]
    assert own == OWN


def test_test_files_of_an_own_pattern_are_never_items(shop):
    """`python_files` says what a test module is."""
    flat(shop, QUIET)
    shop.put(
        shop.root,
        {
            "pyproject.toml": PYPROJECT + FLAT + "python_files = ['check_*.py']\n",
            "checks/check_shop.py": "import shop.plugin\n\ndef test_event(): pass\n",
        },
    )

    assert shop.nodeids() == ["checks/check_shop.py::test_event", *OWN]


def test_a_helper_among_the_tests_is_no_item_unless_it_lies_beside_the_project(shop):
    """What only the tests import, in a folder of tests, is theirs; a module beside a test elsewhere is not."""
    flat(shop, QUIET)
    test = "import helpers, shop.bus\n\ndef test_event(): pass\n"
    shop.put(shop.root, {"tests/helpers.py": "", "tests/test_shop.py": test})
    assert shop.nodeids() == ["tests/test_shop.py::test_event", *OWN[:2]]

    shop.put(shop.root, {"work/helpers.py": "", "work/test_work.py": test})
    assert shop.nodeids("work")[1:] == ["reload-leak::helpers[reimport]", *OWN[:2]]


def test_modules_that_no_test_imports_are_no_items(shop):
    """Only what is imported when the tests have been collected becomes an item."""
    flat(shop, QUIET)
    shop.put(
        shop.root, {"shop/lonely.py": "", "tests/test_shop.py": "import shop.bus\n\ndef test_event(): pass\n"}
    )

    assert shop.nodeids() == ["tests/test_shop.py::test_event", *OWN[:2]]


def test_the_tests_run_as_before(shop):
    """With the flag alone the tests themselves pass, fail, skip and share state as they do without."""
    flat(shop, QUIET)
    shop.put(
        shop.root,
        {
            "tests/test_shop.py": """
                import pytest
                import shop.plugin as plugin
                from shop.plugin import on_event
                from shop import bus

                runs = []

                def test_identity():
                    runs.append(1)
                    assert plugin.on_event is on_event
                    assert bus.listeners == [on_event]

                def test_state_is_shared():
                    assert runs == [1]

                def test_fails():
                    assert bus.listeners == []

                def test_skips():
                    pytest.skip("not today")
            """
        },
    )
    before = shop.project.spawn("tests")
    after = shop.run("tests", "-m", "not reloadable")

    before.assert_outcomes(passed=2, failed=1, skipped=1)
    after.assert_outcomes(passed=2, failed=1, skipped=1, deselected=3)


def test_a_run_that_would_check_nothing_is_a_usage_error(shop):
    """A project whose tests import only others' modules: with the flag, one line says that nothing is checked."""
    shop.put(shop.root, {"tests/test_shop.py": "import json\n\ndef test_event(): pass\n"})
    result = shop.run()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert_no_traceback(result)
    (text,) = errors(result)
    assert text.startswith("--reload-leak-check: nothing to check: ")
    assert text.endswith("name a target: --reload-leak-target=myapp.module")


@pytest.mark.parametrize(
    "test",
    [
        "def test_it(reload_leaks): reload_leaks.check('parts')\n",
        "import pytest\n\n@pytest.mark.reloadable('parts')\ndef test_it(): pass\n",
    ],
    ids=["fixture", "mark"],
)
def test_tests_that_check_are_something_to_check(shop, test):
    """The twins: a test that checks by hand or is marked is enough; the ini file's flag alone is no promise."""
    shop.put(shop.root, {"tests/test_shop.py": test, "tests/conftest.py": "", "tests/parts.py": ""})
    shop.run().assert_outcomes(passed=1)

    shop.put(shop.root, {"tests/test_shop.py": "def test_it(): pass\n"})
    shop.put(shop.root, {"pytest.ini": "[pytest]\nreload_leak_check = true\n"})
    shop.project.spawn().assert_outcomes(passed=1)


def test_an_empty_project_is_pytests_own_case(shop):
    """Without a test and without a module, pytest's own status for nothing collected is kept."""
    (shop.root / "tests" / "test_shop.py").unlink()

    assert shop.run().ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_named_targets_replace_the_projects_own(shop):
    """With a target, or with a marked test, the flag does not add the project's own modules."""
    flat(shop, QUIET)

    assert shop.nodeids("--reload-leak-target=shop.bus") == ["tests/test_shop.py::test_event", OWN[1]]

    shop.put(
        shop.root,
        {
            "tests/test_marked.py": "import pytest\n\n@pytest.mark.reloadable('shop.bus')\ndef test_bus(): pass\n"
        },
    )
    assert shop.nodeids() == ["tests/test_marked.py::test_bus", "tests/test_shop.py::test_event"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[project]\n",
        "[project]\nname = 3\n",
        "[tool.other]\n",
        '[project]\nname = "unknown"\n',
    ],
    ids=["empty", "no name", "odd name", "other", "not installed"],
)
def test_a_pyproject_without_a_usable_name_is_no_obstacle(shop, text):
    """Without a distribution to ask for, what lies under the rootdir is still the project's own."""
    shop.package(shop.root)
    shop.put(shop.root, {"pytest.ini": "[pytest]\npythonpath = .\n", "pyproject.toml": text})

    assert shop.nodeids()[1:] == OWN


def test_a_name_is_compared_as_installers_do(shop):
    """`Tiny.Shop` in `pyproject.toml` is the distribution that is installed as `tiny-shop`."""
    shop.put(shop.root, {"pyproject.toml": PYPROJECT.replace("tiny-shop", "Tiny.Shop")})
    installed(shop, QUIET)

    assert shop.nodeids()[1:] == OWN


def test_the_same_items_come_with_random_hashes_and_under_xdist(shop, monkeypatch):
    """The items are the same in every process: xdist refuses workers that collect differently."""
    flat(shop, QUIET)

    result = shop.project.check_apart("-n2", "-k", "plugin or test_event", plugins=("xdist",))

    result.assert_outcomes(passed=2)


@pytest.mark.parametrize(("source", "status"), [(LEAKY, 1), (CURED, 0)], ids=["leaky", "cured"])
def test_a_script_beside_its_test_is_the_smallest_project(project, source, status):
    """No configuration at all: a module and its test in one directory, and the flag."""
    (project.path / "pytest.ini").unlink()
    project.write({"part.py": source, "test_part.py": "import part\n\ndef test_part(): pass\n"})

    assert project.check_apart("-k", "part").ret == status
    assert project.outcomes() == {"part": "leaking" if status else "clean"}
