"""Rows 1 to 14 of the reload facts: cache clearing and reference graphs.

Each test first shows what Python does in the situation, and then what the tool reports or does.
"""

import gc
import importlib
import sys

import pytest
from row_sources import ACT, IN_PROCESS

from pytest_reloadleak import clear_cache
from pytest_reloadleak.strategies.dependencies import graph, import_records


def rebound(name, into):
    """Reload naively, and give the new function to the importers that are known."""
    sys.modules.pop(name, None)
    importlib.import_module(name)
    for importer in into:
        sys.modules[importer].act = sys.modules[name].act


def test_row_01_naive_deletion(place, found):
    """Row 01: naive `delete require.cache[id]`: nothing grows by it alone, and importers keep the old version."""
    place.load({"data": "import host\nTOKEN = host.token()\n", "plugin": ACT}, "data", "plugin")
    gc.collect()
    gc.disable()
    try:
        place.drop("data")
        assert len(place.host.tokens) == 2  # what is data only is freed at once
        place.drop("plugin")
        assert len(place.host.tokens) == 3  # a function is in a circle with its namespace, and waits
    finally:
        gc.enable()
    gc.collect()
    assert len(place.host.tokens) == 2
    assert place.check("plugin", strategy="decache").outcome == "clean"
    place.load({"importer": "from plugin import act\n"}, "importer")

    report = place.check("plugin", strategy="decache")

    assert found(report) == [("stale-reference", "bounded", "importer.act", "plugin.act")]
    assert report.findings[0].details == (
        "importer sees generation -1, sys.modules sees generation 3 of plugin",
    )


def test_row_02_retained_modules_by_the_hundred_thousand(place, found):
    """Row 02: 3.6 MB against 78.8 MB: naive reloads retain nothing, one line retains every namespace."""
    leaky = ACT + "host.kept.append(act)\n"
    place.load({"plugin": ACT, "leaky": leaky, "cured": ACT + "host.kept[:] = [act]\n"}, "plugin")
    for _ in range(200):
        place.drop("plugin")
    gc.collect()
    assert len(place.host.tokens) == 1

    report = place.check("leaky")

    assert found(report) == [("retained-generation", "growing", "host.kept[*]", "leaky.act")]
    assert report.findings[0].per_round == 1.0
    assert report.retained_generations == (-1, 0, 1)
    assert report.reason.startswith("3 old generations still alive after 3 reloads")
    assert place.check("cured").outcome == "clean"


def test_row_03_uncache_tree(place):
    """Row 03: `uncacheTree`: a package goes by its prefix, attributes and all, and what it depends on stays."""
    files = {
        "app.__init__": ACT + "from app import sub\n",
        "app.sub.__init__": ACT + "from app.sub import deep\n",
    }
    place.load({**files, "app.sub.deep": ACT + "import lib, json\n", "lib": ACT}, "app")
    libraries = sys.modules["lib"], sys.modules["json"]

    report = place.check("app", strategy="reimport")
    assert (report.outcome, report.not_reloaded) == ("clean", ("host", "lib"))
    assert place.host.ran == ["app", "app.sub", "app.sub.deep"] * 4
    cleared = clear_cache("app")

    assert (set(cleared.names), cleared.holders) == ({"app", "app.sub", "app.sub.deep"}, ())
    gc.collect()
    assert len(place.host.tokens) == 1  # that of `lib`
    assert (sys.modules["lib"], sys.modules["json"]) == libraries


def test_row_04_the_parent(place):
    """Row 04: `parent.children` splice: the package's attribute goes with the entry, and comes back with it."""
    fails = "if host.number == 1:\n    raise LookupError\n"
    place.load({"pkg.__init__": "", "pkg.sub": ACT + fails}, "pkg.sub")
    pkg, old = sys.modules["pkg"], sys.modules["pkg.sub"]
    place.host.number = 1

    assert place.check("pkg.sub", strategy="reimport").outcome == "error"
    assert pkg.sub is sys.modules["pkg.sub"] is old
    place.host.number = 0
    del sys.modules["pkg.sub"]
    names = {}
    exec("from pkg import sub", names)
    assert names["sub"] is old  # naively the attribute is found, and nothing is imported
    sys.modules["pkg.sub"] = old
    cleared = clear_cache("pkg.sub")

    assert cleared.names == ("pkg.sub",)
    assert not hasattr(pkg, "sub")
    exec("from pkg import sub", names)
    assert names["sub"] is sys.modules["pkg.sub"] is not old


