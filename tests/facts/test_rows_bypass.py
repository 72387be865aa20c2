"""Rows 20 to 28 of the reload facts: bypassing the cache, what is not to be reloaded, and what is reloaded as one."""

import importlib
import importlib.machinery
import importlib.util
import sys

import pytest
from row_sources import ACT, IN_PROCESS, SINGLE
from support import extension_in

from pytest_reloadleak import UsageError, clear_cache, measure_reload
from pytest_reloadleak.report.audit import audit
from pytest_reloadleak.report.jsonfile import to_dict


def test_row_20_cache_busting(place):
    """Row 20: a cache-busting query: every version stays, by a loop of the program's and by `alias`, and is counted."""
    place.load({"dep": ACT})

    def bust():
        name = f"dep_{place.host.count()}"
        spec = importlib.util.spec_from_file_location(name, place.directory / "dep.py")
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])

    for _ in range(20):
        bust()
    assert len(place.host.tokens) == len([name for name in sys.modules if name.startswith("dep_")]) == 20
    by_loop = place.check("dep_*", reload=bust)
    by_alias = place.check("dep", strategy="alias")

    for report, held in ((by_loop, "dep_*"), (by_alias, "dep__alias*")):
        (finding,) = report.findings
        assert (finding.kind, finding.registry, finding.growth) == ("registration", "sys.modules", "growing")
        assert (finding.per_round, finding.held.name) == (1.0, held)
    assert place.check("dep", strategy="reimport").outcome == "clean"


@pytest.mark.parametrize("strategy", [*IN_PROCESS, "alias"])
def test_row_21_transitive_staleness(strategy, place):
    """Row 21: transitive staleness: own state starts again and a dependency's goes on, which `not_reloaded` says."""
    counts = (
        "import dep\ncounter = 0\n\ndef count():\n    global counter\n    counter += 1\n    return counter\n"
    )
    counts += "host.seen.append((count(), dep.count()))\n"
    depends = ACT + "total = 0\n\ndef count():\n    global total\n    total += 1\n    return total\n"
    place.load({"dep": depends, "plugin": ACT + counts}, "plugin")

    report = place.check("plugin", strategy=strategy)

    first, second = zip(*place.host.seen, strict=True)
    assert set(first) == {1}
    assert list(second) == list(range(1, len(second) + 1))
    assert len(second) > 4
    if strategy != "cascade":  # which is for dependents, and names no first-party dependency
        assert {"dep", "host"} <= set(report.not_reloaded)
    place.load({"plugin": ACT})
    del sys.modules["plugin"]
    assert "dep" not in place.check("plugin", strategy=strategy).not_reloaded


def test_row_22_contagion(place):
    """Row 22: busting must be contagious: relative imports follow the name; a prefix has absolute ones too."""
    place.load(
        {
            "near.__init__": "from . import sub\n",
            "near.sub": ACT,
            "far.__init__": "from far import sub\n",
            "far.sub": ACT,
        },
        "near",
        "far",
    )

    near, far = place.check("near", strategy="alias"), place.check("far", strategy="alias")

    assert place.host.ran == [f"near__alias{n}.sub" for n in range(1, len(place.host.ran) + 1)]
    assert [f.per_round for f in near.findings] == [2.0]  # the package and its submodule
    assert [f.per_round for f in far.findings] == [1.0]
    assert "far.sub" in far.not_reloaded
    assert "near.sub" not in near.not_reloaded
    for name in ("near", "far"):
        place.host.ran.clear()
        report = place.check(name, strategy="reimport")
        assert (report.outcome, place.host.ran) == ("clean", [f"{name}.sub"] * 4)
        assert f"{name}.sub" not in report.not_reloaded


@pytest.mark.parametrize("strategy", IN_PROCESS)
def test_row_23_no_unload_api(strategy, place):
    """Row 23: no unload API: the table is open; what cannot be unloaded, an extension module, is refused or kept."""
    name = extension_in(place.directory / "app")
    place.load({"app.__init__": f"from app import {name}\n", "app.plain": ACT}, "app", "app.plain")
    kept = sys.modules[f"app.{name}"]

    report = place.check("app", strategy=strategy)

    assert report.outcome == "clean"
    assert f"app.{name}" in report.not_reloaded
    assert "app.plain" not in report.not_reloaded
    for refused in (place.check, clear_cache):
        with pytest.raises(UsageError, match="an extension module, which Python cannot execute again"):
            refused(f"app.{name}")
    assert set(clear_cache("app").names) == {"app", "app.plain"}
    assert sys.modules[f"app.{name}"] is kept


@pytest.mark.parametrize("strategy", SINGLE)
def test_row_24_static_parents(strategy, place, found):
    """Row 24: a static parent keeps one old instance: bounded by their number; importing when used keeps none."""
    static = {f"static{n}": "from plugin import act\n" for n in range(3)}
    dynamic = {"dynamic": "def use():\n    from plugin import act\n    return act()\n"}
    place.load({"plugin": ACT, "leaky": ACT + "host.kept.append(act)\n", **static, **dynamic}, *dynamic)
    sys.modules["dynamic"].use()
    assert place.check("plugin", strategy=strategy).outcome == "clean"
    for name in static:
        importlib.import_module(name)

    report = place.check("plugin", strategy=strategy, rounds=6)

    assert {f[1] for f in found(report)} == {"bounded"}
    assert {f[2] for f in found(report)} == {f"{name}.act" for name in static}
    assert len(report.retained_generations) == 1
    (growing,) = place.check("leaky", strategy=strategy).findings
    assert (growing.growth, growing.per_round) == ("growing", 1.0)


