"""What accumulates that is of no generation: found above the noise, named with who has it and the line that made it."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import threading
from itertools import pairwise

import pytest
from cases import run

from pytest_reloadleak import measure_reload
from pytest_reloadleak.check import Check, settings_for
from pytest_reloadleak.effects.system import meter
from pytest_reloadleak.effects.system.process_numbers import Sample
from pytest_reloadleak.holders.runner_noise import Noise
from pytest_reloadleak.report.jsonfile import from_dict
from pytest_reloadleak.run.runner import Runner

BOTH = ("reimport", "reload")
HOST = """\
import collections, ctypes
cache, table, names, rows = [], collections.defaultdict(list), {}, set()
recent = collections.deque(maxlen=100)
class Registry(dict): pass
registry = Registry()
class Bus: pass
bus = Bus()
bus.queue = collections.deque()
head = None
memory = []
malloc, free = ctypes.CDLL(None).malloc, ctypes.CDLL(None).free
malloc.restype, malloc.argtypes, free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
count = 0
def add(item): cache.append(item)
def many(): return [[] for _ in range(60)]
"""
NEXT = "import host\nhost.count += 1\n"

TWINS = {
    # what it does; what the cured twin does instead; kind; path of the holder; its type; items a round
    "list": ("host.add({'a': host.many()})", "host.cache[:] = [{'a': host.many()}]",
             "object-growth", "host.cache[*]", "list", 1),
    "dict, new keys": ("host.names[f'{host.count}'] = host.many()", "host.names['a'] = host.many()",
                       "object-growth", "host.names[*]", "dict", 1),
    "subclass": ("host.registry[host.count] = host.many()", "host.registry[0] = host.many()",
                 "object-growth", "host.registry[*]", "host.Registry", 1),
    "attribute": ("host.bus.queue.append(host.many())", "host.bus.queue.clear(), host.bus.queue.append(host.many())",
                  "object-growth", "host.bus.queue[*]", "collections.deque", 1),
    "lists of a table": ("[host.table[key].append(host.many()) for key in 'ab']",
                         "[host.table[key].clear() for key in 'ab']",
                         "object-growth", "host.table[*][*]", "list", 2),
    "set of text": ("host.rows.update(['x' * (100_000 + host.count), *(f'{host.count} {n}' for n in range(99))])",
                    "[host.rows.add(f'{n}') for n in range(99)]", "memory-growth", "host.rows[*]", "set", 100),
    "bytes": ("host.cache.append(bytes(100_000 + host.count))", "host.cache[:] = [bytes(100_000 + host.count)]",
              "memory-growth", "host.cache[*]", "list", 1),
    "dict of text": ("host.names.update({f'{host.count} {n}': f'{n}' for n in range(2000)})",
                     "host.names.update({f'{n}': f'{n}' for n in range(2000)})",
                     "memory-growth", "host.names[*]", "dict", 2000),
}  # fmt: skip


def measured_apart(tmp_path, body, strategy):
    """The report of a process without another thread: with one, memory from C code cannot be attributed."""
    run.write(tmp_path, {"host": HOST, "plugin": f"{NEXT}{body}\n"})
    code = (
        f"import json, sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from pytest_reloadleak import measure_reload\n"
        "from pytest_reloadleak.report.jsonfile import to_dict\n"
        f"print(json.dumps(to_dict(measure_reload('plugin', strategy={strategy!r}, rounds=3))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    return from_dict(json.loads(done.stdout))


def measured(tmp_path, body, strategy, rounds=3):
    """The report on a module with this body."""
    run.write(tmp_path, {"host": HOST, "plugin": f"{NEXT}{body}\n"})
    with run.importable(tmp_path):
        return measure_reload("plugin", strategy=strategy, rounds=rounds)


@pytest.mark.parametrize("strategy", BOTH)
@pytest.mark.parametrize(("body", "cured", "kind", "path", "holder", "items"), TWINS.values(), ids=TWINS)
def test_what_accumulates_is_one_finding_with_its_line(
    body, cured, kind, path, holder, items, strategy, tmp_path
):
    """A finding on a growing container names its path, its type, its growth, and the line that fills it."""
    del cured
    report = measured(tmp_path, body, strategy)

    assert [(f.kind, f.growth, f.per_round) for f in report.findings] == [(kind, "growing", items)]
    (finding,) = report.findings
    assert (finding.holder.root, finding.holder.path, finding.holder.type) == ("sys.modules", path, holder)
    assert finding.site is not None
    assert (finding.site.file, finding.site.line, finding.site.code) == (str(tmp_path / "plugin.py"), 3, body)
    assert (finding.held, finding.generations, report.retained_generations) == (None, (), ())
    # Where the other tests have made the process large, a collection takes long, and not each round is settled.
    rounds = report.series.rounds
    assert rounds == tuple(sorted({0, 3, *rounds}))


@pytest.mark.parametrize("strategy", BOTH)
@pytest.mark.parametrize(("body", "cured", "kind", "path", "holder", "items"), TWINS.values(), ids=TWINS)
def test_what_takes_its_predecessors_place_is_clean(
    body, cured, kind, path, holder, items, strategy, tmp_path
):
    """The twin: as much is put there by each reload, and no more is there after it."""
    del body, kind, path, holder, items
    report = measured(tmp_path, cured, strategy)

    assert (report.outcome, report.findings, report.error) == ("clean", (), None)


@pytest.mark.parametrize("strategy", BOTH)
def test_a_chain_of_objects_is_known_by_the_line_that_allocates_them(strategy, tmp_path):
    """In a chain no container grows: the finding is on the growth itself, with its line."""
    report = measured_apart(tmp_path, "host.head = [host.head, *host.many()]", strategy)

    (finding,) = report.findings
    assert (finding.kind, finding.per_round, finding.holder) == ("object-growth", 61.0, None)
    assert (finding.site.file, finding.site.line) == (str(tmp_path / "plugin.py"), 3)
    assert finding.details[0] == "each round left at least 61 more objects"
    assert measured_apart(tmp_path, "host.head = [None, *host.many()]", strategy).outcome == "clean"


SENTINELS = """\
class Sentinel(type):
    def __new__(meta, name):
        made = super().__new__(meta, name, (meta,), {})
        made.__class__ = KIND
        return made
