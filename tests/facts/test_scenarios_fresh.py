"""Scenarios of import-fresh (I), read in Python: a fresh import gives a whole graph of one generation."""

from __future__ import annotations

import importlib
import subprocess
import sys
import threading

import pytest
import scenario_support as support
from scenario_support import GENERATIONS, found

from pytest_reloadleak import UsageError, clear_cache
from pytest_reloadleak.errors import RoundError

LOGS = "import host\nhost.log.append(__name__)\n"


PACKAGE = {
    "app.__init__": "from app import a, b\n",
    "app.a": "from app.shared import C\ndef late():\n    from app import shared\n    return shared\n",
    "app.b": "from app import shared\nfrom app.shared import C\n",
    "app.shared": "import host\nhost.log.append(1)\nnumber = len(host.log)\nclass C:\n    pass\n",
}


@pytest.mark.parametrize("strategy", support.IN_PROCESS)
def test_i1_i2_i3_i4_i8_a_fresh_graph_is_one_generation(strategy, program):
    """I1-I4, I8: no instance is an old one, all of the graph is new, two entry points share, late imports too."""
    program.load(PACKAGE, "app")
    numbers = []

    def exercise(module):
        app = module("app")
        assert app.a.C is app.b.C is app.a.late().C is sys.modules["app.shared"].C
        numbers.append(app.b.shared.number)

    report = program.measure(strategy=strategy, exercise=exercise)

    assert (report.outcome, set(report.not_reloaded) - {"host"}) == ("clean", set())
    assert numbers == [2, 3, 4]


def test_i8_late_imports_of_an_alias(program):
    """I8: under a name of its own a generation finds its own parts by a relative import, others' by an absolute one."""
    relative = PACKAGE["app.a"].replace("from app import shared", "from . import shared")
    program.load({**PACKAGE, "app.__init__": "from . import a\n", "app.a": relative}, "app")
    seen = []

    def exercise(module):
        seen.append(module("app").a.late().__name__)

    program.measure(strategy="alias", exercise=exercise)

    assert len(set(seen)) == len(seen) >= GENERATIONS - 1
    assert all(name.startswith("app__alias") and name.endswith(".shared") for name in seen)


def test_i5_i7_fresh_imports_at_the_same_time(program):
    """I5, I7: threads that clear and import do not mix generations; an import meanwhile gets one of them, whole."""
    program.load(PACKAGE, "app")
    wrong, errors = [], []

    def work(name):
        try:
            for _ in range(3):
                clear_cache("app") if name else None
                app = importlib.import_module("app")
                if app.a.C is not app.b.C:
                    wrong.append(name)
        except (ImportError, KeyError, AttributeError, RoundError) as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("clears", "clears too", "")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (wrong, errors) == ([], [])


def test_i6_a_fresh_import_within_a_fresh_import(program):
    """I6: a module that clears another while it is reloaded gets a fresh one, and is not disturbed itself."""
    dep = f"{LOGS}number = len(host.log)\n"
    app = "from pytest_reloadleak import clear_cache\nclear_cache('dep')\nimport dep\n"
    program.load({"dep": dep, "app": app})
    seen = []

    report = program.measure(exercise=lambda module: seen.append(module("app").dep.number))

    assert (report.outcome, report.findings) == ("clean", ())
    assert seen == [2, 3, 4]


def test_i9_third_party_keeps_its_state(program):
    """I9: libraries stay, and so does what is reached only through them; the report lists the library."""
    place = program.directory / "site-packages"
    support.run.write(place, {"library": "from config import value\n"})
    with support.run.importable(place):
        program.load(
            {"config": LOGS + "value = object()\n", "dep": LOGS, "app": LOGS + "import dep, library\n"}, "app"
        )

        report = program.measure("dep", strategy="cascade")

        assert (report.outcome, report.not_reloaded) == ("clean", ("library",))
        assert [program.host.log.count(name) for name in ("dep", "app", "config")] == [
            GENERATIONS,
            GENERATIONS,
            1,
        ]
        assert program.measure("config", strategy="cascade").findings[0].holder.path == "library.value"


def test_i10_hooks_are_installed_once(program):
    """I10: after many imports of the tool itself, none of its objects stays in the lists of the import system."""
    program.write({"app": "import dep\n", "dep": ""})
    script = """
import importlib, sys
def state():
    return [list(map(id, o)) for o in (sys.meta_path, sys.path_hooks, sys.path)] + [id(importlib.import_module)]
import asyncio, json, subprocess, psutil
before = state()
for _ in range(3):
    from pytest_reloadleak import clear_cache, measure_reload
    assert measure_reload("dep", strategy="cascade", rounds=1).outcome == "clean"
    clear_cache("app")
    for name in [n for n in sys.modules if n.startswith("pytest_reloadleak")]:
        del sys.modules[name]
assert state() == before, (state(), before)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["sys", "builtins", "os", "threading", "_frozen_importlib"])
def test_i12_a_builtin_is_left_alone(name):
    """I12: refused with the reason, and untouched."""
    before = support.versions(name)

    with pytest.raises(UsageError, match=f"target '{name}' is refused"):
        clear_cache(name)

    assert all(a is b for a, b in zip(before, support.versions(name), strict=True))


GETTERS = """\
import host

def __getattr__(name):
    host.log.append(name)
    raise AttributeError(name)

class Own:
    @property
    def value(self):
        host.log.append("property")
    def __getattr__(self, name):
        host.log.append(name)
        raise AttributeError(name)
    def __repr__(self):
        host.log.append("repr")
        return ""

own = Own()
host.listeners.append(own)
"""


LAZY = """\
import sys, types

fired = []

class Lazy(types.ModuleType):
    def __getattribute__(self, name):
        fired.append(name)
        return types.ModuleType.__getattribute__(self, name)

sys.modules["lazy.part"] = Lazy("lazy.part")
"""


def test_i13_getters_do_not_run_while_the_tool_looks(program):
    """I13: neither a module's `__getattr__` nor a property, lazy module or `repr` fires, with findings or without."""
    lazy = program.load({"app": GETTERS, "lazy": LAZY}, "app", "lazy")
    program.host.undo.append(lambda: sys.modules.pop("lazy.part", None))
    lazy.fired.clear()

    report = program.measure()
    clear_cache("app")

    assert [f[:2] for f in found(report)] == [("retained-generation", "growing")]
    assert (program.host.log, lazy.fired) == ([], [])