@pytest.mark.parametrize("table", ["dict(sys.modules)", "{}"])
@pytest.mark.parametrize("strategy", [*IN_PROCESS, "alias"])
def test_row_05_the_table_is_replaced(strategy, table, place):
    """Row 05: `delete parent.children`: a target that replaces `sys.modules` is an error, and the table is put back."""
    ours = sys.modules
    place.load({"plugin": ACT + f"import sys\nif host.count() > 1:\n    sys.modules = {table}\n"}, "plugin")
    first = ours["plugin"]
    place.host.number = 0
    try:
        sys.modules = {name: m for name, m in ours.items() if name != "plugin"}
        names = {}
        exec("import plugin", names)
        assert names["plugin"] is first  # the statement ignores the new table
        assert importlib.import_module("plugin") is not first  # the function obeys it
    finally:
        sys.modules = ours
    place.host.number = 1

    report = place.check("plugin", strategy=strategy)

    assert report.outcome == "error"
    assert report.error.startswith("warm-up round 1: sys.modules was replaced by another table")
    assert sys.modules is ours
    assert sys.modules["plugin"] is first
    place.load({"cured": ACT + "import sys\nsys.modules = sys.modules\n"})
    assert place.check("cured", strategy=strategy).error is None


def test_row_06_decache(place, found):
    """Row 06: decache: passes as far as growth goes, and trips over the importer that still has the old child."""
    place.load({"child": ACT, "parent": "from child import act\n"})
    assert place.check("child", strategy="decache").outcome == "clean"
    importlib.import_module("parent")

    report = place.check("child", strategy="decache", rounds=6)

    assert found(report) == [("stale-reference", "bounded", "parent.act", "child.act")]
    assert place.check("child", strategy="cascade").outcome == "clean"


def test_row_07_the_first_parent_alone(place, found):
    """Row 07: clear-module: renewing the one importer that is known leaves the others, which are all listed."""
    importers = {"first": "from plugin import act\n", "second": "from plugin import act\n"}
    place.load({"plugin": ACT, **importers}, "plugin", *importers)

    def holders(*renewed):
        return sorted(f[2] for f in found(place.check("plugin", reload=lambda: rebound("plugin", renewed))))

    assert holders() == ["first.act", "second.act"]
    assert holders("first") == ["second.act"]
    assert holders("first", "second") == []


def test_row_08_the_second_parent(place, found):
    """Row 08: a second parent: it keeps exactly one old version, however many reloads: not `growing`."""
    place.load({"plugin": ACT, "second": "from plugin import act\n"}, "second")
    for _ in range(20):
        place.drop("plugin")
    gc.collect()
    assert len(place.host.tokens) == 2
    del sys.modules["second"]
    importlib.import_module("second")

    report = place.check("plugin", rounds=8)

    assert found(report) == [("stale-reference", "bounded", "second.act", "plugin.act")]
    assert (report.findings[0].per_round, len(report.retained_generations)) == (0.0, 1)
    place.load({"second": "def use():\n    from plugin import act\n    return act()\n"})
    del sys.modules["second"]
    importlib.import_module("second").use()
    assert place.check("plugin", rounds=8).outcome == "clean"


def test_row_09_every_parent(place):
    """Row 09: purge from every module: each importer is named; one that took a constant is known from its source."""
    importers = {
        "by_name": "from plugin import act\n",
        "by_module": "import plugin\n",
        "by_star": "from plugin import *\n",
        "by_constant": "from plugin import CONSTANT\n",
    }
    place.load({"plugin": ACT + "CONSTANT = 12345\n", **importers}, *importers)

    cleared = clear_cache("plugin")

    paths = {remaining.holder.path for remaining in cleared.holders}
    assert paths == {"by_name.act", "by_module.plugin", "by_star.act"}  # a number is no reference
    importlib.import_module("plugin")
    everybody = clear_cache("plugin", dependents=True)
    assert (set(everybody.names), everybody.holders) == ({"plugin", *importers}, ())


