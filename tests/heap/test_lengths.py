"""Lengths of all containers, read in C: the same as those that a loop over the heap finds."""

import array
import collections
import gc
import io
import types

from pytest_reloadleak.heap import lengths


class Table(dict):
    """A container that lies about its length."""

    def __len__(self):
        raise RuntimeError("asked for its length")


class Slotted:
    __slots__ = ("table",)


def held():
    """One container of each kind, those included that only their owner shows."""
    owner = Slotted()
    owner.table = {"n": 1}
    inner = {"raw": bytearray(3)}
    kept = [Table(a=1), [1, 2], {1}, collections.deque([1]), collections.Counter("ab"), bytearray(b"12")]
    kept += [array.array("i", [1, 2]), io.BytesIO(b"abc"), io.StringIO("x"), inner, owner, {"x": 1, "y": 2}]
    return kept, [*(o for o in kept if o is not owner), owner.table, inner["raw"]]


def test_every_container_has_its_length():
    """A module is none, nor is what only its C code refers to."""
    kept, containers = held()
    module = types.ModuleType("stub")

    found = lengths.every()

    assert [found[id(o)] for o in containers] == [1, 2, 1, 1, 2, 2, 8, 0, 0, 1, 2, 1, 3]
    assert id(module) not in found
    assert len(kept) == 12


def test_the_lengths_are_those_that_a_loop_finds():
    """An oracle: each tracked object, and what it refers to."""
    kept, _ = held()
    gc.collect()
    gc.disable()
    try:
        found = lengths.every()
        plain = {id(o): lengths.length(o) for o in gc.get_objects() if lengths.kind_of(type(o)) is not None}
    finally:
        gc.enable()

    both = found.keys() & plain.keys() - {id(found), id(plain)}
    assert {key: found[key] for key in both} == {key: plain[key] for key in both}
    assert len(plain) - len(both) < 20
    assert kept


def test_only_what_is_longer_is_found():
    """What is new is not longer than it was."""
    _, containers = held()
    known = lengths.every()
    containers[0]["b"] = 2
    containers[1].pop()
    containers[5].extend(b"345")
    containers[-2]["m"] = 5
    new = [[1, 2, 3]]

    longer = set(map(id, lengths.longer(known)))

    assert longer.intersection(map(id, [*containers, *new])) == {
        id(o) for o in (containers[0], containers[5], containers[-2])
    }