[Sentinel(f"S{n}") for n in range(15)]
"""


@pytest.mark.parametrize("strategy", BOTH)
def test_what_nobody_has_is_no_note_of_a_hosts(strategy, tmp_path):
    """As h11 does: a class that is its own type is emptied by the collector, and never freed."""
    report = measured_apart(tmp_path, SENTINELS.replace("KIND", "made"), strategy)

    (finding,) = report.findings
    assert (finding.kind, finding.growth, finding.holder) == ("object-growth", "growing", None)
    assert 20 <= finding.per_round < 50
    assert measured_apart(tmp_path, SENTINELS.replace("KIND", "meta"), strategy).outcome == "clean"


@pytest.mark.parametrize("strategy", BOTH)
def test_a_container_explains_what_it_has_and_no_more(strategy, tmp_path):
    """As jedi's plugins do: a list gets what others have too, while others' functions are wrapped once more."""
    body = "host.own = vars(host).get('own') or [[] for _ in range(200)]\nhost.cache += [host.own] * 4\n"
    report = measured_apart(tmp_path, f"{body}host.head = [host.head, *([] for _ in range(24))]", strategy)

    found = [(f.kind, f.per_round, f.holder and f.holder.path) for f in report.findings]
    assert found == [("object-growth", 4.0, "host.cache[*]"), ("object-growth", 25.0, None)]
    # No object was added, so nothing calls for a closer look.
    assert measured_apart(tmp_path, body, strategy).outcome == "clean"


@pytest.mark.skipif(sys.platform != "linux", reason="psutil.heap_info is not on all platforms")
@pytest.mark.parametrize("strategy", BOTH)
def test_memory_of_c_code_is_found_by_what_malloc_gave_out(strategy, tmp_path):
    """Bytes that no object of Python accounts for are `memory-growth`, and freed bytes are no finding.

    What a round left at least is told: malloc counts freed pieces that it has at hand as given out, so that a round
    may be some KiB short of what the target took.
    """
    undo = "[host.free(p) for p in host.memory]\n"
    body = "host.memory[:] = [host.malloc(200_000)]"
    report = measured_apart(tmp_path, body, strategy)

    (finding,) = report.findings
    assert (finding.kind, finding.holder) == ("memory-growth", None)
    assert 190_000 <= finding.per_round < 210_000
    assert measured_apart(tmp_path, f"{undo}{body}", strategy).outcome == "clean"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ("host.recent.append(host.many())", "host.recent[*]"),
        ("host.lookup(host.count)", "host.lookup<cache entry>[*]"),
    ],
    ids=["deque", "lru_cache"],
)
def test_what_has_a_bound_is_a_note_that_says_it(body, path, tmp_path):
    """A deque with a `maxlen` and an `lru_cache` with a `maxsize` fill up to that, and no further."""
    cache = "import functools\n@functools.lru_cache(maxsize=100)\ndef lookup(n): return many()\n"
    run.write(tmp_path, {"host": HOST + cache, "plugin": f"{NEXT}{body}\n"})
    with run.importable(tmp_path):
        report = measure_reload("plugin", rounds=3)

    assert (report.outcome, report.findings) == ("clean", ())
    (note,) = [note for note in report.notes if "at most 100" in note]
    assert note.endswith(" items: not a leak")


def test_growth_that_a_leak_explains_is_not_told_twice(tmp_path):
    """Old generations take memory: there is one cause, and it is the only finding."""
    report = measured(tmp_path, "def f(): pass\nhost.cache.append(f)\nhost.add(host.many())", "reimport")

    assert [f.kind for f in report.findings] == ["retained-generation"]


@pytest.mark.parametrize("settles_each", [True, False])
@pytest.mark.parametrize("top", [9, 10])
def test_a_plateau_is_no_growth(top, settles_each, tmp_path, monkeypatch):
    """It grew in the first pass, and in none or one round of the second, which ends with the round that tells."""
    monkeypatch.setattr(meter.Meter, "may_sample", lambda *_: settles_each)
    ended = tmp_path / "ended"
    body = f"if host.count < {top}: host.add(host.many())\nwith open({str(ended)!r}, 'a') as f: f.write('.')"
    report = measured(tmp_path, body, "reimport", rounds=5)

    assert (report.outcome, report.findings) == ("clean", ())
    assert report.series.rounds == (0, 5)
    # The import, the warm-up, the first pass, one round more, and the second pass up to what tells: one round may be
    # short of an object, so that two or three without growth tell. On a large heap not each round is settled, so that
    # each of two steps may be one longer.
    most = 1 + 1 + 5 + 1 + (top - 6) + 2 * (not settles_each)
    assert 1 + 1 + 5 + 1 + (top - 7) <= len(ended.read_text()) <= most


@pytest.mark.parametrize("strategy", BOTH)
def test_the_objects_of_a_large_heap_are_counted_for_good_reason_only(strategy, tmp_path, monkeypatch):
    """Counting takes half as long as a collection: there the number of blocks says whether it is worth it."""
    monkeypatch.setattr(meter, "_LARGE_BLOCKS", 0)
    leaking, cured = TWINS["list"][:2]

    clean = measured(tmp_path / "cured", cured, strategy)
    found = measured(tmp_path / "leaking", leaking, strategy)

    assert (clean.outcome, clean.series.rounds, clean.series.objects) == ("clean", (0, 3), (None, None))
    assert [(f.kind, f.holder.path) for f in found.findings] == [("object-growth", "host.cache[*]")]
    assert all(after - before >= 60 for before, after in pairwise(found.series.objects))


def test_only_what_each_round_left_longer_is_told(tmp_path):
    """Beside it is what grew in some of them."""
    body = "host.add(host.many())\nif host.count % 2: host.names[host.count] = host.many()"

    assert [f.holder.path for f in measured(tmp_path, body, "reimport").findings] == ["host.cache[*]"]


def test_all_that_grow_are_told_however_far_away(tmp_path):
    """The search goes on after it has met the nearest container."""
    body = "host.add(host.many())\nhost.bus.queue.append(host.many())"

    found = measured(tmp_path, body, "reimport").findings

    assert sorted(f.holder.path for f in found) == ["host.bus.queue[*]", "host.cache[*]"]


@pytest.mark.parametrize(
    "others", ["", "host.names[host.count] = host.many()"], ids=["alone", "beside a leak"]
)
def test_what_a_keeper_puts_there_is_a_note(others, tmp_path):
    """A plugin of the test runner's that fills a list of the program's with its own, round by round."""
    run.write(tmp_path, {"host": HOST, "plugin": f"{NEXT}host.add(host.many())\n{others}\n"})
    with run.importable(tmp_path):
        host = importlib.import_module("host")
        runner = Runner(keepers=lambda: Noise([("a plugin keeps {held}: not a leak", o) for o in host.cache]))
        report = Check(["plugin"], settings_for(rounds=3), runner=runner).perform()

    assert [f.holder.path for f in report.findings] == (["host.names[*]"] if others else [])
    assert "a plugin keeps more items after each round: not a leak" in report.notes


def test_growth_is_looked_for_if_its_probe_is_chosen(tmp_path):
    """`probes` selects by name or kind: without `growth` the check does not look for it."""
    run.write(tmp_path, {"host": HOST, "plugin": f"{NEXT}host.add(host.many())\n"})
    with run.importable(tmp_path):
        kinds = [
            [f.kind for f in measure_reload("plugin", rounds=3, probes=probes).findings]
            for probes in (["growth"], ["memory-growth"], ["threads", "references"])
        ]

    assert kinds == [["object-growth"], ["object-growth"], []]


def test_what_another_thread_takes_is_not_the_targets(tmp_path):
    """A list that unrelated code fills all the time is a note at most."""
    stop, kept = threading.Event(), []

    def fill():
        while not stop.wait(0.0005):
            kept.append([[] for _ in range(50)])

    thread = threading.Thread(target=fill)
    thread.start()
    try:
        report = measured(tmp_path, "def f(): pass", "reimport")
        found = measured(tmp_path, TWINS["list"][0], "reimport")
    finally:
        stop.set()
        thread.join()

    assert (report.outcome, report.findings) == ("clean", ())
    assert [f.holder.path for f in found.findings] == ["host.cache[*]"]


def samples(*rows):
    """Settled rounds of which each row has the objects, the blocks, and the bytes from malloc."""
    return [
        Sample(number, objects, blocks, native, fds=3, threads=1, tasks=None, children=0)
        for number, (objects, blocks, native) in enumerate(rows)
    ]


@pytest.mark.parametrize(("last", "expected"), [(100_000, False), (200_000, True)])
def test_memory_that_was_taken_at_once_is_no_growth(last, expected):
    """A table that grew once took it in one round; less than that counts if most rounds took some."""
    first, after = samples((1000, 0, 0), (1000, 0, last))
    once = [0, 0, last, last, last]
    assert meter.may_have_grown(first, after, 5, 1, once) is expected
    assert meter.may_have_grown(first, after, 5, 1, [at * last // 4 for at in range(5)])


@pytest.mark.parametrize(
    ("step", "modules", "expected"),
    [
        ((0, 1200, 0), 1, (0, 1200, 0)),
        ((0, 1200, 0), 100, (0, 0, 0)),
        ((0, 0, 40_000), 1, (0, 0, 40_000)),
        ((0, 0, 40_000), 100, (0, 0, 0)),
        ((60, 1200, 40_000), 100, (60, 0, 0)),
        ((1, 0, 0), 100, (1, 0, 0)),
    ],
)
def test_the_floors_rise_with_the_modules_that_a_round_reloads(step, modules, expected):
    """Each leaves a few blocks in tables of the interpreter's; objects none: one in each round is growth."""
    taken = samples(*(tuple(1000 + at * n for n in step) for at in range(6)))

    assert meter.grown(taken, modules)[:3] == expected
    assert meter.may_have_grown(taken[0], taken[-1], 5, modules) is (any(expected) and step[0] != 1)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ((1, 1, 1), 1),
        ((1, 0, 1), 1),
        ((0, 0, 1), 0),
        ((5, 1, 3), 1),
        ((5, -1, 3), 0),
        ((9, 0, 0), 0),
        ((), 0),
    ],
)
def test_all_rounds_must_leave_objects_but_one(steps, expected):
    """One may be short of an object of the tool's own, which the collector freed meanwhile."""
    taken = samples(*((1000 + sum(steps[:at]), 0, None) for at in range(len(steps) + 1)))

    assert meter.grown(taken, 1).objects == expected


@pytest.mark.parametrize(
    ("objects", "rounds", "expected"), [(11, 6, False), (12, 6, True), (9, 1, False), (10, 1, True)]
)
def test_twice_as_many_objects_as_rounds_are_looked_at_again(objects, rounds, expected):
    """A clean check leaves two at most; but the look costs rounds, and what a test does first leaves some."""
    first, last = samples((1000, 0, None), (1000 + objects, 0, None))

    assert meter.may_have_grown(first, last, rounds, 1) is expected


@pytest.mark.parametrize(("blocks", "modules", "expected"), [(40, 1, True), (25, 1, False), (40, 10, False)])
def test_where_objects_were_not_counted_the_blocks_tell(blocks, modules, expected):
    """More of them than the modules that are reloaded leave by themselves."""
    first, last = samples((None, 0, None), (None, 5 * blocks, None))

    assert meter.may_have_grown(first, last, 5, modules) is expected
