"""Scenarios of decache (D), clear-module (C) and Node's pull request 61767 (P), read in Python."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import sys
import threading
import weakref

import pytest
import scenario_support as support
from scenario_support import COUNTER, GENERATIONS, found
from support import extension_in

from pytest_reloadleak import UsageError, clear_cache

LOGS = "import host\nhost.log.append(__name__)\n"


def fresh(name, **keywords):
    """Clear a module and import it again."""
    clear_cache(name, **keywords)
    return importlib.import_module(name)


# -- which modules are dropped ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", [*support.IN_PROCESS, "alias", "worker"])
def test_d1_a_name_that_does_not_exist(strategy, program):
    """D1: clearing what is not there is nothing; checking it is one clear line, and no traceback of a finder."""
    assert clear_cache("never_heard_of").names == ()
    with pytest.raises(UsageError, match="unknown target 'never_heard_of': no such module") as raised:
        program.measure("never_heard_of", strategy=strategy)
    assert "\n" not in str(raised.value)


def test_d2_c1_a_counter_module(program):
    """D2, C1: its state stays as long as it is imported only, and is reset when it was cleared."""
    app = program.load({"app": COUNTER})

    assert [app.bump(), importlib.import_module("app").bump()] == [1, 2]
    assert fresh("app").bump() == 1


def test_d3_a_child_that_is_cleared_too(program):
    """D3: a child that is reloaded by itself after its parent is fresh, and that is no error."""
    program.load({"app": "import dep\n", "dep": COUNTER}, "app").dep.bump()

    app, dep = fresh("app"), fresh("dep")

    assert (app.dep.bump(), dep.bump()) == (2, 1)
    assert fresh("app").dep is dep


def test_d4_an_installed_package(program):
    """D4: one in `site-packages` is cleared and checked like any other that is named."""
    place = program.directory / "site-packages"
    support.run.write(place, {"library.__init__": "from library import part\n", "library.part": COUNTER})
    with support.run.importable(place):
        importlib.import_module("library").part.bump()

        assert set(clear_cache("library").names) == {"library", "library.part"}
        assert "library" not in sys.modules
        assert importlib.import_module("library").part.bump() == 1
        assert program.measure("library").outcome == "clean"


def test_d5_a_module_table_that_was_replaced(program, monkeypatch):
    """D5: a doctored `sys.modules` is no reason to fail: the entry is gone from it, and the others are as they were."""
    program.load({"app": COUNTER})
    true, doctored = sys.modules, dict(sys.modules)
    monkeypatch.setattr(sys, "modules", doctored)

    cleared = clear_cache("app")
    monkeypatch.undo()

    assert cleared.names == ("app",)
    assert "app" not in doctored
    assert set(true) - set(doctored) == {"app"}


MODES = {
    "reload": lambda program: program.measure(strategy="reload"),
    "decache": lambda program: program.measure(strategy="decache"),
    "reimport": lambda program: program.measure(strategy="reimport"),
    "cascade": lambda program: program.measure(strategy="cascade"),
    "name": lambda _: fresh("app"),
    "glob": lambda _: clear_cache("app*"),
    "everything": lambda _: clear_cache("*"),
    "dependents": lambda _: fresh("app.part", dependents=True),
}


@pytest.mark.parametrize("mode", MODES)
def test_c7_d6_native_modules_survive(mode, program):
    """C7, D6: an extension module is the same object after each way of clearing, and can be imported from the rest."""
    name = extension_in(program.directory / "app")
    program.load({"app.__init__": f"from app import {name}, part\n", "app.part": ""}, "app")
    before = sys.modules[f"app.{name}"]

    MODES[mode](program)

    assert sys.modules[f"app.{name}"] is before
    assert vars(importlib.import_module("app"))[name] is before


def test_c2_everything(program):
    """C2: all of the project's own modules, and nobody else's, which would split the state of the process."""
    program.load({"app": "import json, dep\n", "dep": ""}, "app")
    before = set(sys.modules)

    cleared = clear_cache("*")

    assert set(cleared.names) == {"app", "dep", "host"}
    assert before - set(sys.modules) == {"app", "dep", "host"}


def test_c3_those_that_match(program):
    """C3: only modules that match a pattern are reset; the others keep their state."""
    files = dict.fromkeys(("cog_a", "cog_b", "other"), COUNTER)
    program.load(files, *files)
    for name in files:
        sys.modules[name].bump()

    assert set(clear_cache("cog_*").names) == {"cog_a", "cog_b"}
    assert [importlib.import_module(name).bump() for name in files] == [1, 1, 2]


TOP = "from {0} import dep\nimport host\n{1}\ndef both():\n    return bump(), dep.bump()\n"


@pytest.mark.parametrize("name", ["pkg.top", "pkg"])
def test_c4_c5_a_module_with_a_dependency(name, program):
    """C4, C5: the module alone leaves its dependency's counter; the package, which is the tree, resets it as well."""
    program.load({"pkg.__init__": "", "pkg.top": TOP.format("pkg", COUNTER), "pkg.dep": COUNTER}, "pkg.top")
    seen = [sys.modules["pkg.top"].both(), sys.modules["pkg.top"].both()]

    clear_cache(name)
    seen.append(importlib.import_module("pkg.top").both())

    assert seen == [(1, 1), (2, 2), (1, 3) if name == "pkg.top" else (1, 1)]


