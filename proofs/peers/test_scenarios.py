"""The scenarios under the plugin: each reload leak is found and its holder named, and no control fails."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from cases import SCENARIOS, Scenario
from runner import run, truth

LEAKS = [s for s in SCENARIOS.values() if s.kind in {"leak", "stale"}]
CONTROLS = [s for s in SCENARIOS.values() if s.kind == "clean"]
GREY = [s for s in SCENARIOS.values() if s.kind == "grey"]


def of(scenarios: list[Scenario]) -> pytest.MarkDecorator:
    """Parametrise a test with scenarios by name."""
    return pytest.mark.parametrize("scenario", scenarios, ids=[s.name for s in scenarios])


def strategies(scenario: Scenario) -> tuple[str, ...]:
    """The strategies whose result can be compared with that of the scenario's own reload."""
    return ("reload", "reimport") if scenario.in_place else ()


def whole(finding: dict[str, Any]) -> str:
    """What a finding says of its holder: root, path, type and the trace up to the held object."""
    holder = finding["holder"] or {"root": "", "path": "", "type": ""}
    return " ".join((holder["root"], holder["path"], holder["type"], *finding["trace"]))


def test_all_are_there():
    """The comparison is over the peers' scenarios: 27 leaks, 2 stale bindings, 6 controls and a grey one."""
    assert Counter(s.kind for s in SCENARIOS.values()) == {"leak": 27, "stale": 2, "clean": 6, "grey": 1}
    assert sum(s.effect for s in SCENARIOS.values()) == 7


@of([s for s in SCENARIOS.values() if s.kind == "leak"])
def test_leaks_leak(scenario, tmp_path):
    """Ground truth, with no checker around: each leak grows by one a reload."""
    before, after = truth(scenario, tmp_path, rounds=20)

    assert after - before == 20


@of([s for s in SCENARIOS.values() if s.kind == "stale"])
def test_stale_ones_are_stale(scenario, tmp_path):
    """Ground truth, with no checker around: the binding has an old object after one reload as after twenty."""
    assert truth(scenario, tmp_path, rounds=20) == (1, 1)


@of(LEAKS)
def test_the_leak_is_found_and_its_holder_named(scenario, tmp_path):
    """However it is reloaded, the leak is found, grows if it does, and the holder is named; nothing else is said."""
    outcome = run(scenario, tmp_path, strategies=strategies(scenario))

    assert outcome.status == 1, outcome.text
    assert set(outcome.checks) == {"callable", *strategies(scenario)}
    for strategy, check in outcome.checks.items():
        assert check["outcome"] == "leaking", (strategy, outcome.text)
        assert [f for f in check["findings"] if scenario.holder.search(whole(f))], (strategy, outcome.text)
        growing = any(f["growth"] == "growing" for f in check["findings"])
        assert growing is (scenario.kind == "leak"), (strategy, outcome.text)
        assert len(check["findings"]) <= scenario.causes, (strategy, outcome.text)
    assert scenario.holder.search(outcome.text)


@of([s for s in LEAKS if not s.effect and s.kind == "leak"])
def test_every_generation_is_counted(scenario, tmp_path):
    """After five counted rounds the generations -1 to 3 are retained: all but the newest and the one in its grace.

    Where nothing is loaded before the first round, that round bears generation 0.
    """
    outcome = run(scenario, tmp_path)

    expected = [-1, 0, 1, 2, 3] if scenario.loaded_before else [0, 1, 2, 3]
    assert outcome.checks["callable"]["retained_generations"] == expected, outcome.text


@of(CONTROLS + GREY)
def test_what_is_clean_passes(scenario, tmp_path):
    """No control fails, and a bounded interpreter cache is no leak under any way to reload."""
    outcome = run(scenario, tmp_path, strategies=strategies(scenario))

    assert {strategy: check["outcome"] for strategy, check in outcome.checks.items()} == dict.fromkeys(
        ("callable", *strategies(scenario)), "clean"
    ), outcome.text
    assert outcome.status == 0, outcome.text
