"""Growth on a large heap: fewer rounds are settled, and the findings are the same as on a small one."""

import pytest
from cases import run

from pytest_reloadleak import measure_reload
from pytest_reloadleak.effects.system import meter
from pytest_reloadleak.effects.system.process_numbers import Sample

HOST = """
import collections
data, table, below = [], {}, {"deep": {"deeper": []}}
count = iter(range(10**9))
raw = bytearray()
"""
LEAKS = {
    "a list": "host.data += [[n] for n in range(20)]\n",
    "a table": "host.table[next(host.count)] = [object()]\n",
    "two, one below": "host.data += [[], []]\nhost.below['deep']['deeper'] += [[] for _ in range(30)]\n",
    "a buffer": "host.raw.extend(bytes(8_000))\n",
    "a chain": "host.last = [getattr(host, 'last', None), [0] * 50, *([] for _ in range(30))]\n",
}


def measured(folder, source, monkeypatch, *, is_large):
    """What a check says of a target that leaks into a host, on a heap that counts as large or small."""
    monkeypatch.setattr(meter, "_LARGE_BLOCKS", 1 if is_large else 10**9)
    run.write(folder, {"host": HOST, "plugin": f"import host\ndef on(): pass\n{source}"})
    with run.importable(folder):
        return measure_reload("plugin", rounds=4)


@pytest.mark.parametrize("what", LEAKS)
def test_the_findings_of_a_large_heap_are_those_of_a_small_one(what, tmp_path, monkeypatch):
    """Their numbers per round too, though only the middle and the end of the rounds are settled."""
    small = measured(tmp_path, LEAKS[what], monkeypatch, is_large=False)
    large = measured(tmp_path, LEAKS[what], monkeypatch, is_large=True)

    assert small.outcome == large.outcome == "leaking"
    assert (small.series.rounds, large.series.rounds) == ((0, 1, 2, 3, 4), (0, 2, 4))
    for a, b in zip(small.findings, large.findings, strict=True):
        assert (a.kind, a.signature, a.growth, a.holder, a.site) == (
            b.kind,
            b.signature,
            b.growth,
            b.holder,
            b.site,
        )
        assert a.per_round == pytest.approx(b.per_round, abs=1)


@pytest.mark.parametrize("what", LEAKS)
def test_what_each_round_replaces_is_clean_on_a_large_heap(what, tmp_path, monkeypatch):
    """The twins: they empty what they fill."""
    cured = "host.data.clear(); host.table.clear(); host.below['deep']['deeper'].clear(); host.raw.clear()\n"

    report = measured(tmp_path, f"{cured}host.last = None\n{LEAKS[what]}", monkeypatch, is_large=True)

    assert (report.outcome, report.findings) == ("clean", ())


@pytest.mark.parametrize(
    ("steps", "expected"),
    [((50, 55), 10), ((5, 5), 1), ((5, 4), 1), ((4, 4), 0), ((50, 0), 0), ((50, -1), 0)],
)
def test_rounds_between_two_samples_count_each(steps, expected):
    """One of them may be short of an object; a step that was made at once is none of each round."""
    numbers = [1000, 1000 + steps[0], 1000 + sum(steps)]
    taken = [Sample(at * 5, n, 0, None, 3, 1, None, 0) for at, n in enumerate(numbers)]

    assert meter.grown(taken, 1).objects == expected
