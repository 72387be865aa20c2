"""What pytest-testmon learns of targets. Its own hooks are modelled here; proofs/matrix runs the plugin itself."""

import json

import pytest
from support import CURED, target

from pytest_reloadleak.isolation.worker import Worker

TESTMON = """
    import json, pathlib, types
    import pytest

    class Collect:
        names = []

        @pytest.hookimpl(hookwrapper=True)
        def pytest_runtest_makereport(self, item, call):
            report = (yield).get_result()
            if call.when == "teardown":
                self.names.append(item.nodeid)
                is_last = item is item.session.items[-1]
                report.nodes_files_lines = {name: {"reload-leak": {1}} for name in self.names} if is_last else {}

        def pytest_runtest_logreport(self, report):
            if getattr(report, "nodes_files_lines", None):
                found = {name: {file: len(lines) for file, lines in files.items()}
                         for name, files in report.nodes_files_lines.items()}
                pathlib.Path("found.json").write_text(json.dumps(found))

    def pytest_configure(config):
        config.pluginmanager.register(Collect(), "TestmonCollect")
        names = {"unstable": {"reload-leak::app.p[reimport]"}, "failing": ["reload-leak::app.q[reload]", "test_a.py"]}
        config.testmon_data = types.SimpleNamespace(
            unstable_test_names=names["unstable"], failing_tests=names["failing"]
        )
"""


@pytest.fixture
def app(project, monkeypatch):
    """A project with a target that uses a host, one that cannot be imported, and a test that uses neither."""
    project.write(
        {
            "modelled.py": TESTMON,
            "app/__init__.py": "",
            "app/p.py": CURED,
            "app/q.py": "",
            "app/broken.py": "1 / 0\n",
            "test_a.py": "def test_a(): pass\n",
        }
    )
    monkeypatch.syspath_prepend(str(project.path))  # pytest 8.0 loads plugins before it reads `pythonpath`
    return project


@pytest.mark.parametrize("isolation", ["process", "none"])
def test_a_target_depends_on_its_files(app, isolation):
    """All lines of the files that its worker loaded, or at least of its own; what has no item is left alone."""
    app.check(
        "-pmodelled",
        f"--reload-leak-isolation={isolation}",
        "--reload-leak-rounds=2",
        *target("app.p", "app.broken"),
    )
    found = json.loads((app.path / "found.json").read_text())

    assert found["test_a.py::test_a"] == {"reload-leak": 1}
    own = found["reload-leak::app.p[reimport]"]
    assert own["app/p.py"] >= len(CURED.splitlines())
    assert ({"app/__init__.py", "host.py"} <= own.keys()) == (isolation == "process")
    assert "app/broken.py" in found["reload-leak::app.broken[reimport]"]


def test_an_automatic_target_is_checked_again_without_the_tests_that_import_it(app):
    """Where its files have changed, or it failed before: the test files are unchanged, so testmon skips them."""
    app.check("-pmodelled", "--reload-leak-rounds=2", "--ignore=test_a.py").assert_outcomes(passed=2)

    assert app.outcomes() == {"app.p": "clean", "app.q": "clean"}


def test_no_file_is_looked_for_without_a_selector(app, monkeypatch):
    """A worker lists its modules only where somebody asks for them."""
    content, asked = Worker._content, []

    def noted(worker):
        asked.append(content(worker)["files"])
        return content(worker)

    monkeypatch.setattr(Worker, "_content", noted)
    app.check("--reload-leak-rounds=2", *target("app.p")).assert_outcomes(passed=2)

    assert asked == [False]
