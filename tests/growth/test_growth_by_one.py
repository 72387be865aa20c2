"""One object more per reload: a leak if the target's own code puts it there, else a note of the host's."""

from __future__ import annotations

import ctypes
import gc
import importlib
import sys
import threading

import pytest
from cases import run
from cases.growing import HOST, TWINS

from pytest_reloadleak import measure_reload

ROUNDS = 3
WAYS = ("reimport", "reload", "callable")


def measured(tmp_path, body, way, host=HOST, rounds=ROUNDS):
    """The report on a module with this body, reloaded in one of the ways."""
    run.write(tmp_path, {"host": host, "plugin": f"import host\n{body}\n"})
    if "map" in body:
        give_back()
    with run.importable(tmp_path):
        importlib.import_module("host")
        if way != "callable":
            return measure_reload("plugin", strategy=way, rounds=rounds)
        importlib.import_module("plugin")
        return measure_reload("plugin", reload=sys.modules["host"].reload, rounds=rounds)


def give_back():
    """Let the process give back what other tests used: while it shrinks, mapped memory of a target does not show."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("body", "cured", "kind", "path"), TWINS.values(), ids=TWINS)
def test_what_the_targets_code_puts_there_is_a_leak(body, cured, kind, path, way, tmp_path):
    """From the first object on, and whatever it is: with the container, if one grows, and the line."""
    del cured
    report = measured(tmp_path, body, way)

    found = [(f.kind, f.growth, f.holder.path if f.holder is not None else "") for f in report.findings]
    assert found == [(kind, "growing", path)]
    (finding,) = report.findings
    if path:
        assert finding.per_round == 1.0
    assert (finding.site.file, finding.site.code) == (str(tmp_path / "plugin.py"), body.splitlines()[-1])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("body", "cured", "kind", "path"), TWINS.values(), ids=TWINS)
def test_what_takes_the_place_of_the_one_before_is_clean(body, cured, kind, path, way, tmp_path):
    """The twin leaves as much, and never more."""
    del body, kind, path
    report = measured(tmp_path, cured, way)

    assert (report.outcome, report.findings, report.error) == ("clean", (), None)


@pytest.mark.parametrize(
    "note",
    [
        "host.kept.append([])",
        "host.kept.append([[] for _ in range(80)])",
        "host.names[next(host.count)] = host.Thing()",
        "host.lookup(next(host.count))",
        "host.kept.append('x' * 50_000 + str(next(host.count)))",
    ],
)
def test_what_the_host_notes_by_itself_is_no_leak(note, tmp_path):
    """A host that keeps a record of each reload does so while no code of the target runs; what was seen is a note."""
    host = HOST + f"\ndef reload(load=reload):\n    import host\n    load()\n    {note}\n"
    report = measured(tmp_path, "x = 1", "callable", host)

    assert (report.outcome, report.findings) == ("clean", ())
    (text,) = [text for text in report.notes if "other code adds" in text]
    assert text.startswith(("host.kept[*] grew", "host.names[*] grew", "host.lookup<cache entry>[*] grew"))


LOGS = {
    "constants": ("host.kept.append('weather disposed')", "host.kept.append([])"),
    "texts": ("host.kept.append(f'{__name__} {id(object())}')", "host.kept.append({'name': __name__})"),
    "pairs": ("host.kept += [(__name__, 1), (__name__, 2)]", "host.kept.append((__name__, []))"),
    "numbers": ("host.kept.append(id(object()))", "host.kept.append('x' * 20_000 + str(id(object())))"),
}


@pytest.mark.parametrize("log", LOGS)
def test_a_log_of_short_texts_and_numbers_is_a_note(log, tmp_path):
    """Plugins write into their host's logs; one object, or a long text, per reload is a leak all the same."""
    body, leaking = LOGS[log]
    report = measured(tmp_path, body, "reimport")
    assert report.outcome == "clean"
    assert measured(tmp_path, leaking, "reimport").outcome == "leaking"


def test_a_host_that_the_target_calls_is_charged_to_the_line_that_calls(tmp_path):
    """`register()` appends in a frame of the host's, below a line of the target's."""
    host = HOST + "\ndef register(name):\n    kept.append([name])\n"
    report = measured(tmp_path, "def setup():\n    host.register('plugin')\nsetup()", "reimport", host)

    (finding,) = report.findings
    assert (finding.site.line, finding.site.code) == (3, "host.register('plugin')")


@pytest.mark.parametrize("way", ["reimport", "reload"])
def test_an_item_that_another_line_makes_is_one_leak(way, tmp_path):
    """The line that puts it into the container is the one to change, not the one that allocates it."""
    report = measured(tmp_path, "item = [[] for _ in range(40)]\nhost.spare.append(item)\ndel item", way)

    assert [(f.holder.path, f.site.line) for f in report.findings] == [("host.spare[*]", 3)]


