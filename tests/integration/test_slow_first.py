"""Under pytest-xdist the targets that were slow before come first, and each process has its share of them."""

import json

import pytest
from support import target

from pytest_reloadleak.integration.slow_first import in_batches


@pytest.mark.parametrize(
    ("count", "processes", "first", "order"),
    [
        (8, 2, 2, [0, 2, 1, 3, 4, 5, 6, 7]),
        (7, 3, 2, [0, 3, 1, 4, 2, 5, 6]),
        (3, 2, 2, [0, 1, 2]),
        (4, 2, 0, [0, 1, 2, 3]),
        (0, 2, 2, []),
    ],
)
def test_each_process_begins_with_its_share(count, processes, first, order):
    """The first batches are dealt like cards; the rest follows in descending order."""
    assert in_batches(range(count), processes, first) == order


@pytest.fixture
def timed(project):
    """A project with three targets, whose times of an earlier run are known."""
    project.write({f"{name}.py": "x = 1\n" for name in ("quick", "slow", "new")})
    times = {"reload-leak::slow[reimport]": 9.0, "reload-leak::quick[reimport]": 0.1}
    project.write({".pytest_cache/v/reloadleak/durations": json.dumps(times)})
    return project


ORDER = """
    def pytest_collection_finish(session):
        worker = getattr(session.config, "workerinput", {}).get("workerid", "serial")
        with open(f"order-{worker}", "w") as file:
            file.write(" ".join(item.nodeid for item in session.items))
"""


@pytest.mark.parametrize(
    ("option", "processes", "order"),
    [(["-n2"], ["gw0", "gw1"], ["slow", "quick", "new"]), ([], ["serial"], ["quick", "slow", "new"])],
    ids=["xdist", "serial"],
)
def test_the_slowest_comes_first(timed, option, processes, order):
    """In each process of xdist alike; one after the other, the order is the one that was asked for."""
    timed.write({"conftest.py": ORDER, "test_plain.py": "def test_plain(): pass\n"})
    result = timed.spawn(
        "--reload-leak-check",
        "--reload-leak-rounds=1",
        *option,
        *target("quick", "slow", "new"),
        plugins=("xdist",),
    )
    result.assert_outcomes(passed=4)
    expected = ["test_plain.py::test_plain", *(f"reload-leak::{name}[reimport]" for name in order)]
    for process in processes:
        assert (timed.path / f"order-{process}").read_text().split() == expected
    kept = json.loads((timed.path / ".pytest_cache/v/reloadleak/durations").read_text())
    assert set(kept) == {f"reload-leak::{name}[reimport]" for name in ("quick", "slow", "new")}
    assert kept["reload-leak::slow[reimport]"] < 9


@pytest.mark.parametrize("content", ["[1, 2]", "{", '{"a": "x"}'])
def test_damaged_times_are_no_obstacle(timed, content):
    """What somebody wrote into the cache costs no run."""
    timed.write({".pytest_cache/v/reloadleak/durations": content})
    timed.run("--reload-leak-check", "--reload-leak-rounds=1", *target("quick")).assert_outcomes(passed=1)
