"""pytest-cov: the whole test is traced, the target's frames included."""

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
