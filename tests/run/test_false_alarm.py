"""One old generation that seems held: whether more rounds are worth it is found out with little work."""

import sys

import pytest
from cases import run

from pytest_reloadleak import measure_reload
from pytest_reloadleak.run.looking import Looking

HOST = "kept, rounds = [], []\n"
PLUGIN = "import host\nhost.rounds.append(1)\nclass Thing: pass\ndef on(): pass\n"
held = []
"""What this module holds: the check spares what those who call it have of the original."""
imported = None


@pytest.fixture
def looks(monkeypatch):
    """The whole looks that a check takes."""
    taken = []
    look = Looking.look

    def counted(self, *args, **keywords):
        taken.append(self)
        return look(self, *args, **keywords)

    monkeypatch.setattr(Looking, "look", counted)
    return taken


def measured(folder, before="", plugin=PLUGIN):
    """Import the plugin, do something with it, and check it; returns the report and how often the plugin ran."""
    run.write(folder, {"host": HOST, "plugin": plugin})
    with run.importable(folder):
        __import__("plugin"), __import__("host")
        exec(before, {"plugin": sys.modules["plugin"], "host": sys.modules["host"], "held": held})
        report = measure_reload("plugin", rounds=3)
        return report, len(sys.modules["host"].rounds)


def test_what_a_host_keeps_of_one_generation_takes_one_look(tmp_path, looks):
    """The nearest holder is the program's own, so the rounds follow at once; the look after them names it."""
    report, _ = measured(tmp_path, "host.kept += [plugin.Thing() for _ in range(20)]")

    assert [(f.holder.path, f.growth, f.generations) for f in report.findings] == [
        ("host.kept[*]", "bounded", (-1,))
    ]
    assert len(looks) == 1


def test_what_only_the_caller_holds_takes_no_more_rounds(tmp_path, looks):
    """The nearest holder is spared, so a whole look tells that there is no other."""
    try:
        report, count = measured(tmp_path, "held.append(plugin.on)")
    finally:
        held.clear()

    assert (report.outcome, report.findings) == ("clean", ())
    assert count == 1 + 1 + 3
    assert len(looks) == 1


@pytest.fixture
def bound():
    """Lets this module have a name for something, as one that imports what it checks."""

    def bind(o):
        globals()["imported"] = o
        return o

    yield bind
    bind(None)


@pytest.mark.parametrize("name", ["on", "Thing", None])
def test_a_name_that_the_caller_has_takes_no_look(name, bound, tmp_path, looks):
    """Most callers import what they check; their names for it are counted, and nothing is searched."""
    run.write(tmp_path, {"host": HOST, "plugin": PLUGIN})
    with run.importable(tmp_path):
        plugin = __import__("plugin")
        bound(getattr(plugin, name) if name else plugin)
        del plugin
        assert measure_reload("plugin", rounds=3).outcome == "clean"
    assert looks == []


@pytest.mark.parametrize("name", ["on", "Thing", None])
def test_beside_a_name_that_the_caller_has_another_holder_counts(name, bound, tmp_path):
    """Of the same object, or of another one."""
    run.write(tmp_path, {"host": HOST, "plugin": PLUGIN})
    with run.importable(tmp_path):
        plugin, host = __import__("plugin"), __import__("host")
        host.kept.append(bound(getattr(plugin, name) if name else plugin))
        del plugin, host
        report = measure_reload("plugin", rounds=3)
    assert [(f.holder.path, f.growth) for f in report.findings] == [("host.kept[*]", "bounded")]


def test_a_farther_holder_counts_too(tmp_path, looks):
    """What the caller holds is nearer than the host's; the look finds both, and the rounds follow."""
    deep = "host.kept.append([[[[[[{'a': [plugin.on]}]]]]]])"
    try:
        report, count = measured(tmp_path, f"held.append(plugin.on); {deep}")
    finally:
        held.clear()

    assert [f.holder.path for f in report.findings] == ["host.kept[*][*][*][*][*][*][*]['a'][*]"]
    assert report.outcome == "leaking"
    assert count > 1 + 1 + 3
    assert len(looks) == 2
