"""What accumulated becomes findings and notes: the pure part, with all that a run may or may not know."""

from __future__ import annotations

import re

import pytest

from pytest_reloadleak.effects.system.meter import Grown
from pytest_reloadleak.growth.fillers import MemoryShare
from pytest_reloadleak.growth.survivors import Survivors
from pytest_reloadleak.holders.container_growth import Accumulation
from pytest_reloadleak.model import Holder, Site
from pytest_reloadleak.run.observations import Observations, is_explained
from pytest_reloadleak.verdict.growth import findings

FILE = "/plugin.py"
HOST = "/host.py"


def accumulation(**facts):
    """A list of a host's that got one item in each round."""
    known = {"is_tracked": True, "bytes_per_round": 100.0, "bound": None, **facts}
    holder = Holder(root="sys.modules", path="host.kept[*]", type="list")
    return Accumulation(holder, ("sys.modules['host']", ".kept", "[*]"), 1.0, **known)


def judged(*accumulations, **facts):
    """The findings and the notes."""
    seen = Observations(accumulations=list(accumulations), files=(FILE,), **facts)
    return findings(
        "plugin", seen, lambda frames, _: Site(file=FILE, line=frames[0][1], code="") if frames else None
    )


@pytest.mark.parametrize(
    ("objects", "known", "expected"),
    [
        (1, {"is_targets": True}, ["object-growth"]),
        (1, {"is_targets": True, "is_tracked": False}, ["memory-growth"]),
        (1, {"is_targets": True, "is_tracked": False, "is_plain": True}, []),
        (
            1,
            {"is_targets": True, "is_tracked": False, "is_plain": True, "bytes_per_round": 300.0},
            ["memory-growth"],
        ),
        (1, {"is_targets": False}, []),
        (60, {"is_targets": False}, []),
        (40, {}, []),
        (60, {}, ["object-growth"]),
        (40, {"bytes_per_round": 40_000.0}, ["object-growth"]),
        (1, {"frames": ((FILE, 3),)}, ["object-growth"]),
        (60, {"frames": ((HOST, 3),)}, []),
        (60, {"is_targets": True, "bound": 100}, []),
    ],
)
def test_who_fills_a_container_decides(objects, known, expected):
    """If the lines were not watched, the allocation tells; else what exceeds the records of a host counts."""
    found, notes = judged(accumulation(**known), grown=Grown(objects=objects), explained=float(objects))

    assert [f.kind for f in found] == expected
    is_log = "is_plain" in known and "bytes_per_round" not in known
    assert bool(notes) is (known.get("is_targets") is False or "bound" in known or is_log)


@pytest.mark.parametrize(
    ("known", "objects", "explained", "expected"),
    [
        ({"is_targets": True}, 60, 60.0, True),
        ({"is_targets": True}, 60, 45.0, True),
        ({"is_targets": True}, 60, 20.0, False),
        ({"has_instances": True}, 60, 60.0, True),
        ({"bound": 100}, 60, 60.0, True),
        ({"is_targets": False}, 60, 60.0, False),
    ],
)
def test_what_containers_explain_is_no_further_growth(known, objects, explained, expected):
    """Containers that the target fills, or that have a bound, explain what only they keep alive, and a little more."""
    seen = Observations(
        accumulations=[accumulation(**known)], grown=Grown(objects=objects), explained=explained
    )

    assert is_explained(seen) is expected
    assert is_explained(Observations(grown=Grown(objects=objects), explained=explained)) is False


@pytest.mark.parametrize(("is_only", "expected"), [(True, 1), (False, 0)])
def test_beside_another_thread_all_items_must_be_the_targets(is_only, expected):
    """It may have added some while the target's code ran."""
    one = accumulation(is_targets=True, is_only_targets=is_only)
    found, _ = judged(one, grown=Grown(objects=1), explained=1.0, is_alone=False)

    assert len(found) == expected