@pytest.mark.parametrize("strategy", IN_PROCESS)
def test_row_25_restored_on_failure(strategy, place):
    """Row 25: a failed reload: naively nothing is left under the name; a check puts entries and attributes back."""
    fails = ACT + "if host.count() > 2:\n    raise LookupError('bad edit')\n"
    place.load({"pkg.__init__": "", "pkg.one": ACT, "pkg.two": fails}, "pkg", "pkg.one", "pkg.two")
    importlib.import_module("pkg").mark = mark = object()
    before = {
        name: (sys.modules[name], dict(vars(sys.modules[name]))) for name in ("pkg", "pkg.one", "pkg.two")
    }

    report = place.check("pkg", strategy=strategy)

    assert report.outcome == "error"
    assert report.error.startswith("round 1: the reload raised: LookupError: bad edit")
    assert {name: (sys.modules[name], dict(vars(sys.modules[name]))) for name in before} == before
    assert sys.modules["pkg"].mark is mark
    with pytest.raises(LookupError):
        place.drop("pkg.two")
    assert "pkg.two" not in sys.modules
    assert sys.modules["pkg"].two is before["pkg.two"][0]


REFUSED = {
    "sys": "a builtin module",
    "_frozen_importlib": "part of the import system",
    "threading": "it owns process-wide state",
    "logging": "it owns process-wide state",
    "asyncio": "it owns process-wide state",
    "typing": "it owns process-wide state",
    "_pytest.monkeypatch": "it is part of the running pytest or its plugins",
    "pytest_reloadleak.check": "pytest-reloadleak cannot reload itself",
}
UNFORCEABLE = {"sys", "_frozen_importlib", "pytest_reloadleak.check"}


@pytest.mark.parametrize("target", REFUSED)
def test_row_26_what_is_not_to_be_reloaded(target):
    """Row 26: builtins, runtime internals, the runner: refused with the reason; some cannot be forced either."""
    module = importlib.import_module(target)

    for refuse in (measure_reload, clear_cache):
        with pytest.raises(UsageError, match=REFUSED[target]):
            refuse(target)
    if target in UNFORCEABLE:
        with pytest.raises(UsageError, match=REFUSED[target]):
            measure_reload(target, force=True)
    assert sys.modules[target] is module


def test_row_26_a_split_identity(place):
    """Row 26: why not: an old `except` misses the new exception, which is told; it is checked if it is forced."""
    place.load(
        {
            "errors": "class Err(Exception):\n    pass\n",
            "catcher": "from errors import Err\n\ndef catches(error):\n    return isinstance(error, Err)\n",
        },
        "catcher",
    )
    catches = sys.modules["catcher"].catches
    assert catches(sys.modules["errors"].Err())

    report = place.check("errors")

    assert (
        "isinstance and except with this errors.Err do not match objects of generation 3"
        in report.findings[0].details
    )
    place.drop("errors")
    assert not catches(sys.modules["errors"].Err())
    assert place.check("contextvars", force=True).error is None


def test_row_27_restart(place):
    """Row 27: externals lead to a restart: where nothing in the process is safe, the audit says so, and why."""
    place.load({"plugin": ACT + "host.kept.append(act)\n", "cured": ACT})
    reports = [place.check("plugin", strategy=s, rounds=2) for s in (*IN_PROCESS, "alias")]
    reports.append(place.check("cured", strategy="reload", rounds=2))

    cured, plugin = audit(map(to_dict, reports))

    assert (plugin["target"], plugin["safe"]) == ("plugin", None)
    why = "retained-generation: host.kept[*] holds plugin.act"
    assert plugin["advice"] == f"no strategy is safe; restart the process: {why}"
    assert (cured["target"], cured["safe"]) == ("cured", "reload")
    isolated = place.check("plugin", strategy="worker", rounds=1)
    (row,) = audit(map(to_dict, [*reports[:5], isolated]))
    assert (row["safe"], row["advice"]) == ("worker", "use worker, or fix what the others leak")


@pytest.mark.parametrize("strategy", IN_PROCESS)
def test_row_28_a_plugin_as_a_unit(strategy, place):
    """Row 28: accepted and declined, a plugin as a unit: a package's modules are reloaded together, or none is."""
    names = ["unit.base", "unit.entry", "unit.tool"]
    files = {"unit.base": ACT, "unit.tool": ACT + "from unit.base import act as base\n"}
    entry = (
        "from unit import base, tool\nassert tool.base is base.act\nif host.number:\n    raise LookupError\n"
    )
    uses = "import host\nhost.ran.append(__name__)\n\ndef use():\n    import unit.entry\n"
    users = {"taking": uses, "declining": uses + "__reload_accept__ = True\n"}
    place.load({"unit.__init__": "", **files, "unit.entry": ACT + entry, **users}, "unit.entry", *users)

    report = place.check("unit", strategy=strategy)

    assert report.outcome == "clean"
    reloaded = [*names, "taking"] if strategy == "cascade" else names
    assert sorted(place.host.ran) == sorted(reloaded * 4)
    before = [sys.modules[name] for name in names]
    place.host.number = 1
    assert place.check("unit", strategy=strategy).outcome == "error"
    assert [sys.modules[name] for name in names] == before
