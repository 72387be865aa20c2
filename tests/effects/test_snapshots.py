"""What a round does not read again: registries that are the same, and the processes of a system that started none."""

from __future__ import annotations

import gc
import subprocess
import sys
import types

import pytest

from pytest_reloadleak.effects.effect_ledger import EffectLedger
from pytest_reloadleak.effects.probe import Probe, Scope
from pytest_reloadleak.effects.registries import snapshots
from pytest_reloadleak.effects.registries.listed import Registrations
from pytest_reloadleak.effects.registries.registry import Table, list_identities, table_identities
from pytest_reloadleak.effects.registries.snapshots import ModuleTable, Snapshot
from pytest_reloadleak.effects.system import orphans
from pytest_reloadleak.heap.levels import choice, in_python


@pytest.fixture(autouse=True, params=["chosen", "python"])
def _fingerprint(request, monkeypatch):
    """The extension, if it is there, and Python."""
    found = in_python.fingerprint if request.param == "python" else choice.fingerprint
    monkeypatch.setattr(snapshots, "fingerprint", found)


class Hostile:
    """An object none of whose methods may be called, once it is a key."""

    def __hash__(self):
        return 4711

    def _fail(self, *_):
        raise AssertionError("asked")

    __eq__ = __repr__ = __bool__ = __len__ = _fail


def snapshot_of(table, **more):
    """A new reader of a list or dict."""
    describe = list_identities if isinstance(table, list) else table_identities
    where = ("name",) if isinstance(table, list) else ("name", "path")
    return Snapshot(Table(lambda: table, lambda items: describe(*where, items), **more))


def replace(table, key, make):
    """Replace a value: the new one gets the address of the old one, where that is free."""
    table[key] = None
    table[key] = make()


def test_the_same_table_is_not_read_again():
    """The very list of before says that nothing changed."""
    table = {"a": object(), 1: "text", Hostile(): Hostile()}
    snapshot = snapshot_of(table)
    assert snapshot.read() is snapshot.read()


