"""Rows 15 to 19 of the reload facts: where modules are found, by whom, and under which names."""

import contextlib
import gc
import importlib
import importlib.util
import sys
import zipfile

import pytest
from row_sources import ACT, IN_PROCESS

from pytest_reloadleak import clear_cache
from pytest_reloadleak.strategies import catalogue


def test_row_15_resolution_and_loading(place, monkeypatch):
    """Row 15: resolution and loading caches: each is forgotten without the other; growth of finders is told apart."""
    later = place.directory / "later"
    monkeypatch.syspath_prepend(str(later))
    with pytest.raises(ImportError):
        importlib.import_module("late")
    later.mkdir()
    (later / "late.py").write_text(ACT, encoding="utf-8")
    with pytest.raises(ImportError):
        importlib.import_module("late")  # that there was no such directory is remembered
    assert str(later) in clear_cache("late", loading=False).directories
    first = importlib.import_module("late")
    assert clear_cache("late", loading=False).names == ()
    assert importlib.import_module("late") is first
    only = clear_cache("late", resolution=False)
    assert (only.names, only.directories) == (("late",), ())
    assert importlib.import_module("late") is not first
    lookup = "from importlib.machinery import PathFinder\n"
    lookup += "PathFinder.find_spec('nothing', [f'/nowhere/{host.count()}'])\n"
    place.load({"plugin": ACT + lookup})

    report = place.check("plugin", strategy="decache")
    for path in [path for path in sys.path_importer_cache if path.startswith("/nowhere/")]:
        del sys.path_importer_cache[path]

    assert [(f.kind, f.registry, f.growth) for f in report.findings] == [
        ("registration", "sys.path_importer_cache", "growing")
    ]
    assert place.check("plugin", strategy="reimport").outcome == "clean"


FINDER = """\
import sys
from importlib.machinery import ModuleSpec

class Finder:
    def find_spec(self, name, path=None, target=None):
        return ModuleSpec(name, self, origin="database:plugin") if name == "plugin" else None
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        exec(SOURCE, vars(module))

finder = Finder()
sys.meta_path.insert(0, finder)
"""


@pytest.mark.parametrize("strategy", IN_PROCESS)
@pytest.mark.parametrize("hook", ["finder", "archive"])
def test_row_16_loader_hooks(hook, strategy, place, monkeypatch):
    """Row 16: loader hooks: what a finder or an archive gave is reloaded from there, whatever file has such a name."""
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    decoy = "raise AssertionError('read from the disk')\n"
    place.load({"plugin": decoy, "finding": f"SOURCE = {ACT!r}\n{FINDER}"})
    if hook == "finder":
        importlib.import_module("finding")
    else:
        archive = place.directory / "plugins.zip"
        with zipfile.ZipFile(archive, "w") as writing:
            writing.writestr("plugin.py", ACT)
        monkeypatch.syspath_prepend(str(archive))

    report = place.check("plugin", strategy=strategy)

    assert report.outcome == "clean"
    assert place.host.ran == ["plugin"] * 5
    assert "no file of its own" in catalogue.inapplicable("alias", "plugin")


HOOKS = {
    "sys.meta_path": "class Finder:\n    find_spec = None\nsys.meta_path.append(Finder)\n",
    "sys.path_hooks": "def hook(path):\n    raise ImportError\nsys.path_hooks.append(hook)\n",
    "sys.path": "sys.path.append('/nowhere/hooks')\n",
}
CURES = {
    "sys.meta_path": "def __reload_dispose__():\n    sys.meta_path.remove(Finder)\n",
    "sys.path_hooks": "def __reload_dispose__():\n    sys.path_hooks.remove(hook)\n",
    "sys.path": "def __reload_dispose__():\n    sys.path.remove('/nowhere/hooks')\n",
}


@pytest.mark.parametrize("strategy", IN_PROCESS)
@pytest.mark.parametrize("registry", HOOKS)
def test_row_17_hooks_registered_at_every_load(registry, strategy, place, monkeypatch):
    """Row 17: loader hooks registered again at every load: each list grows as a registration of its own."""
    for name in HOOKS:
        monkeypatch.setattr(sys, name.partition(".")[2], list(getattr(sys, name.partition(".")[2])))
    leaky = f"import sys\n{ACT}{HOOKS[registry]}".replace("find_spec = None", "find_spec = lambda *_: None")
    place.load({"plugin": leaky, "cured": leaky + CURES[registry]})

    assert place.check("cured", strategy=strategy).outcome == "clean"
    report = place.check("plugin", strategy=strategy)

    assert [(f.kind, f.registry, f.growth) for f in report.findings] == [
        ("registration", registry, "growing")
    ]
    assert report.findings[0].per_round == 1.0


@pytest.mark.parametrize("strategy", [*IN_PROCESS, "alias"])
def test_row_18_one_file_under_two_names(strategy, place, monkeypatch):
    """Row 18: a facade with changing parameters: one file as two modules has two states, which the report notes."""
    monkeypatch.syspath_prepend(str(place.directory / "src"))
    place.load({"src.__init__": "", "src.mod": ACT}, "src.mod")
    assert place.check("src.mod", strategy=strategy).notes[:-1] == ()
    importlib.import_module("mod")
    assert sys.modules["mod"].TOKEN is not sys.modules["src.mod"].TOKEN

    report = place.check("src.mod", strategy=strategy)

    assert report.notes[0].startswith(
        "src.mod and mod are separate modules loaded from one file, each with its own state: mod is not reloaded"
    )


@pytest.mark.parametrize("strategy", [*IN_PROCESS, "alias", "worker"])
def test_row_19_detached(strategy, place):
    """Row 19: importDetached: it leaves nothing, and dataclasses fail; every strategy registers while it executes."""
    fields = "from __future__ import annotations\nfrom dataclasses import dataclass\n"
    fields += "import sys\nTOKEN = getattr(sys.modules.get('host'), 'token', object)()\n"
    fields += "@dataclass\nclass Point:\n    x: int\n"
    place.load({"plugin": fields})

    def detached():
        spec = importlib.util.spec_from_file_location("plugin", place.directory / "plugin.py")
        with contextlib.suppress(AttributeError):
            spec.loader.exec_module(importlib.util.module_from_spec(spec))

    for _ in range(5):
        detached()
    gc.collect()
    assert len(place.host.tokens) == 0
    assert "the target was not reloaded" in place.check("plugin", reload=detached).error

    report = place.check("plugin", strategy=strategy, rounds=1)

    assert report.error is None
