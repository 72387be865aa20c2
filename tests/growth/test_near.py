"""The count of what the modules around a target refer to: one entry more changes it, what lies elsewhere does not."""

from __future__ import annotations

import functools
import sys
import types

import pytest

from pytest_reloadleak.growth import near


@functools.cache
def cached(key):
    """A cache of the host's."""
    return key


def closure(items):
    """A function that only its closure leads from to a list."""

    def inner():
        return items

    return inner


def defaulted(item, items=[]):  # noqa: B006 - what is tested
    """A function that keeps what it is given."""
    items.append(item)


@pytest.fixture
def host(monkeypatch):
    """A module that the target refers to, and one that only that module knows."""
    host, far = types.ModuleType("host"), types.ModuleType("far")
    vars(host).update(
        items=[],
        names={},
        nested=types.SimpleNamespace(queue=([],)),
        far=far,
        cached=cached,
        defaulted=defaulted,
    )
    host.inner = closure(host.items)
    far.items = []
    monkeypatch.setitem(sys.modules, "host", host)
    monkeypatch.setitem(sys.modules, "far", far)
    return host


@pytest.mark.parametrize(
    ("add", "expected"),
    [
        (lambda host: host.items.append([]), 1),
        (lambda host: host.names.update(a=1), 1),
        (lambda host: host.nested.queue[0].append("text" * 100), 1),
        (lambda host: host.cached(object()), 1),
        (lambda host: host.defaulted({}), 1),
        (lambda host: host.far.items.append([]), 0),
        (lambda host: host.items.extend([None, 1, "a line of a log"]), 0),
        (vars, 0),
    ],
)
def test_one_entry_more_changes_the_count(add, expected, host):
    """Whatever holds it, if the host does."""
    target = {"__name__": "plugin", "host": host}
    before = near.references([target])
    add(host)

    assert near.references([target]) - before >= expected
    if not expected:
        assert near.references([target]) == before
    assert vars(closure(1)).keys() == set()


def test_a_name_in_the_code_of_the_target_is_enough(host):
    """A function that imports the host when it runs."""
    namespace = {"__name__": "plugin"}
    exec("def start():\n    import host\n    return host", namespace)

    assert [vars(host)] == near.neighbours([namespace])


def test_a_walk_ends(host, monkeypatch):
    """A host of any size costs no more than some thousand objects."""
    monkeypatch.setattr(near, "_MOST", 100)
    host.items += [[] for _ in range(1000)]
    target = {"__name__": "plugin", "host": host}
    before = near.references([target])
    host.items[500].append(1)

    assert near.references([target]) == before
