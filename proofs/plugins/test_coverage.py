"""pytest-cov: the whole test is traced, the target's frames included."""

import sys

import pytest
from noise_cases import Case, different, run

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
