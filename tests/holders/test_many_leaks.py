"""Where much leaks, other passes over the heap are faster; they find the same."""

import pytest
from cases import run

from pytest_reloadleak import measure_reload
from pytest_reloadleak.holders import retained, sweep

HOST = """
first, second, table = [], [], {}
class Subscription:
    def __init__(self, action): self.action = action
"""
PLUGIN = """
import host
class Thing: pass
def on(): return Thing
def other(): pass
subscription = host.Subscription(on)
host.first.append(subscription)
host.second.append((subscription,))
host.table.setdefault("one", {})[len(host.second)] = [other, Thing()]
"""


def measured(folder):
    """What a check finds in the plugin: each holder with all that is said of it."""
    run.write(folder, {"host": HOST, "plugin": PLUGIN})
    with run.importable(folder):
        report = measure_reload("plugin", rounds=4)
    return {
        f.holder.path: (f.signature, f.growth, f.per_round, f.generations, f.trace, f.site)
        for f in report.findings
    }


@pytest.mark.parametrize("module", [retained, sweep], ids=["namespaces", "other ways"])
def test_many_leaks_are_found_as_few_are(module, tmp_path, monkeypatch):
    """Namespaces by a pass over the dicts, and further holders by one over what the sweep entered."""
    few = measured(tmp_path)

    monkeypatch.setattr(module, "_FEW", 0)
    many = measured(tmp_path)

    assert many == few
    assert set(few) == {
        "host.first[*].action",
        "host.second[*][*].action",
        "host.table['one'][*][*]",
    }