GRAPHS = {
    "diamond": {"app": LOGS + "import a, b\n", "a": LOGS + "import c\n", "b": LOGS + "import c\n", "c": LOGS},
    "circle": {
        "app": LOGS + "import a\n",
        "a": LOGS + "import b\n",
        "b": LOGS + "import c\n",
        "c": LOGS + "import a\n",
    },
}


@pytest.mark.parametrize("graph", GRAPHS)
def test_c6_c8_each_is_visited_once(graph, program):
    """C6, C8: two paths to one dependency, and a circle: each module is executed once in each round."""
    program.load(GRAPHS[graph], "app")

    report = program.measure("c", strategy="cascade")

    assert report.outcome == "clean"
    assert {name: program.host.log.count(name) for name in ("app", "a", "b", "c")} == dict.fromkeys(
        ("app", "a", "b", "c"), GENERATIONS
    )
    program.host.log.clear()
    assert len(clear_cache("c", dependents=True).names) == 4


@pytest.mark.parametrize(
    ("arguments", "keywords"),
    [
        ((None,), {}),
        ((1,), {}),
        (("app",), {"loading": 1}),
        (("app",), {"resolution": "all"}),
        ((["app"],), {}),
    ],
    ids=repr,
)
def test_c9_p8_arguments_of_the_wrong_type(arguments, keywords):
    """C9, P8: what is no name or no switch is a `TypeError` that says what was received."""
    with pytest.raises(TypeError, match=r"clear_cache: .* not (NoneType|int|str|list)"):
        clear_cache(*arguments, **keywords)


# -- clearing and importing -------------------------------------------------------------------------------------------

IMPORTS = {
    "import": "import pkg.sub\ngot = pkg.sub\n",
    "import as": "import pkg.sub as got\n",
    "from": "from pkg import sub as got\n",
    "relative": "from . import sub as got\n",
    "import_module": "import importlib\ngot = importlib.import_module('pkg.sub')\n",
    "__import__": "got = __import__('pkg.sub').sub\n",
}


@pytest.mark.parametrize("clears", IMPORTS)
def test_p1_p3_whoever_imports_next_executes_again(clears, program):
    """P1, P3: 1, 2, 3: whichever way it was imported, and whichever way it is imported next."""
    program.load({"pkg.__init__": "", "pkg.sub": f"{LOGS}number = len(host.log)\n"}, "pkg.sub")
    names = {"__name__": "user", "__package__": "pkg"}
    numbers = []

    for source in (IMPORTS[clears], *IMPORTS.values()):
        exec(source, names)
        numbers.append(names.pop("got").number)
        names.pop("pkg", None)
        clear_cache("pkg.sub")

    assert numbers == list(range(1, len(IMPORTS) + 2))


