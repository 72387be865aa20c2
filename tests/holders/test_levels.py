"""The extension against Python: both expand a level alike, whatever the objects are."""

from __future__ import annotations

import array
import gc
import runpy
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_heaps import heap_of, plans, seeded

from pytest_reloadleak.heap.instances import unsafe_modules
from pytest_reloadleak.heap.levels import choice, in_python

LARGEST = 2 ** (8 * tuple.__itemsize__) - 8


def both(native: Any, level: list[Any], seen: set[int], sinks: set[int], **options: Any) -> list[Any]:
    """What each expands a level to, with what it has seen then."""
    options = {"slice_size": 64, "has_untracked": False, **options}
    found = []
    for how in (native, in_python):
        known = how.Addresses(seen)
        below, starts, hits = how.expand(level, seen=known, sinks=how.Addresses(sinks), **options)
        assert len(known) == len(seen) + len(below)
        assert all(id(o) in known for o in below)
        found.append((list(map(id, below)), starts, list(hits.items()), below))
    return found


@seeded
@given(plans, st.sampled_from([1, 3, 64]), st.booleans())
def test_both_expand_a_random_heap_alike(native, plan, slice_size, has_untracked):
    """The same objects in the same order, with the same slices and the same references to sinks; level after level."""
    with heap_of(plan) as heap:
        sinks = set(heap.sinks())
        level = [heap.nodes[at] for group in plan.groups for at in group if id(heap.nodes[at]) not in sinks]
        seen = {*map(id, level), *(id(heap.nodes[at]) for at in plan.skipped)}
        while level:
            in_c, python = both(
                native, level, seen, sinks, slice_size=slice_size, has_untracked=has_untracked
            )
            assert in_c[:3] == python[:3]
            level = in_c[3]
            seen.update(map(id, level))


class Trouble:
    """Whatever one does to an instance or asks it raises."""

    __slots__ = ("held",)

    def _trouble(self, *_: object) -> Any:
        raise RuntimeError

    __eq__ = __hash__ = __bool__ = __len__ = __iter__ = __getattribute__ = _trouble


def test_both_expand_this_process_alike(native):
    """Classes, extension types, frames, generators, running code, and objects that raise when they are read."""
    trouble = Trouble()
    Trouble.held.__set__(trouble, [trouble])
    skip = {*map(id, unsafe_modules())}
    gc.disable()
    try:
        level = [o for o in gc.get_objects() if id(o) not in skip]
        sinks = set(map(id, level[::50]))
        in_c, python = both(native, level, skip | {id(level)}, sinks, has_untracked=True)
    finally:
        gc.enable()
    here = [in_c, python, in_c[3], python[3], *in_c, *python, skip, sinks]
    own = {*map(id, here), id(here)}

    assert [o for o in in_c[0] if o not in own] == [o for o in python[0] if o not in own]
    assert len(in_c[0]) > 1000
    assert in_c[2] == python[2]
    del level, in_c, python, here


@pytest.mark.parametrize("count", [4095, 4096, 4097, 100_000])
def test_one_object_may_refer_to_many(native, count):
    """The extension's buffer grows, and nothing of the slice is lost or entered twice."""
    level = [[[]], [[] for _ in range(count)], [[]]]

    in_c, python = both(native, level, set(), {id(level[1][-1])})

    assert in_c[:3] == python[:3]
    assert len(in_c[0]) == count + 1


def test_it_keeps_nothing(native):
    """References and containers of the extension end with its results."""
    sink, held = [object()], [object()]
    level = [[held, sink]]
    before = list(map(sys.getrefcount, (sink, held, level, level[0])))
    for _ in range(3):
        both(native, level, set(), {id(sink)}, has_untracked=True)
        native.positions(level, native.Addresses([id(level[0])]))
        native.of_types(level, native.Addresses([id(list)]))
        native.untracked([level, held], native.Addresses(), (list, object))
        native.fingerprint(level)

    assert list(map(sys.getrefcount, (sink, held, level, level[0]))) == before


