"""Each kind of edge: the leaking twin is found with its holder, and the cured twin is clean (`cases/edges.py`)."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cases import edges, lines, run

from pytest_reloadleak.report.jsonfile import from_dict, to_dict


def measured(directory: Path, twins: edges.Twins, twin: str, strategy: str) -> dict[str, Any]:
    """The report of one twin as JSON gives it back."""
    run.write(directory, getattr(twins, twin))
    if not twins.own_process:
        report = run.measure_and_undo(directory, twins.target, strategy, edges.ROUNDS)
        text = json.dumps(to_dict(report))
        assert from_dict(json.loads(text)) == report
        return json.loads(text)
    command = [sys.executable, run.__file__, str(directory), twins.target, strategy, str(edges.ROUNDS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def pairs(strategies: Callable[[edges.Twins], tuple[str, ...]]) -> list[Any]:
    """Parameters: each case with each of some strategies."""
    return [
        pytest.param(twins, strategy, id=f"{twins.name}-{strategy}")
        for twins in edges.TWINS
        for strategy in run.ways(strategies(twins))
    ]


@pytest.mark.parametrize(("twins", "strategy"), pairs(lambda twins: twins.strategies))
def test_the_leaking_twin_is_found_with_its_holder(twins, strategy, tmp_path, monkeypatch):
    """One cause is one finding, with its growth, generations, holder, held object, trace and line."""
    monkeypatch.chdir(tmp_path)  # what holds the target's objects is first-party
    report = measured(tmp_path, twins, "leaking", strategy)

    expected = twins.expected
    found = [(f["kind"], f["growth"], f["holder"]["path"], f["generations"]) for f in report["findings"]]
    assert found == [(expected.kind, expected.growth, expected.path, list(expected.judged()))]
    (finding,) = report["findings"]
    assert finding["registry"] == expected.registry
    trace = expected.trace(strategy)
    assert finding["trace"][: None if expected.tail is not None else len(trace)] == list(trace)
    assert (finding["holder"]["root"], finding["holder"]["type"]) == (expected.root, expected.holder)
    assert finding["held"]["name"] == expected.held.rpartition(" ")[2]
    assert finding["per_round"] == (1.0 if expected.growth == "growing" else 0.0)
    assert finding["sole_holder"] is True
    wanted = lines.expected(twins.leaking, twins.cured, twins.target)
    lines.assert_named(from_dict(report).findings[0], wanted, twins.name)
    assert report["retained_generations"] == finding["generations"]
    assert (report["outcome"], report["error"]) == ("leaking", None)


@pytest.mark.parametrize(("twins", "strategy"), pairs(lambda _: edges.BOTH))
def test_the_cured_twin_is_clean(twins, strategy, tmp_path):
    """What only refers to the present generation, or to none, is no leak, whatever the kind of edge."""
    report = measured(tmp_path, twins, "cured", strategy)

    assert (report["outcome"], report["findings"], report["error"]) == ("clean", [], None)


@pytest.mark.parametrize(("twins", "strategy"), pairs(lambda twins: twins.harmless))
def test_a_twin_that_leaks_under_the_other_strategy_only_is_clean_under_this(twins, strategy, tmp_path):
    """`reload` keeps module and namespace, so who holds those holds the present one; `reimport` leaves no ghosts."""
    report = measured(tmp_path, twins, "leaking", strategy)

    assert (report["outcome"], report["findings"], report["error"]) == ("clean", [], None)


@pytest.mark.parametrize("strategy", edges.BOTH)
@pytest.mark.parametrize("data", ["[1, 2, 3]", "bytearray(1000)", "{'a': [1]}", "'text' * 100"])
def test_data_is_of_no_generation(data, strategy, tmp_path):
    """Data that a target leaves behind holds no old code: it retains no generation, however much it grows."""
    run.write(tmp_path, {"host": edges.KEEPS, "plugin": f"import host\n\nhost.keep({data})\n"})

    report = run.measure_and_undo(tmp_path, "plugin", strategy, edges.ROUNDS)

    assert report.retained_generations == ()
    assert not {f.kind for f in report.findings} & {"retained-generation", "stale-reference"}


@pytest.mark.parametrize("rounds", [1, 2, 5, 8])
def test_all_generations_but_the_last_two_are_judged(rounds, tmp_path):
    """That from before the warm-up, -1, is judged; the present one and its predecessor, within the grace, are not."""
    run.write(tmp_path, {"host": edges.KEEPS, "plugin": edges.PLUGIN + "host.keep(on_event)\n"})

    report = run.measure_and_undo(tmp_path, "plugin", "reimport", rounds)

    assert report.retained_generations == tuple(range(-1, rounds - 1))


def test_a_bound_is_told_from_growth_by_more_rounds(tmp_path):
    """Several generations in a list that keeps the last four are as many after twice as many rounds."""
    host = "kept = []\n\ndef keep(o):\n    kept.append(o)\n    del kept[:-4]\n"
    run.write(tmp_path, {"host": host, "plugin": edges.PLUGIN + "host.keep(on_event)\n"})

    report = run.measure_and_undo(tmp_path, "plugin", "reimport", 5)

    assert [(f.growth, f.per_round, f.generations) for f in report.findings] == [("bounded", 0.0, (2, 3))]


def test_the_same_leak_gives_the_same_bytes(tmp_path):
    """Two checks of the same leak differ in times and sizes only, signatures included."""
    twins = next(t for t in edges.TWINS if t.name == "closure cell")

    first, second = (measured(tmp_path, twins, "leaking", "reimport") for _ in range(2))

    for report in (first, second):
        for measure in ("duration_s", "reload_s", "series"):
            del report[measure]
        for finding in report["findings"]:
            del finding["retained_bytes"], finding["cost"]
        # The first check of a process also leaves what the interpreter makes once: one dict more.
        report["growth_by_type"] = {one["type"] for one in report["growth_by_type"]}
    assert first == second


def test_the_cases_can_be_told_apart():
    """No two cases have one name, the twins of each differ, and none is both leaking and clean."""
    assert [name for name, count in Counter(t.name for t in edges.TWINS).items() if count > 1] == []
    assert [t.name for t in edges.TWINS if t.leaking == t.cured] == []
    assert [t.name for t in edges.TWINS if set(t.strategies) & set(t.harmless)] == []
