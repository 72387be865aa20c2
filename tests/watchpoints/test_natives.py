"""The line that gave an object to C code: no container gains an item, only a reference count rises."""

from __future__ import annotations

import pytest
from watchpoints.test_lines import lines, marked, measured

HOST = """\
import itertools, sqlite3

db = sqlite3.connect(":memory:")
names = map("f{}".format, itertools.count())

def give(function):
    db.create_function(next(names), 1, function)

def stop():
    db.close()
"""
GIVEN = {
    "a function": "on_event",
    "a bound method": "Plugin().on_event",
    "an instance": "Plugin()",
    "a partial": "functools.partial(on_event)",
    "a lambda": "kept",
    "a function of a function": "made()",
}
PLUGIN = """\
import functools
import host

def on_event(*args): pass

class Plugin:
    def on_event(self, *args): pass
    def __call__(self, *args): pass

kept = lambda *args: None

def made():
    def inner(*args): pass
    return inner

other = {given}
listed = [other, other]
del other, listed

def start():
    function = on_event
    str(function)
    host.give({given})  # leak here
    function = None

start()
"""


@pytest.mark.parametrize("given", GIVEN)
def test_the_line_is_named(given, tmp_path):
    """Other references to the same object, in locals and containers, come and go on the way."""
    report = measured(tmp_path, PLUGIN.format(given=GIVEN[given]), HOST)

    assert report.findings[0].holder.root == "native"
    assert lines(report) == marked(tmp_path)


def test_locals_keep_their_values(tmp_path):
    """Up to 3.12 a trace function that reads the locals of its frame may change them."""
    plugin = """\
        import host

        def on_event(*args): pass

        def start():
            first, second = on_event, [1]
            host.give(first)  # leak here
            second = None
            assert first is on_event
            assert second is None

        start()
        """
    report = measured(tmp_path, plugin, HOST)

    assert (report.outcome, report.error) == ("leaking", None)
    assert lines(report) == marked(tmp_path)
