"""pytest-cov: the whole test is traced, the target's frames included."""

import json
import sys

import pytest
from noise_cases import Case, different, run
from support import target

pytest.importorskip("pytest_cov")

CORES = ["ctrace", "pytrace", *(["sysmon"] if sys.version_info >= (3, 12) else [])]
TRACED = {
    "called": Case("assert plugin.on_event() == 'event' and plugin.Own().method() is None"),
    "raised": Case("with pytest.raises(plugin.OwnError):\n    plugin.fail()"),
}


@pytest.mark.parametrize("core", CORES)
def test_coverage_keeps_nothing_and_hides_nothing(core, project, monkeypatch):
    """Whichever way coverage traces, it keeps no frame of an old generation."""
    monkeypatch.setenv("COVERAGE_CORE", core)

    seen = run(project, TRACED, "--cov=plugin", "--cov-branch", plugins=["pytest_cov.plugin"])

    assert different(seen, TRACED) == {}


CONFIGURED = "[run]\npatch = subprocess\nparallel = true\nsource = app\n"


@pytest.mark.parametrize("config", ["", CONFIGURED], ids=["pytest-cov alone", "coverage's subprocess patch"])
@pytest.mark.parametrize("options", [[], ["-n1"]], ids=["alone", "xdist"])
def test_lines_that_run_in_a_worker_are_measured(project, config, options):
    """Whether coverage starts in subprocesses by itself or not: pytest-cov combines what the worker saved."""
    project.write(
        {
            ".coveragerc": config,
            "app/__init__.py": "",
            "app/part.py": "import host\n\nhost.count = 1\nif host.count > 1:\n    host.listeners.clear()\n",
            "test_it.py": "def test_it(): pass\n",
        }
    )
    plugins = ("pytest_cov", *(("xdist",) if options else ()))
    result = project.check_apart("--cov=app", *options, *target("app.part"), plugins=plugins)

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["app?part.py * 4 *1 * 75%"])


BARE = """
    import importlib, plugin
    for _ in range(3): importlib.reload(plugin)
"""
CHECKED = """
    report = reload_leaks.measure("plugin", strategy="reload", rounds=3)
    assert report.outcome == "leaking" and report.findings[0].site is not None
"""
TEST = """
import host

def test_it(reload_leaks):{how}
    count = len(host.kept)
    if count > 1:
        host.use(count)
    else:
        host.use(0)
"""
HOST = """
kept = []

def keep(function):
    if function in kept:
        return
    kept.append(function)

def use(count):
    for number in range(count):
        if number < 0:
            raise ValueError
    return count

def unused():
    return 1
"""


def measured(project, core, how):
    """The lines and the branches that coverage saw, by file, without those that make the check."""
    project.write(
        {
            "host.py": HOST,
            "plugin.py": "import host\ndef on(): pass\nhost.keep(on)\n",
            "test_it.py": TEST.format(how=how),
        }
    )
    result = project.spawn("--cov=.", "--cov-branch", "--cov-report=json:seen.json", plugins=("pytest_cov",))
    result.assert_outcomes(passed=1)
    seen = json.loads((project.path / "seen.json").read_text())["files"]
    return {
        name: (content["executed_lines"], content["executed_branches"], content["missing_lines"])
        for name, content in seen.items()
        if name != "test_it.py"
    }, [seen["test_it.py"]["executed_lines"][-3:], seen["test_it.py"]["missing_lines"]]


@pytest.mark.parametrize("core", CORES)
def test_coverage_of_a_failing_check_is_that_of_the_reloads(core, project, monkeypatch):
    """The same lines and branches, those after the traced round included; the two tests are equally long."""
    monkeypatch.setenv("COVERAGE_CORE", core)

    checked = measured(project, core, CHECKED)

    assert checked == measured(project, core, BARE)
    assert checked[0]["host.py"][0]
