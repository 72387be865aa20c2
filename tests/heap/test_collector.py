"""The private copies of the collector's functions, and the one that guards what is dangerous to ask."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import weakref

from pytest_reloadleak.heap import collector, lengths, settle


def test_asyncio_in_c_shows_its_namespace_alone():
    """Its free list is never read. Copies that `sys.modules` no longer has are recognised by their name."""
    assert asyncio.Future is not None
    module = sys.modules["_asyncio"]

    assert collector.get_referents(module) == [vars(module)]


COPY = """\
import asyncio, importlib, os, sys
from pytest_reloadleak.heap import collector
from pytest_reloadleak.holders.sweep import Root, Sweep
del sys.modules["_asyncio"]
copy = importlib.import_module("_asyncio")
assert collector.get_referents(copy) == [vars(copy)]
del sys.modules["_asyncio"]
entered = {id(o) for o in Sweep([[Root("test", "copy", "copy", [copy])]], {}, ()).entered()}
assert sys.version_info < (3, 12) or id(copy) not in entered
os._exit(0)
"""


def test_a_copy_is_guarded_as_well():
    """A forced reload of asyncio leaves such a copy. This runs in another process, since two copies are dangerous.

    Before 3.12 its classes do not lead to it, nor does it show its free list.
    """
    subprocess.run([sys.executable, "-c", COPY], check=True, timeout=60)


def test_everything_else_is_asked():
    """The same as the collector says."""
    for o in ([1, "a"], {"a": []}, sys, collector.get_referents, int):
        assert list(map(id, collector.get_referents(o))) == list(map(id, gc.get_referents(o)))


def test_asking_for_all_objects_keeps_none_of_them():
    """Before 3.11 the list of all objects would have the asking function's frame in it, and be kept by that."""

    class Thing:
        pass

    thing = Thing()
    seen = weakref.ref(thing)
    gc.collect()
    gc.disable()
    try:
        settle.tracked_count()
        list(lengths.every())
        del thing
        assert seen() is None
    finally:
        gc.enable()
