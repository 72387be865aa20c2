"""Graphs of findings: the way from the root to the old generations, in a language that Graphviz reads."""

from __future__ import annotations

import copy
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET

import pytest

from pytest_reloadleak.report import graphs

CHECK = {
    "target": "app.weather",
    "strategy": "reimport",
    "nodeid": "a::b",
}
FINDING = {
    "kind": "retained-generation",
    "signature": "0123abcd",
    "generations": [-1, 0, 1],
    "holder": {"root": "sys.modules", "path": "app.bus.listeners[*]", "type": "list"},
    "held": {
        "type": "function",
        "name": "app.weather.on_event",
        "file": "/project/app/weather.py",
        "line": 31,
    },
    "trace": ["sys.modules['app.bus']", ".listeners", "[*]", "function app.weather.on_event", ".__globals__"],
    "also_retains": ["open-fd: fd * file a.log"],
    "cut_at": None,
}

needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")


def drawn(**changes):
    """The graph of the finding with some fields changed."""
    return graphs.dot(CHECK, {**copy.deepcopy(FINDING), **changes})


def edges(dot):
    """From, to and attributes of each edge."""
    return re.findall(r"^  (\w+) -> (\w+)(?: \[(.*)\])?;$", dot, re.MULTILINE)


def nodes(dot):
    """The label of each node by its name."""
    return dict(re.findall(r'^  (\w+) \[label="((?:[^"\\]|\\.)*)"', dot, re.MULTILINE))


def test_the_way_leads_from_the_root_to_each_generation():
    """Root, holder, held object and generations are nodes; the reference to remove is red."""
    dot = drawn()

    assert nodes(dot) == {
        "graph": "app.weather (reimport): retained-generation 0123abcd",
        "n0": r"sys.modules['app.bus']\n(root)",
        "n1": r"app.bus.listeners\nholder: list",
        "held": r"function app.weather.on_event\nweather.py:31",
        "g_1": "generation -1",
        "g0": "generation 0",
        "g1": "generation 1",
        "also": r"keeps as well:\nopen-fd: fd * file a.log",
    }
    ways = [(start, end) for start, end, _ in edges(dot)]
    assert ways == [
        ("n0", "n1"),
        ("n1", "held"),
        ("held", "g_1"),
        ("held", "g0"),
        ("held", "g1"),
        ("held", "also"),
    ]
    assert [(start, end) for start, end, look in edges(dot) if "#c62828" in look] == [("n1", "held")]


def test_the_reference_that_was_cut_is_the_red_one():
    """The trial removal may have cut a reference nearer to the root."""
    red = [(start, end) for start, end, look in edges(drawn(cut_at=1)) if "#c62828" in look]

    assert red == [("n0", "n1")]


def test_an_effect_is_a_root_that_holds():
    """The trace of a thread is its name and what it runs."""
    dot = drawn(
        kind="live-thread",
        holder={"root": "thread", "path": "thread 'poller'", "type": "threading.Thread"},
        trace=["thread 'poller'", "function app.weather.on_event"],
    )

    assert nodes(dot)["n0"] == r"thread 'poller'\n(root)\nholder: threading.Thread"
    assert [(start, end) for start, end, look in edges(dot) if "#c62828" in look] == [("n0", "held")]


def test_growth_without_a_holder_is_one_node():
    """Nothing is known but the kind."""
    dot = drawn(kind="object-growth", holder=None, held=None, trace=[], generations=[], also_retains=[])

    assert nodes(dot)["n0"] == r"object-growth\n(root)"
    assert edges(dot) == []


def test_a_large_graph_is_cut_to_forty_nodes():
    """The middle of a long way and most of many generations are left out, with their number."""
    trace = [
        "sys.modules['a']",
        *(f".step{n}" for n in range(100)),
        "function app.weather.on_event",
        ".__globals__",
    ]

    dot = drawn(trace=trace, generations=list(range(300)), also_retains=["more"] * 50)

    assert len(nodes(dot)) - 1 <= 40
    assert "... 80 more steps ..." in dot
    assert r"294 more generations,\nup to 299" in dot


HOSTILE = ('a"b', "a\\", 'a\\"];}', "<b>&amp;</b>", "a\nb", "\x00\x1b[31m", "\ud800", "ä" * 500, "{a|b}", "")


@needs_dot
@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_makes_a_graph_that_can_be_drawn(name):
    """Quotes, backslashes, markup and control characters stay text of a label."""
    held = {"type": name, "name": name, "file": name, "line": 1}
    holder = {"root": name, "path": name, "type": name}
    dot = drawn(held=held, holder=holder, trace=[name, name, f".{name}", name], also_retains=[name])

    done = subprocess.run(["dot", "-Tsvg"], input=dot.encode(), capture_output=True, check=True, timeout=60)

    drawing = ET.fromstring(done.stdout)
    assert len([node for node in drawing.iter() if node.get("class") == "node"]) == len(nodes(dot)) - 1


@needs_dot
def test_a_drawing_is_readable_at_1200_pixels():
    """The widest graph is no wider, so no browser shrinks its text."""
    long = "application.package.subpackage.module.with_a_long_name.Class.method"
    trace = [f"sys.modules['{long}']", *([f".{long}"] * 10), "[*]", f"function {long}", ".__globals__"]
    held = {"type": "function", "name": long, "file": f"/x/{long}.py", "line": 12345}
    dot = drawn(trace=trace, held=held, generations=list(range(100)), also_retains=[f"open-fd: {long}"] * 5)

    done = subprocess.run(["dot", "-Tsvg"], input=dot.encode(), capture_output=True, check=True, timeout=60)

    points = int(re.search(rb'<svg width="(\d+)pt"', done.stdout)[1])
    assert points * 96 / 72 <= 1200


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("app.weather", "app.weather-reimport-0123abcd"),
        ("../../etc/passwd", "_.._etc_passwd-reimport-0123abcd"),
        ("bokeh_app_*", "bokeh_app__-reimport-0123abcd"),
        ("a" * 500, f"{'a' * 100}-0123abcd"),
    ],
)
def test_the_name_of_a_file_stays_in_its_directory(target, name):
    """What no file system takes is replaced, and a long name is cut."""
    assert graphs.name_of({**CHECK, "target": target}, FINDING) == name


@pytest.mark.parametrize(
    ("trace", "holder"),
    [
        (["sys.modules['host']", ".part", ".raw"], "host.part.raw"),
        (["sys.modules['host']", ".raw"], "host.raw"),
        (["sys.modules['host']", ".part", ".items", "[*]"], "host.part.items"),
    ],
)
def test_what_grows_is_the_holder(trace, holder):
    """A list has items, and a buffer has none: the holder is the container in both."""
    changes = {"kind": "memory-growth", "held": None, "generations": [], "also_retains": []}
    dot = drawn(trace=trace, holder={"root": "sys.modules", "path": holder, "type": "C"}, **changes)

    assert [label for label in nodes(dot).values() if "holder" in label] == [rf"{holder}\nholder: C"]
