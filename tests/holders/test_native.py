"""What C code holds: the type of the object that it holds tells which library that is."""

import importlib
import textwrap
from typing import Any

import pytest
from cases import run

# A class without functions looks like the type of an extension module.
IN_C = """
    import ctypes

    class Slot:
        __slots__ = ("function",)

    def connect(function):
        slot = Slot()
        slot.function = function
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(slot))
        return slot

    current = connect(None)
"""
GREENLETS = """
    import greenlet

    kept = []

    def wait(*args):
        greenlet.getcurrent().parent.switch()

    def start(function):
        made = greenlet.greenlet(function)
        made.switch()
        return made
"""
WAITING = """
    import host

    def poll():
        host.wait()
"""


@pytest.fixture
def program(tmp_path):
    """Write modules and import those that are named."""
    with run.importable(tmp_path):

        def write(*loaded, **modules):
            run.write(tmp_path, modules)
            return [importlib.import_module(name) for name in loaded]

        yield write


def found(report: Any) -> list[tuple[str, str, str, str, str]]:
    """Kind, growth, path and type of the holder, and name of the held object."""
    return [(f.kind, f.growth, f.holder.path, f.holder.type, f.held.name) for f in report.findings]


@pytest.mark.parametrize("strategy", run.WAYS)
def test_the_type_of_what_c_code_holds_is_named(strategy, program):
    """The connected slot of a library: nothing but C refers to it."""
    plugin = "import host\n\ndef poll(): ...\n\n"
    program("host", host=textwrap.dedent(IN_C), plugin=plugin + "host.connect(poll)\n")

    report = run.check("plugin", strategy, 3)

    assert found(report) == [
        ("retained-generation", "growing", "native host.Slot.function", "host.Slot", "plugin.poll")
    ]
    assert report.findings[0].trace[:2] == ("native host.Slot", ".function")


@pytest.mark.parametrize("strategy", run.WAYS)
def test_a_slot_that_is_connected_again_is_clean(strategy, program):
    """The same slot with the newest generation alone."""
    plugin = "import host\n\ndef poll(): ...\n\n"
    program("host", host=textwrap.dedent(IN_C), plugin=plugin + "host.current.function = poll\n")

    report = run.check("plugin", strategy, 3)

    assert (report.outcome, report.findings) == ("clean", ())


HOLDING = """
    import ctypes
    last = []

    def hold(o):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(o))

    def hold_this_only(o):
        if last:
            ctypes.pythonapi.Py_DecRef(ctypes.py_object(last.pop()))
        hold(o)
        last.append(o)

    def wrap(function):
        return lambda: function()
"""
HELD_IN_C = {
    "bound method": ("callback = Poll().poll", "native", "method", "plugin.Poll.poll"),
    "bound method in a list": ("callback = [Poll().poll][0]", "native", "method", "plugin.Poll.poll"),
    "partial": ("callback = functools.partial(poll, 1)", "native", "functools.partial", "plugin.poll"),
    "function": ("callback = poll", "native", "function", "plugin.poll"),
    "closure of the host's": (
        "callback = host.wrap(poll)",
        "native.__closure__['function']",
        "function",
        "plugin.poll",
    ),
}
POLLING = """
    import functools
    import host

    def poll(*args): ...

    class Poll:
        def poll(self): ...

"""


@pytest.mark.parametrize("strategy", run.WAYS)
@pytest.mark.parametrize("what", HELD_IN_C)
def test_what_c_code_holds_is_named_although_the_namespace_leads_to_it_too(what, strategy, program):
    """It is named with its file and line, not as some namespace."""
    line, path, kind, name = HELD_IN_C[what]
    plugin = f"{textwrap.dedent(POLLING)}{line}\nhost.hold(callback)\n"
    program("host", host=textwrap.dedent(HOLDING), plugin=plugin)

    report = run.check("plugin", strategy, 3)

    assert [(f.kind, f.growth, f.holder.path, f.held.type, f.held.name) for f in report.findings] == [
        ("retained-generation", "growing", path, kind, name)
    ]
    assert report.findings[0].held.line is not None


@pytest.mark.parametrize("strategy", run.WAYS)
@pytest.mark.parametrize("what", HELD_IN_C)
def test_what_c_code_lets_go_is_clean(what, strategy, program):
    """C code holds the newest one alone."""
    plugin = f"{textwrap.dedent(POLLING)}{HELD_IN_C[what][0]}\nhost.hold_this_only(callback)\n"
    program("host", host=textwrap.dedent(HOLDING), plugin=plugin)

    report = run.check("plugin", strategy, 3)

    assert (report.outcome, report.findings) == ("clean", ())


@pytest.mark.parametrize("strategy", run.WAYS)
def test_a_waiting_greenlet_is_named(strategy, program):
    """Once it has started, it shows the collector neither its attributes nor its stack."""
    pytest.importorskip("greenlet")
    line = "host.kept.append(host.start(poll))\n"
    program("host", host=textwrap.dedent(GREENLETS), plugin=textwrap.dedent(WAITING) + line)

    report = run.check("plugin", strategy, 3)

    assert found(report) == [
        (
            "retained-generation",
            "growing",
            "host.kept[*]<in greenlet.greenlet>",
            "greenlet.greenlet",
            "plugin.poll",
        )
    ]


@pytest.mark.parametrize("strategy", run.WAYS)
def test_a_greenlet_that_only_c_code_holds_is_named(strategy, program):
    """As a loop in C holds those that wait."""
    pytest.importorskip("greenlet")
    line = "import ctypes\nctypes.pythonapi.Py_IncRef(ctypes.py_object(host.start(poll)))\n"
    program("host", host=textwrap.dedent(GREENLETS), plugin=textwrap.dedent(WAITING) + line)

    report = run.check("plugin", strategy, 3)

    assert [(f.growth, f.holder.root, f.holder.path, f.holder.type) for f in report.findings] == [
        ("growing", "native", "native greenlet.greenlet<in greenlet.greenlet>", "greenlet.greenlet")
    ]


@pytest.mark.parametrize("strategy", run.WAYS)
def test_a_greenlet_that_is_replaced_is_clean(strategy, program):
    """The previous one ends, as nobody refers to it."""
    pytest.importorskip("greenlet")
    line = "host.kept[:] = [host.start(poll)]\n"
    program("host", host=textwrap.dedent(GREENLETS), plugin=textwrap.dedent(WAITING) + line)

    report = run.check("plugin", strategy, 3)

    assert (report.outcome, report.findings) == ("clean", ())