CHANGES = {
    "a value": lambda table: table.update(a=object()),
    "an object by a text": lambda table: table.update(a="text"),
    "a new key": lambda table: table.update(b=1),
    "a key less": lambda table: table.pop("a"),
    "a key by another": lambda table: table.update(c=table.pop("a")),
    "all of them": lambda table: table.clear(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_of_a_table_is_seen(change):
    """What is read after it is what a new reader finds."""
    table = {"a": object(), "n": 1}
    snapshot = snapshot_of(table)
    before = snapshot.read()
    CHANGES[change](table)
    assert snapshot.read() == snapshot_of(table).read() != before


def test_what_has_the_address_of_something_gone_is_told_apart():
    """Texts have their content for a name, and addresses are used again at once."""
    table = {"name": b"first "}

    def describe(items):
        return [("name", value.decode()) for _, value in items]

    snapshot = Snapshot(Table(lambda: table, describe, is_of_texts=True))
    for number in range(20):
        replace(table, "name", lambda n=number: b"number %d" % (n % 10))
        assert snapshot.read() == describe(list(table.items()))


def test_a_table_with_tuples_is_read_each_time():
    """Whether a tuple counts as a text depends on its items, and another one may have its address."""
    table = {"a": (1, object())}
    snapshot = snapshot_of(table)
    for number in range(20):
        replace(table, "a", lambda n=number: (n, object() if n % 2 else 2))
        assert snapshot.read() == snapshot_of(table).read()


def test_every_change_of_a_list_is_seen():
    """Objects by address, and texts by content and number."""
    items = ["a", Hostile(), "a"]
    snapshot = snapshot_of(items)
    before = snapshot.read()
    assert before is snapshot.read()
    for at in (0, 2):
        items[at] = "".join(["b", str(at)])
        assert snapshot.read() == snapshot_of(items).read() != before
        before = snapshot.read()
    items.pop()
    assert snapshot.read() == snapshot_of(items).read() != before


def test_only_the_newest_of_a_long_table_are_told():
    """A change among the others is no entry."""
    table = dict.fromkeys(map(str, range(100)), 0)
    snapshot = snapshot_of(table, newest=3)
    assert [identity[2] for identity in snapshot.read()] == ["97", "98", "99"]
    table["100"] = 0
    assert [identity[2] for identity in snapshot.read()] == ["98", "99", "100"]


def test_the_modules_of_the_target_are_no_entries(monkeypatch):
    """Each round brings new ones under new names; the rest is the same, until another module is."""
    monkeypatch.setitem(sys.modules, "other", types.ModuleType("other"))
    monkeypatch.setitem(sys.modules, "target", types.ModuleType("target"))
    modules = ModuleTable(lambda name: name == "target")
    before = modules.read()
    names = [name for _, name, _ in before]
    assert "other" in names
    assert "target" not in names
    for number in range(3):
        del sys.modules["target"]
        sys.modules[("target" + str(number))[:-1]] = types.ModuleType("target")
        assert modules.read() is before
    sys.modules["other"] = types.ModuleType("other")
    assert modules.read() != before
    del sys.modules["other"]
    assert [name for _, name, _ in modules.read()] == [name for name in names if name != "other"]


def test_the_probe_returns_the_same_until_something_changes():
    """All of its registries together, in a process that does nothing else."""
    probe = Registrations()
    probe.begin(Scope(lambda _: False, lambda: 0))
    before = probe.identities()
    assert probe.identities() is before
    sys.path.append("somewhere")
    try:
        assert set(probe.identities()) - set(before) == {("sys.path", "somewhere", 1)}
    finally:
        sys.path.pop()
    assert probe.identities() == before


def test_only_the_very_same_tuple_says_that_nothing_changed():
    """A list that a probe returns again may have changed in place."""

    class Other(Probe):
        name = "other"

        def identities(self):
            return self.found

    probe = Other()
    probe.found = [(1,)]
    ledger = EffectLedger([probe])
    ledger.note(0)
    probe.found.append((2,))
    ledger.note(1)
    assert [ledger.born("other", (number,))[0] for number in (1, 2)] == [0, 1]
    probe.found = ((1,), (2,))
    ledger.note(2)
    ledger.note(3)
    assert [ledger.born("other", (number,))[0] for number in (1, 2)] == [0, 1]
    probe.found = ((2,), (3,))
    ledger.note(4)
    assert [ledger.born("other", (number,))[0] for number in (1, 2, 3)] == [None, 1, 4]


@pytest.mark.skipif(sys.platform != "linux", reason="known from /proc")
def test_processes_are_listed_only_when_a_new_one_may_be_there(monkeypatch):
    """The number that the system gave last says so; where it does not tell, they are listed each time."""
    listed = []
    numbers = iter([b"7", b"7", b"7", b"8", b"8", None, None])
    marked = orphans.Marked("mark")
    monkeypatch.setattr(orphans, "_numbers", lambda: listed.append(1) or marked._strangers)
    marked._newest = b"7"
    marked._number_of_newest = lambda: next(numbers)
    counts = []
    for _ in range(7):
        marked.running()
        counts.append(len(listed))
    assert counts == [0, 0, 0, 1, 1, 2, 3]


@pytest.mark.skipif(not orphans._has_counter(), reason="this system does not tell the newest number")
def test_a_new_process_changes_the_newest_number():
    """Also one that has ended."""
    marked = orphans.Marked("mark")
    before = marked._number_of_newest()
    assert before is not None
    assert before.strip().isdigit()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    assert marked._number_of_newest() != before


def test_the_extension_and_python_notice_the_same():
    """Both are equal for the same objects, and not when one is replaced, moved or left out."""
    table = {"own": gc, "a": object(), 3: None}
    for of in (in_python.fingerprint, choice.fingerprint):
        for container in (table, list(table)):
            assert of(container) == of(container)
        assert of(table, frozenset({"own"})) == of({key: table[key] for key in ("a", 3)})
        assert of({**table, "a": gc}) != of(table) != of(dict(reversed(table.items())))
        assert of([1, gc]) != of([gc, 1])