@pytest.mark.parametrize("strategy", IN_PROCESS)
@pytest.mark.parametrize("how", ["anew", "in place"])
def test_row_10_another_reloader(how, strategy, place):
    """Row 10: two tools in one process: what another one reloads between the rounds is noted, and nothing is lost."""
    place.load({"plugin": ACT}, "plugin")
    original = sys.modules["plugin"]

    def other():
        if how == "anew":
            place.drop("plugin")
        else:
            importlib.reload(sys.modules["plugin"])

    report = place.check("plugin", strategy=strategy, dispose=other)

    note = "plugin was reloaded between rounds by something other than the reload being checked"
    assert (report.outcome, report.notes) == ("clean", (note,))
    assert sys.modules["plugin"] is original
    assert place.check("plugin", strategy=strategy).notes == ()


@pytest.mark.parametrize("strategy", [*IN_PROCESS, "alias"])
def test_row_11_the_contract(strategy, place):
    """Row 11: what is documented: `reload` runs in the same dict, deletion in a new one, an alias by another name."""
    looks = "host.seen.append(('MARK' in globals(), __name__))\nMARK = True\n"
    place.load({"plugin": ACT + looks}, "plugin")
    module, namespace = sys.modules["plugin"], vars(sys.modules["plugin"])
    place.host.seen.clear()

    place.check("plugin", strategy=strategy)

    expected = {"reload": (True, "plugin"), "alias": (False, "plugin__alias1")}
    assert place.host.seen[0] == expected.get(strategy, (False, "plugin"))
    assert sys.modules["plugin"] is module
    assert vars(module) is namespace


@pytest.mark.parametrize("strategy", IN_PROCESS)
def test_row_12_a_finalizer_of_the_module(strategy, place, found):
    """Row 12: a cache that notifies: `weakref.finalize` on the module disposes, but never under `reload`."""
    tidy = "import sys, weakref\nhost.kept.append(act)\n"
    tidy += "weakref.finalize(sys.modules[__name__], host.kept.remove, act)\n"
    place.load({"fact": ACT + tidy, "plugin": ACT + tidy}, "fact")
    importlib.reload(sys.modules["fact"])
    assert len(place.host.kept) == 2
    holding = sys.modules.pop("fact")
    assert len(place.host.kept) == 2
    del holding
    assert place.host.kept == []

    report = place.check("plugin", strategy=strategy)

    if strategy != "reload":
        assert (report.outcome, place.host.kept) == ("clean", [])
        return
    assert found(report)[0] == ("registration", "growing", "weakref.finalize", "plugin.act")
    assert "until the object that it watches dies" in report.findings[0].advice


def test_row_13_nested_dependents(place):
    """Row 13: nested dependents: `cascade` climbs to whoever depends, by a made-up name too; libraries stay."""
    late = (
        "import host, importlib\nhost.seen.append(('late', importlib.import_module('row13' + '_c').VALUE))\n"
    )
    files = {
        "row13_c": "import host, json\nVALUE = host.count()\n",
        "row13_b": "from row13_c import VALUE\n",
        "row13_a": "import host\nfrom row13_b import VALUE\nhost.seen.append(('a', VALUE))\n",
        "row13_late": late,
    }
    json = importlib.import_module("json")
    import_records.start()
    try:
        place.load(files, "row13_a", "row13_late")
        place.check("row13_c", strategy="reimport")
        assert (place.host.number > 1, place.host.seen) == (True, [("a", 1), ("late", 1)])
        place.host.seen.clear()
        place.host.number = 10
        report = place.check("row13_c", strategy="cascade")
    finally:
        import_records.stop()

    assert report.outcome == "clean"
    values = [11, 12, 13, 14]
    assert sorted(place.host.seen) == [("a", v) for v in values] + [("late", v) for v in values]
    assert "json" in report.not_reloaded
    assert sys.modules["json"] is json


@pytest.mark.parametrize("strategy", IN_PROCESS)
def test_row_14_a_circle(strategy, place):
    """Row 14: circular dependencies: each module of a circle runs once per round; a large circle is no recursion."""
    circle = {"app.one": "import app.two\n", "app.two": "import app.three\n", "app.three": "import app.one\n"}
    files = {name: ACT + line for name, line in circle.items()}
    place.load({"app.__init__": "from app import one\n", **files}, "app")

    report = place.check("app", strategy=strategy)

    assert report.outcome == "clean"
    assert sorted(place.host.ran) == sorted(list(circle) * 4)
    many = 5000
    edges = {str(n): [str((n + 1) % many)] for n in range(many)}
    assert [len(island) for island in graph.islands(list(edges), edges)] == [many]