def test_p2_resolution_and_loading_are_apart(program):
    """P2: forgetting where a module lies executes nothing; forgetting the module does not forget where it lies."""
    app = program.load({"app": LOGS})
    finder = sys.path_importer_cache[str(program.directory)]

    resolution = clear_cache("app", loading=False)
    assert (resolution.names, str(program.directory) in resolution.directories) == ((), True)
    assert importlib.import_module("app") is app
    assert program.host.log == ["app"]

    found_by = sys.path_importer_cache.setdefault(str(program.directory), finder)
    loading = clear_cache("app", resolution=False)
    assert (loading.names, loading.directories) == (("app",), ())
    assert sys.path_importer_cache[str(program.directory)] is found_by
    assert importlib.import_module("app") is not app


def test_p4_clearing_during_an_import(program):
    """P4: two imports at the same time share one instance, clearing waits for them, and the third is fresh."""
    program.write(
        {"app": "import host\nhost.log.append(1)\nhost.table['in'].set()\nhost.table['go'].wait(10)\n"}
    )
    program.host.table.update({"in": threading.Event(), "go": threading.Event()})
    got = []
    threads = [threading.Thread(target=lambda: got.append(importlib.import_module("app"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    program.host.table["in"].wait(10)
    threading.Timer(0.1, program.host.table["go"].set).start()

    cleared = clear_cache("app")
    for thread in threads:
        thread.join()

    assert cleared.names == ("app",)
    assert len(program.host.log) == 1
    assert got[0] is got[1] is not importlib.import_module("app")


def test_p5_everything_is_collected(program):
    """P5: 8 times 4 rounds of importing and clearing: all of it is collected, and no holder is named."""
    program.write({"app": "class C:\n    def f(self): pass\nc = C()\nc.itself = c\n"})
    markers = []
    for _ in range(8):
        for _ in range(4):
            markers.append(weakref.ref(importlib.import_module("app").C))
            assert clear_cache("app").holders == ()

    assert [marker() for marker in markers] == [None] * 32


@pytest.mark.parametrize("parents", [0, 1, 2])
def test_p6_a_static_parent(parents, program):
    """P6: each module that imported by `from` keeps one version, however many reloads; dynamic ones keep none."""
    names = [f"parent_{n}" for n in range(parents)]
    files = dict.fromkeys(names, "from app import f\n")
    program.load(
        {"app": "def f(): pass\n", "dynamic": "def get():\n    import app\n", **files}, "dynamic", *names
    )

    report = program.measure(rounds=4)

    assert sorted(found(report)) == [("stale-reference", "bounded", f"{name}.f") for name in names]
    assert report.retained_generations == ((-1,) if parents else ())


class Hook(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """A loader hook: finds and loads `virtual`, and counts how often."""

    def __init__(self):
        self.found = self.loaded = 0

    def find_spec(self, name, *_):
        self.found += name == "virtual"
        return importlib.util.spec_from_loader(name, self) if name == "virtual" else None

    def exec_module(self, module):
        self.loaded += 1
        exec("def f(): pass", vars(module))


def test_p7_loader_hooks(program, monkeypatch):
    """P7: a module that a hook loads is cleared like any other: the hook loads it again, in a check too."""
    hook = Hook()
    monkeypatch.setattr(sys, "meta_path", [hook, *sys.meta_path])
    try:
        importlib.import_module("virtual")
        fresh("virtual")
        assert (hook.found, hook.loaded) == (2, 2)

        assert program.measure("virtual").outcome == "clean"
        assert hook.loaded == 2 + GENERATIONS - 1
    finally:
        sys.modules.pop("virtual", None)


def test_p8_what_cannot_be_cleared():
    """P8: what owns state of the whole process is refused before anything is done."""
    before = dict(sys.modules)

    for name in ("threading", "pytest", "pytest_reloadleak", "sys"):
        with pytest.raises(UsageError, match="is refused"):
            clear_cache(name)

    assert sys.modules == before
