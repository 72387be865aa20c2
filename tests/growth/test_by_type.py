"""Growth by type: the types of which each round leaves more, without running code of the objects."""

import gc
import json
import sys
import weakref

import pytest
from cases import run

from pytest_reloadleak import measure_reload
from pytest_reloadleak.effects.system import meter
from pytest_reloadleak.growth.by_type import ByType, _counted
from pytest_reloadleak.model import TypeGrowth
from pytest_reloadleak.report import jsonfile, terminal

HOST = "kept = []\nclass Entry: pass\n"
LEAKS = {
    "instances of the host": (
        "import host\nhost.kept += [host.Entry() for _ in range(3)]\ndef on(): pass\nhost.kept.append(on)\n",
        TypeGrowth(type="Entry", per_round=3),
    ),
    "instances of each generation's class": (
        "import host\nclass Own: pass\nhost.kept += [Own(), Own()]\n",
        TypeGrowth(type="Own", per_round=2),
    ),
    "data": (
        "import host\nhost.kept += [[n, []] for n in range(50)]\n",
        TypeGrowth(type="list", per_round=100),
    ),
}


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """Write a host and a plugin, and measure reloads of the plugin, as on a heap that is not large."""
    monkeypatch.setattr(meter, "_LARGE_BLOCKS", 10**9)

    def measure(files, rounds):
        run.write(tmp_path, files)
        return measure_reload("plugin", rounds=rounds)

    with run.importable(tmp_path):
        yield measure


@pytest.mark.parametrize("what", LEAKS)
def test_what_each_round_leaves_is_counted_by_type(what, measured):
    """The report has it, and so have its JSON and the text with -v."""
    source, expected = LEAKS[what]

    report = measured({"host": HOST, "plugin": source}, rounds=5)

    assert report.outcome == "leaking"
    assert expected in report.growth_by_type
    assert jsonfile.from_dict(json.loads(json.dumps(jsonfile.to_dict(report)))) == report
    assert "ReferenceType" not in {grown.type for grown in report.growth_by_type}
    line = f"{expected.per_round} {expected.type}"
    assert line in terminal.text(report)
    assert "leaves more objects" not in terminal.text(report, verbose=False)


def test_a_clean_check_counts_no_types(measured, monkeypatch):
    """It needs no library for it either."""
    monkeypatch.setattr(ByType, "note", lambda *_: pytest.fail("types were counted"))

    report = measured({"plugin": "def on(): pass\n"}, rounds=2)

    assert (report.outcome, report.growth_by_type) == ("clean", ())


def test_one_round_that_leaves_something_is_chance(monkeypatch):
    """Both halves of the rounds have to leave more of a type."""
    rounds = iter([{"a": 1}, {"a": 5, "b": 4}, {"a": 12, "b": 4}])
    monkeypatch.setattr("pytest_reloadleak.growth.by_type._counted", lambda _: next(rounds))
    types = ByType(5)

    for number in filter(types.is_due, range(6)):
        types.note(number)

    assert types.found() == (TypeGrowth(type="a", per_round=2),)


class Meta(type):
    @property
    def __name__(cls):
        raise RuntimeError("asked for the name of a class")

    def __getattribute__(cls, name):
        raise RuntimeError("asked a class for an attribute")

    def __hash__(cls):
        raise RuntimeError("hashed")


class Hostile(metaclass=Meta):
    def __getattribute__(self, name):
        raise RuntimeError("asked for an attribute")

    @property
    def __class__(self):
        raise RuntimeError("asked for the class")


def test_hostile_objects_are_counted_without_a_word_to_them():
    """A class's name is read by objgraph, but by ourselves where reading it runs code."""
    before = _counted({}).get("Hostile", 0)

    kept = [object.__new__(Hostile) for _ in range(3)]

    assert _counted({})["Hostile"] - before == 3
    assert len(kept) == 3
    assert "objgraph" in sys.modules


def test_a_type_at_the_address_of_another_has_its_own_name():
    """Each is named once; the name is that of the type, and not of its address."""
    kept = [type("Present", (), {})() for _ in range(2)]
    names = {id(type(kept[0])): (weakref.ref(type("Gone", (), {})), "Gone")}
    gc.collect()

    assert _counted(names).get("Gone") is None
    assert _counted(names)["Present"] == 2
    assert names[id(type(kept[0]))][1] == "Present"


def test_an_error_at_one_type_ends_no_check(measured, monkeypatch):
    """The library reads every type of the program; the finding is there all the same, and a note says why."""

    def count(*_):
        raise LookupError("no type")

    monkeypatch.setattr(ByType, "note", count)
    source, _ = LEAKS["data"]

    report = measured({"host": HOST, "plugin": source}, rounds=3)

    assert (report.outcome, report.growth_by_type) == ("leaking", ())
    assert "the objects of each type could not be counted: LookupError: no type" in report.notes