def test_an_item_in_several_containers_is_told_for_each(tmp_path):
    """A host that finds it by name, by time and in order has it in three places, and each must release it."""
    body = "item = [[] for _ in range(40)]\nhost.spare.append(item)\nhost.seen.add(id(item))\nhost.kept.append(item)"
    report = measured(tmp_path, body, "reimport")

    assert [f.holder.path for f in report.findings] == ["host.kept[*]", "host.spare[*]", "host.seen[*]"]


def test_two_lines_that_fill_two_containers_are_two_leaks(tmp_path):
    """Each has its own line."""
    report = measured(tmp_path, "host.spare.append([])\nhost.names[next(host.count)] = []", "reload")

    assert [(f.holder.path, f.site.line) for f in report.findings] == [
        ("host.names[*]", 3),
        ("host.spare[*]", 2),
    ]


def test_what_another_thread_adds_meanwhile_is_not_the_targets(tmp_path):
    """Even if it does so while the target's code runs."""
    stop = threading.Event()
    kept = []

    def fill():
        while not stop.wait(0.0002):
            kept.append([])

    thread = threading.Thread(target=fill)
    thread.start()
    try:
        report = measured(tmp_path, "import time\ntime.sleep(0.01)\nx = 1", "reimport")
    finally:
        stop.set()
        thread.join()

    assert (report.outcome, report.findings) == ("clean", ())


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="coverage and debuggers trace beside a tool of ours")
def test_where_somebody_traces_the_allocations_tell(tmp_path):
    """The trace function of a debugger stays; what is allocated by a line of the target is known without one."""

    def trace(*_):
        return None

    sys.settrace(trace)
    try:
        report = measured(tmp_path, "host.spare.append([])", "reimport")
        assert sys.gettrace() is trace
    finally:
        sys.settrace(None)

    assert [(f.holder.path, f.site.line) for f in report.findings] == [("host.spare[*]", 2)]


@pytest.mark.parametrize("body", ["host.spare.append([])", "x = 1"])
def test_nothing_traces_after_a_check(body, tmp_path):
    """Neither a trace function nor a tool of `sys.monitoring` is left."""
    measured(tmp_path, body, "reimport")

    assert sys.gettrace() is None
    if sys.version_info >= (3, 12):
        assert [sys.monitoring.get_tool(n) for n in (3, 4)] == [None, None]


KEPT = "def f(): pass\nif 'Kept' not in globals():\n    class Kept: pass\n"


@pytest.mark.parametrize(
    ("body", "paths"), [("append(Kept())", ["host.kept[*]"]), ("__setitem__(0, Kept())", [])]
)
def test_instances_of_a_class_that_a_reloader_keeps_are_data(body, paths, tmp_path):
    """As limeade does: the class stays the same, so that no instance belongs to an old generation."""
    host = HOST + "\nkept.append(None)\n"
    report = measured(tmp_path, f"{KEPT}host.kept.{body}", "reload", host)

    assert [f.holder.path for f in report.findings] == paths
    assert [f.kind for f in report.findings] == ["object-growth"] * len(paths)


MAKES = {
    "instance": "host.kept.append(plugin.Kept())",
    "partial": "host.kept.append(functools.partial(len, plugin.Kept()))",
    "entry": "host.kept.append({'plugin': plugin.Kept()})",
    "value": "host.names[next(host.count)] = plugin.Kept()",
}


def reloads_in_place(fill):
    """A host that executes the target again in its namespace, and then fills one of its containers."""
    return (
        f"{HOST}\nimport functools, importlib, sys\ndef reload():\n    import host, plugin\n"
        f"    importlib.reload(plugin)\n    {fill}\n"
    )


@pytest.mark.parametrize("fill", MAKES.values(), ids=MAKES)
@pytest.mark.parametrize("is_near", [True, False])
def test_instances_that_the_host_makes_are_the_targets(is_near, fill, tmp_path):
    """Whoever makes them, and whether or not a name of the target leads to who holds them."""
    body = KEPT.replace("pass\n", "pass\n" if is_near else "pass\nhost = None\n", 1)
    report = measured(tmp_path, body, "callable", reloads_in_place(fill))

    path = "host.names[*]" if "names" in fill else "host.kept[*]"
    assert [(f.kind, f.growth, f.per_round, f.holder.path) for f in report.findings] == [
        ("object-growth", "growing", 1.0, path)
    ]


@pytest.mark.parametrize(
    "fill",
    [
        "host.kept[:] = [plugin.Kept()]",
        "host.names[0] = plugin.Kept()",
        "host.kept.append({'plugin': plugin.only})",
        "host.kept.append([plugin.Kept])",
    ],
)
def test_one_instance_or_class_of_the_target_is_no_leak(fill, tmp_path):
    """What the host notes may name the one plugin that there is."""
    body = f"{KEPT}if 'only' not in globals():\n    only = Kept()\n"
    report = measured(tmp_path, body, "callable", reloads_in_place(fill))

    assert (report.outcome, report.findings) == ("clean", ())
