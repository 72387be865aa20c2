"""Whole checks of random targets: what the generator of the source put where is found, each once, and nothing else."""

from __future__ import annotations

import os
import random
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from cases import run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_reloadleak import Finding

EXAMPLES = int(os.environ.get("RELOADLEAK_EXAMPLES", "10"))
"""Targets of one run: always the same ones."""

HOST = """\
import functools, weakref

listeners = []
table = {}
nested = {"inner": {"deep": []}}
bag = set()
brief = set()
slots = {}
latest = {}
weak = weakref.WeakSet()

class Registry:
    items = []
    def __init__(self):
        self.mine = []

registry = Registry()

def closing():
    kept = []
    def keep(o):
        kept.append(o)
    return keep

keep = closing()

def wrap(o):
    return lambda: o
"""

LEAKING = {
    "host.listeners.append({})": ("host.listeners[*]", "list"),
    "host.listeners.insert(0, {})": ("host.listeners[*]", "list"),
    "host.table[len(host.table)] = {}": ("host.table[*]", "dict"),
    "host.nested['inner']['deep'].append({})": ("host.nested['inner']['deep'][*]", "list"),
    "host.Registry.items.append({})": ("host.Registry.items[*]", "list"),
    "host.registry.mine.append({})": ("host.registry.mine[*]", "list"),
    "host.keep({})": ("host.keep.__closure__['kept'][*]", "list"),
    "host.bag.add({})": ("host.bag[*]", "set"),
    "host.listeners.append(host.wrap({}))": ("host.listeners[*].__closure__['o']", "function"),
    "host.listeners.append(({}, 1))": ("host.listeners[*][*]", "tuple"),
    "host.table[f'new {{len(host.table)}}'] = [{}]": ("host.table[*][*]", "list"),
}
"""Ways to be kept for good, with the holder and its type."""

CURED = (
    "host.slots['{name}'] = {}",
    "host.latest['{name}'] = [{}]",
    "host.latest.setdefault('list of {name}', [])[:] = [{}]",
    "host.{name} = {}",
    "host.Registry.{name} = {}",
    "setattr(host.registry, '{name}', {})",
    "host.weak.add({})",
    "host.listeners.append({}); host.listeners.pop()",
    "host.brief.add({}); host.brief.clear()",
    "host.slots['wrapped {name}'] = host.wrap({})",
)
"""Ways to be held by the newest generation only, or weakly, or not at all any more."""

OBJECTS = {
    "def {name}(): pass": "{name}",
    "class {name}:\n    def run(self): pass": "{name}",
    "class {name}: pass": "{name}",
    "{name} = lambda: None": "<lambda>",
    "class Of{name}:\n    def run(self): pass\n{name} = Of{name}()": "Of{name}",
}
"""What can be registered, with the name of what is held."""


NAMES = ("arrive", "begin", "close", "delay", "enter", "flush")
"""Names that differ in numbers only would be one cause."""


@dataclass(frozen=True)
class Target:
    """A random target, and what there is to find."""

    source: str
    expected: Counter[tuple[str, str, str]]
    """Holder, its type and the name of what is held."""


def target_of(seed: int, parts: int, most: int) -> Target:
    """The target of a seed: some objects, each registered in up to so many ways.

    At most one lambda is kept in one way: two at the same place have one name, and are one finding.
    """
    rng = random.Random(seed)
    lines, expected = ["import host"], Counter()
    for number in range(parts):
        name = NAMES[number]
        define, held = rng.choice(list(OBJECTS.items()))
        lines.append(define.format(name=name))
        ways = rng.sample([*LEAKING, *CURED], rng.randint(0, most))
        for way in ways:
            lines.append(way.format(name, name=name))
            if way in LEAKING:
                expected[(*LEAKING[way], f"plugin.{held.format(name=name)}")] = 1
    return Target("\n".join(lines) + "\n", expected)


def told(finding: Finding) -> tuple[str, str, str]:
    """A finding as the generator puts it."""
    assert finding.holder is not None
    assert finding.held is not None
    return finding.holder.path, finding.holder.type, finding.held.name


@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    st.integers(0, 2**32),
    st.integers(1, 6),
    st.integers(0, 3),
    st.sampled_from(["reimport", "reload"]),
)
def test_random_targets(seed, parts, most, strategy):
    """Each way to be kept for good is one finding that grows by one a round; what is cured is not mentioned."""
    target = target_of(seed, parts, most)
    with tempfile.TemporaryDirectory() as directory:
        run.write(Path(directory), {"host": HOST, "plugin": target.source})
        report = run.measure_and_undo(Path(directory), "plugin", strategy, 3)

    assert report.error is None
    assert Counter(map(told, report.findings)) == target.expected, target.source
    assert {(f.kind, f.growth, f.per_round) for f in report.findings} <= {
        ("retained-generation", "growing", 1.0)
    }
    assert report.outcome == ("leaking" if target.expected else "clean")
    assert {f.generations for f in report.findings} <= {(-1, 0, 1)}


def test_names_that_differ_in_numbers_only(tmp_path):
    """They are one cause, and in whatever order a set tells them, the second look finds it again: it is no miss."""
    for number in range(4):
        source = "import host\n" + "".join(f"def p{n}(): pass\nhost.bag.add(p{n})\n" for n in range(5))
        directory = tmp_path / str(number)
        run.write(directory, {"host": HOST, "plugin": source})
        report = run.measure_and_undo(directory, "plugin", "reimport", 2)

        assert [(*told(f), f.per_round) for f in report.findings] == [
            ("host.bag[*]", "set", "plugin.p0", 5.0)
        ]
