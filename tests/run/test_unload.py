"""The final-unload check: what each generation overwrites looks clean in a loop, and pins the last one for ever."""

from __future__ import annotations

import pytest
from cases import run
from cases.edges import source

from pytest_reloadleak import measure_reload

ROUNDS = 3
BOTH = ("reimport", "reload")

SLOTS = {
    "attribute of a host": ("host.current = on_event", "retained-generation", "host.current"),
    "key of a host's dict": (
        "host.table['plugin'] = on_event",
        "retained-generation",
        "host.table['plugin']",
    ),
    "attribute of the library": (
        "import json\njson.reloadleak_case = on_event",
        "patched-global",
        "json.reloadleak_case",
    ),
    "thread": (
        "import threading\nhost.replace(threading.Thread(target=wait, daemon=True, name='waiter'))",
        "live-thread",
        "thread 'waiter' (daemon)",
    ),
}

HOST = """\
import threading

current = None
table = {}
told = threading.Event()
thread = None

def replace(new):
    global thread, told
    if thread is not None:
        told.set()
        thread.join()
    told = threading.Event()
    thread = new
    new.start()

def stop():
    global current
    if thread is not None:
        told.set()
        thread.join()
"""
PLUGIN = """\
import host

def on_event(*args):
    pass

def wait():
    host.told.wait(60)

"""


@pytest.fixture
def program(tmp_path):
    """A directory for modules, importable within the test; afterwards nothing of it is left."""
    import json
    import sys

    with run.importable(tmp_path):
        try:
            yield tmp_path
        finally:
            if "host" in sys.modules:
                sys.modules["host"].stop()
            vars(json).pop("reloadleak_case", None)


def measured(directory, line, strategy, *, unload):
    """The report of a target whose last line is `line`."""
    run.write(directory, {"host": HOST, "plugin": PLUGIN + source(line)})
    return measure_reload("plugin", strategy=strategy, rounds=ROUNDS, unload=unload)


@pytest.mark.parametrize("strategy", BOTH)
@pytest.mark.parametrize("slot", SLOTS)
def test_a_slot_pins_the_last_generation(slot, strategy, program):
    """What is clean as long as it is reloaded is found when the target is unloaded, by name, and does not grow."""
    line, kind, path = SLOTS[slot]

    report = measured(program, line, strategy, unload=True)

    (finding,) = report.findings
    assert (finding.kind, finding.growth, finding.generations) == (kind, "bounded", (ROUNDS,))
    assert finding.holder.path == path
    assert "unloaded for good" in finding.advice


@pytest.mark.parametrize("strategy", BOTH)
@pytest.mark.parametrize("slot", SLOTS)
def test_without_the_unload_check_a_slot_is_clean(slot, strategy, program):
    """Each generation overwrites the one before it."""
    report = measured(program, SLOTS[slot][0], strategy, unload=False)

    assert (report.outcome, report.findings) == ("clean", ())


@pytest.mark.parametrize("strategy", BOTH)
def test_what_keeps_nothing_can_be_unloaded(strategy, program):
    """Functions, classes and instances of the last generation that nobody else has are no finding."""
    report = measured(
        program,
        """
            class Plugin:
                def act(self):
                    pass
            plugin = Plugin()
            plugin.itself = plugin
        """,
        strategy,
        unload=True,
    )

    assert (report.outcome, report.findings) == ("clean", ())


@pytest.mark.parametrize("strategy", BOTH)
def test_what_grows_is_not_told_twice(strategy, program):
    """A leak that the rounds have shown already is not shown again by the unload check."""
    report = measured(program, "host.table[len(host.table)] = on_event", strategy, unload=True)

    (finding,) = report.findings
    assert (finding.kind, finding.growth) == ("retained-generation", "growing")


@pytest.mark.parametrize("strategy", BOTH)
def test_a_target_that_was_loaded_before_is_so_afterwards(strategy, program):
    """The original module comes back, with its namespace and all that was in it."""
    import importlib
    import sys

    run.write(program, {"host": HOST, "plugin": PLUGIN})
    original = importlib.import_module("plugin")
    contents = dict(vars(original))

    measure_reload("plugin", strategy=strategy, rounds=ROUNDS, unload=True)

    assert sys.modules["plugin"] is original
    assert {k: v for k, v in vars(original).items() if contents.get(k) is not v} == {}