@seeded
@given(
    st.lists(st.tuples(st.booleans(), st.sets(st.integers(0, 600).map(lambda n: 8 * n * (1 + n % 3 * 8191)))))
)
def test_a_set_of_addresses_is_a_set(native, changes):
    """Adding and removing: near ones share a page, and far ones make the table grow."""
    found, right = native.Addresses(), set()
    for is_added, ids in changes:
        for one in (found, right):
            (one.update if is_added else one.difference_update)(ids)

        assert len(found) == len(right)
        assert all((key in found) is (key in right) for key in ids | right)


def test_addresses_of_the_whole_range(native):
    """The first and the last possible one are kept apart, and so are many far ones."""
    far = [0, LARGEST, *(n * 2**20 for n in range(1, 5000))]
    addresses = native.Addresses(far)
    addresses.add(LARGEST - 8)

    assert len(addresses) == len(far) + 1
    assert all(key in addresses for key in far)
    assert 2**20 + 8 not in addresses
    assert sys.getsizeof(addresses) > 5000 * 64


@pytest.mark.parametrize("number", [1, LARGEST + 1])
def test_what_is_no_id_is_in_no_set(native, number):
    """Objects begin at multiples of their size; anything else is refused, and never found."""
    addresses = native.Addresses([0, 8, LARGEST])

    assert number not in addresses
    with pytest.raises(ValueError, match="no object has this id"):
        addresses.add(number)


def test_positions_of_some_objects(native):
    """Where they are, in order and as often as they are there."""
    objects: list[Any] = [[], {}, object(), [], None]
    objects.append(objects[1])
    wanted = {id(objects[1]), id(objects[4]), 64}

    assert (
        native.positions(objects, native.Addresses(wanted))
        == [1, 4, 5]
        == in_python.positions(objects, wanted)
    )
    assert native.positions(objects, native.Addresses()) == []


@pytest.mark.parametrize(("start", "stop"), [(0, 200), (0, 64), (3, 67), (64, 500), (100, 100), (150, 20)])
def test_what_refers_to_some(native, start, stop):
    """The positions in a part of a list, in order; an object that the collector does not know refers to nothing."""
    sought, other = [0], [1]
    kinds = (
        lambda: [sought],
        lambda: [other],
        lambda: {"a": other, "b": sought},
        lambda: 5,
        lambda: (sought,) * 9000,
    )
    objects = [kinds[at * 7 % 13 % 5]() for at in range(200)]
    wanted = {id(sought)}

    found = native.referring(objects, start, stop, native.Addresses(wanted))

    assert found == list(in_python.referring(objects, start, stop, wanted))
    assert found == [at for at in range(start, min(stop, 200)) if at * 7 % 13 % 5 in {0, 2, 4}]


def test_objects_of_some_types(native):
    """In their order, without asking one of them or its type anything."""

    class Meta(type):
        def _trouble(cls, *_: object) -> Any:
            raise RuntimeError

        __eq__ = __hash__ = __bool__ = _trouble

    class Strange(metaclass=Meta):
        pass

    objects = [1, [], Strange(), {}, [2], Trouble(), Strange()]
    wanted = {id(list), id(Strange)}

    found = native.of_types(objects, native.Addresses(wanted))

    assert list(map(id, found)) == [id(objects[at]) for at in (1, 2, 4, 6)]
    assert list(map(id, in_python.of_types(objects, wanted))) == list(map(id, found))
    assert native.of_types(objects, native.Addresses()) == []
    with pytest.raises(TypeError):
        native.of_types(tuple(objects), native.Addresses(wanted))


def test_objects_are_counted_by_type(native):
    """Also when there are many types, and none of them is asked anything."""
    kinds = [type(f"Kind{number}", (), {}) for number in range(3000)]
    objects = [Trouble(), *(kind() for kind in kinds), 5, *(kind() for kind in kinds[::2]), Trouble()]

    found = native.counted(objects)

    assert found == in_python.counted(objects)
    assert (found[0], found[1], found[2], found[3001]) == (2, 2, 1, 1)
    assert sum(found.values()) == len(objects)
    assert native.counted([]) == in_python.counted([]) == {}