def test_what_survives_is_told_where_no_container_explains_it():
    """With its lines, those that took most first."""
    left = (Survivors(((FILE, 3),), 2.0, 20_000.0), Survivors(((FILE, 5),), 1.0, 50.0))
    (finding,), _ = judged(grown=Grown(references=2), survivors=left)

    assert (finding.kind, finding.holder, finding.site.line) == ("memory-growth", None, 3)
    assert [line.partition(" ")[2] for line in finding.details[2:]] == [
        "leaves 19.5 KiB per round",
        "leaves 50 bytes per round",
    ]


@pytest.mark.parametrize(
    ("grown", "share", "expected"),
    [
        (Grown(native_bytes=40_000), MemoryShare(), 1),
        (Grown(native_bytes=40_000), MemoryShare(True, 80_000, 0, ((FILE, 3),)), 1),
        (Grown(native_bytes=40_000), MemoryShare(True, 0, 0), 0),
        (Grown(native_bytes=20_000), MemoryShare(), 0),
        (Grown(mapped_bytes=2 << 20), MemoryShare(True, 0, 4 << 20, ((FILE, 3),)), 1),
        (Grown(mapped_bytes=2 << 20), MemoryShare(True, 0, 0), 0),
        (Grown(references=1), MemoryShare(True), 0),
        (Grown(objects=19), MemoryShare(True), 0),
        (Grown(objects=20), MemoryShare(True), 1),
        (Grown(), MemoryShare(), 0),
    ],
)
def test_memory_of_c_code_is_the_targets_if_it_is_taken_while_the_target_runs(grown, share, expected):
    """With the line that took it, where one is known."""
    found, _ = judged(grown=grown, shares=share)

    assert len(found) == expected
    assert [f.site.line for f in found if f.site is not None] == [3] * (expected and len(share.frames))


@pytest.mark.parametrize(
    ("traces", "paths"),
    [
        ((".parts['a'].raw", ".parts['a'].more"), {"host.parts['a'].raw", "host.parts['a'].more"}),
        ((".raws['a']", ".raws['b']"), {"host.raws[*]"}),
        ((".parts['a'].items[*]", ".parts['a'].raw"), {"host.parts['a'].items[*]", "host.parts['a'].raw"}),
        ((".lists['a'][*]", ".lists['b'][*]"), {"host.lists[*][*]"}),
        ((".raws['a']", ".raws['b'][*]"), {"host.raws['a']", "host.raws['b'][*]"}),
    ],
)
def test_what_differs_in_a_key_only_is_one_finding(traces, paths):
    """A buffer has no items, so an attribute at the end of its path is no key, and its bytes are none of theirs."""
    grown = [
        Accumulation(
            Holder(root="sys.modules", path=f"host{steps}", type="list"),
            ("sys.modules['host']", *re.findall(r"\.\w+|\[[^]]*\]", steps)),
            5000.0,
            is_tracked=True,
            bytes_per_round=5000.0,
            bound=None,
            unit="item" if steps.endswith("[*]") else "byte",
            is_targets=True,
        )
        for steps in traces
    ]

    found, _ = judged(*grown, grown=Grown(native_bytes=20_000), explained=0.0)

    assert {finding.holder.path for finding in found} == paths


@pytest.mark.parametrize(
    ("trace", "cure"),
    [
        (("sys.modules['host']", ".raws", "['a']"), "import host\ndel host.raws['a'][-8:]"),
        (("sys.modules['host']", ".raws", "[*]"), None),
    ],
)
def test_the_cure_of_a_buffer_shortens_the_buffer(trace, cure):
    """Not the dict or list that has it: which of many it was, the path does not say."""
    holder = Holder(root="sys.modules", path=f"host{''.join(trace[1:])}", type="bytearray")
    raw = Accumulation(holder, trace, 8.0, True, 8_000.0, None, unit="byte", is_targets=True)

    ((finding,), _) = judged(raw, grown=Grown(native_bytes=20_000), explained=0.0)

    assert finding.cure == cure
