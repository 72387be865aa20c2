"""Which holders grow, by the birthdays of what they hold, and by reference counts where that has only one birthday."""

from __future__ import annotations

import pytest
from cases import edges, run

TAKES = """
from functools import partial
from plugin import on_event, Event
class Wrapper:
    def __init__(self, wrapped): self.wrapped = wrapped
few, items, names, pairs, partials, wrappers, events = [on_event] * 4, [], {}, [], [], [], []
"""
AGAIN = """
import sys
def on_event(): pass
class Event:
    def __init__(self): self.name = "event"
host = sys.modules.get("host")
if host is not None:
    {0}
"""


@pytest.mark.parametrize(
    ("path", "action"),
    [
        ("host.items[*]", "host.items.append(host.on_event)"),
        ("host.names[*]", "host.names[len(host.names)] = host.on_event"),
        ("host.pairs[*][*]", "host.pairs.append((host.on_event, len(host.pairs)))"),
        ("host.partials[*]", "host.partials.append(host.partial(host.on_event, 1))"),
        ("host.wrappers[*].wrapped", "host.wrappers.append(host.Wrapper(host.on_event))"),
        ("host.events[*]", "host.events.append(host.Event())"),
    ],
)
def test_who_takes_the_same_old_object_in_each_round_grows(path, action, tmp_path):
    """A host that has kept the first version puts it into one more place; it is of generation -1 everywhere."""
    run.write(tmp_path, {"host": TAKES, "plugin": AGAIN.format(action)})

    with run.importable(tmp_path):
        __import__("plugin"), __import__("host")
        report = run.measure_and_undo(tmp_path, "plugin", "reimport", 5)

    found = {f.holder.path: (f.growth, f.per_round, f.generations) for f in report.findings}
    assert found[path] == ("growing", 1.0, (-1,))
    assert found["host.on_event"] == ("bounded", 0.0, (-1,))
    assert found["host.few[*]"] == ("bounded", 0.0, (-1,))


@pytest.mark.parametrize(
    ("keeps", "growth"), [(4, "bounded"), (7, "bounded"), (8, "growing"), (100, "growing")]
)
def test_a_list_of_the_last_few_is_bounded_once_it_is_full(keeps, growth, tmp_path):
    """Also beside another list that keeps every generation alive, so that none is seen to go."""
    host = f"every, last = [], []\n\ndef keep(o):\n    every.append(o)\n    last.append(o)\n    del last[:-{keeps}]\n"
    run.write(tmp_path, {"host": host, "plugin": edges.PLUGIN + "host.keep(on_event)\n"})

    report = run.measure_and_undo(tmp_path, "plugin", "reimport", 5)

    assert {f.holder.path: f.growth for f in report.findings} == {
        "host.every[*]": "growing",
        "host.last[*]": growth,
    }