def test_what_the_collector_does_not_track(native):
    """Each once, of some types only, and not by those that are left out; that of a dict of atoms as well."""
    inner, other, hidden = bytearray(b"inner"), array.array("i"), bytearray(b"hidden")
    atoms = {"a": 1, "buffer": inner}
    objects: list[Any] = [[other, other, 5, "text"], [atoms, {"b": []}], (other,), [hidden], Trouble()]
    without, kinds = {id(objects[3])}, (bytearray, array.array, dict)

    found = native.untracked(objects, native.Addresses(without), kinds)

    wanted = [] if gc.is_tracked(atoms) else [id(atoms), id(inner)]
    wanted += [] if gc.is_tracked(other) else [id(other)]
    assert sorted(map(id, found)) == sorted(wanted)
    assert sorted(map(id, in_python.untracked(objects, without, kinds))) == sorted(wanted)
    assert [id(o) for o in native.untracked(objects, native.Addresses(), (bytearray,))] == [id(hidden)]
    for wrong in ((tuple(objects), native.Addresses(), kinds), (objects, without, kinds), (objects,)):
        with pytest.raises(TypeError):
            native.untracked(*wrong)


def test_both_find_what_is_not_tracked_in_this_process(native):
    """Whatever it is."""
    modules = {id(module) for module in unsafe_modules()}
    objects = [o for o in gc.get_objects() if type(o) is not list or len(o) < 100_000]
    kinds = (bytearray, array.array, dict)

    in_c = native.untracked(objects, native.Addresses(modules), kinds)
    python = in_python.untracked(objects, modules, kinds)

    both = {id(o) for o in in_c} ^ {id(o) for o in python}
    assert len(in_c) == len({id(o) for o in in_c}) > 0 or gc.is_tracked({})
    assert len(both) < 50  # between the two, the process goes on


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (([], 64, set(), set()), TypeError),
        (((), 64, None, None), TypeError),
        (([], 0, None, None), ValueError),
        (([], "64", None, None), TypeError),
    ],
)
def test_wrong_arguments_are_refused(native, arguments, error):
    """An error, and no crash; `None` stands for a right set."""
    level, size, *sets = arguments
    seen, sinks = (native.Addresses() if one is None else one for one in sets)

    with pytest.raises(error):
        native.expand(level, size, seen, sinks, has_untracked=False)
    for wrong in (["a"], [2**70], 5):
        with pytest.raises((TypeError, OverflowError)):
            native.Addresses(wrong)


@pytest.mark.parametrize(
    ("wanted", "older", "taken"),
    [
        ("", 0, "native"),
        ("required", 0, "native"),
        ("off", 0, "python"),
        ("", 1, "python"),
        ("required", 1, None),
    ],
)
def test_the_variable_decides(native, monkeypatch, wanted, older, taken):
    """The extension is taken where it is there, unless it is off or was built from another source."""
    stand_in = {name: vars(native)[name] for name in choice.__all__}
    module = type(sys)("pytest_reloadleak.heap.levels._native")
    vars(module).update(stand_in, PROTOCOL=native.PROTOCOL - older, __file__="_native.so")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr("pytest_reloadleak.heap.levels._native", module, raising=False)
    monkeypatch.setenv("RELOADLEAK_ACCELERATOR", wanted)
    if taken is None:
        with pytest.raises(ImportError, match="was built from another source: install the package again"):
            runpy.run_path(choice.__file__)
        return

    chosen = runpy.run_path(choice.__file__)

    assert chosen["expand"] is (native.expand if taken == "native" else in_python.expand)


def test_without_the_extension_python_does_it(monkeypatch):
    """An installation without a compiler lacks the module: nothing is said, unless it is required."""
    monkeypatch.setitem(sys.modules, "pytest_reloadleak.heap.levels._native", None)
    monkeypatch.delattr("pytest_reloadleak.heap.levels._native", raising=False)
    monkeypatch.delenv("RELOADLEAK_ACCELERATOR", raising=False)

    assert runpy.run_path(choice.__file__)["expand"] is in_python.expand
    monkeypatch.setenv("RELOADLEAK_ACCELERATOR", "required")
    with pytest.raises(ImportError):
        runpy.run_path(choice.__file__)
