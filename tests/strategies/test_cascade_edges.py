"""`cascade` where it ends: libraries, modules that accept updates, sources that tell nothing, reloads that fail."""

import importlib
import sys

import pytest
from program import found, state

# -- libraries --------------------------------------------------------------------------------------------------------


def test_libraries_are_left_alone_and_told(place):
    """Installed packages and the standard library are neither reloaded nor climbed through."""
    site = place.directory / "site-packages"
    for name, source in {"lib/__init__": "", "lib/part": "state = []\n", "around": "import it\n"}.items():
        path = site / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    sys.path.append(str(site))
    try:
        place.load(
            {
                "t": "import json.decoder\nfrom lib.part import state\ndef f(): pass\n",
                "it": "from __future__ import annotations\nfrom t import f\nfrom os import environ\n",
                "alone": "from lib.part import state\nfrom os import environ\nimport around\n",
            },
            "it",
            "alone",
        )
        names = ("lib", "around", "json", "alone")
        before = state(*names)
        sys.modules[
            "around"
        ].it = None  # what it has of the closure would be stale, and is no business of this test
        report = place.measure("t")
    finally:
        sys.path.remove(str(site))

    assert (report.outcome, report.not_reloaded) == ("clean", ("__future__", "json", "lib", "os"))
    assert set(place.log.ran) == {"t", "it"}
    assert state(*names).keys() == before.keys()
    assert all(state(*names)[name] == before[name] for name in sys.modules if name in before)


# -- sources and loaders that tell nothing ----------------------------------------------------------------------------


def test_a_module_whose_source_is_broken_by_now_is_passed_over(place):
    """One that does not depend on the target breaks nothing; one that does cannot be reloaded, which is an error."""
    place.load({"t": "def f(): pass\n", "it": "from t import f\n", "alone": "import json\n"}, "it", "alone")
    place.write({"alone": "def broken(:\n"})
    before = state("t", "it", "alone")

    assert place.measure("t").outcome == "clean"
    assert set(place.log.ran) == {"t", "it"}
    place.write({"it": "def broken(:\n"})
    report = place.measure("t")

    assert report.outcome == "error"
    assert "SyntaxError" in report.error
    assert "it.py" in report.error
    assert state("t", "it", "alone") == before


LOADER = """\
import importlib.abc, importlib.machinery, sys

class Loader(importlib.abc.Loader):
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        module.__file__ = "{0}/it.py"
        exec("import log; log.begin(__name__)\\nfrom t import {1}\\n", vars(module))

class Finder:
    def find_spec(self, name, path=None, target=None):
        return importlib.machinery.ModuleSpec(name, Loader()) if name == "it" else None

finder = Finder()
sys.meta_path.insert(0, finder)
"""


@pytest.mark.parametrize("what", ["f", "TABLE"])
def test_a_loader_without_sources_is_no_obstacle(what, place):
    """What the module is bound to tells that it depends on the target, data by identity."""
    (place.directory / "loading.py").write_text(LOADER.format(place.directory, what))
    place.load({"t": "def f(): pass\nTABLE = {}\n", "alone": ""}, "loading", "alone")
    try:
        importlib.import_module("it")
        place.log.ran.clear()

        report = place.measure("t")
    finally:
        sys.meta_path.remove(sys.modules["loading"].finder)

    assert (report.outcome, report.error) == ("clean", None)
    assert set(place.log.ran) == {"t", "it"}


# -- who accepts updates ----------------------------------------------------------------------------------------------

T = "def f(): pass\ndef g(): pass\n"
LATE = "def use():\n    from t import f\n    return f\n"
RENEWS = """\
from t import f
def __reload_accept__(fresh):
    global f
    log.calls.append({n: id(m) for n, m in fresh.items()})
    f = fresh['t'].f
"""
OBJECT = "class Accept:\n    __call__ = staticmethod(__reload_accept__)\n__reload_accept__ = Accept()\n"
ACCEPTING = {
    "True": f"{LATE}__reload_accept__ = True\n",
    "a list": f"{LATE}__reload_accept__ = ['t']\n",
    "a tuple": f"{LATE}__reload_accept__ = ('elsewhere', 't')\n",
    "a set": f"{LATE}__reload_accept__ = {{'t'}}\n",
    "a function": RENEWS,
    "an object": RENEWS + OBJECT,
}
OTHERS = {
    "False": "__reload_accept__ = False\n",
    "an empty list": "__reload_accept__ = []\n",
    "another's": "__reload_accept__ = ['elsewhere', 't.x']\n",
    "text": "__reload_accept__ = 't'\n",
    "nothing": "",
}


@pytest.mark.parametrize("middle", ACCEPTING.values(), ids=ACCEPTING)
def test_the_climb_stops_at_who_accepts(middle, place):
    """It is not reloaded, nor is who depends on it alone; the report tells it."""
    place.load(
        {"t": T, "middle": middle, "top": "import middle\n", "other": "from t import g\n"},
        "top",
        "other",
        "t",
    )
    before = state("t", "middle", "top", "other")

    report = place.measure("t")

    assert (report.outcome, report.not_reloaded) == ("clean", ("middle",))
    assert set(place.log.ran) == {"t", "other"}
    assert state("t", "middle", "top", "other") == before


@pytest.mark.parametrize("middle", OTHERS.values(), ids=OTHERS)
def test_who_does_not_accept_is_reloaded(middle, place):
    """A list counts for the modules that it names only."""
    place.load({"t": T, "middle": f"from t import f\n{middle}", "top": "import middle\n"}, "top")

    report = place.measure("t")

    assert (report.outcome, report.not_reloaded) == ("clean", ())
    assert set(place.log.ran) == {"t", "middle", "top"}


def test_who_accepts_one_of_two_ways_is_reloaded(place):
    """`middle` takes an update of `t`, but not of `facade`, which is reloaded too."""
    middle = "from t import f\nfrom facade import g\n__reload_accept__ = ['t']\n"
    place.load({"t": T, "facade": "from t import g\n", "middle": middle, "top": "import middle\n"}, "top")

    report = place.measure("t")

    assert (report.outcome, report.not_reloaded) == ("clean", ())
    assert set(place.log.ran) == {"t", "facade", "middle", "top"}


@pytest.mark.parametrize("declares", ["True", "['t']", "lambda fresh: None"])
def test_who_accepts_and_keeps_the_old_object_is_found(declares, place):
    """Declaring is not enough: the binding is the finding that it would be without cascade."""
    place.load({"t": T, "middle": f"from t import f\n__reload_accept__ = {declares}\n"}, "middle")

    report = place.measure("t")

    assert (report.outcome, report.not_reloaded) == ("leaking", ("middle",))
    assert found(report) == [("stale-reference", "middle.f", "t.f")]


def test_the_function_is_given_the_fresh_modules_in_each_round_and_the_original_in_the_end(place):
    """By name, all that were reloaded; afterwards the accepting module is bound to what it was bound to."""
    place.load({"t": T, "part": "import t\n", "middle": RENEWS}, "middle", "part")
    t, part, f = sys.modules["t"], sys.modules["part"], sys.modules["t"].f

    assert place.measure("t", rounds=3).outcome == "clean"

    *rounds, last = place.log.calls
    assert last == {"t": id(t), "part": id(part)}
    assert len(rounds) == 4
    assert all(call.keys() == last.keys() and call["t"] != id(t) for call in rounds)
    assert sys.modules["middle"].f is f is t.f


@pytest.mark.parametrize("raises", ["raise LookupError('no')", "raise SystemExit(3)"])
def test_a_function_that_raises_ends_the_check(raises, place):
    """The outcome is `error` with what it raised; everything is put back."""
    middle = f"from t import f\ndef __reload_accept__(fresh):\n    {raises}\n"
    place.load({"t": T, "middle": middle}, "middle")
    before = state("t", "middle")

    report = place.measure("t")

    assert report.outcome == "error"
    assert report.error.startswith(f"warm-up round 1: the reload raised: {raises[6:].partition('(')[0]}")
    assert f"{place.directory / 'middle.py'}:4 in __reload_accept__" in report.error
    assert state("t", "middle") == before


# -- disposing --------------------------------------------------------------------------------------------------------

DISPOSES = "def __reload_dispose__(data):\n    log.calls.append(__name__)\n    data['from'] = __name__\n"


def test_whoever_depends_on_others_is_disposed_before_them(place):
    """In the opposite order of their execution."""
    place.load({"t": DISPOSES, "middle": f"import t\n{DISPOSES}", "top": f"import middle\n{DISPOSES}"}, "top")

    assert place.measure("t").outcome == "clean"

    assert {tuple(names) for names in place.rounds()} == {("t", "middle", "top")}
    assert len(place.rounds()) >= 3
    assert place.log.calls == ["top", "middle", "t"] * (len(place.rounds()) + 1)


def test_a_package_is_given_its_submodules_and_what_its_predecessor_left(place):
    """Both are there before its code runs."""
    looks = "log.seen = (__reload_data__, alone) if log.calls else None\n"
    place.load(
        {
            "app.__init__": f"{looks}from app.t import f\n{DISPOSES}",
            "app.t": "def f(): pass\n",
            "app.alone": "",
        },
        "app.t",
        "app.alone",
    )

    report = place.measure("app.t")

    assert (report.outcome, report.error) == ("clean", None)
    assert place.log.seen == ({"from": "app"}, sys.modules["app.alone"])


# -- what the strategies that reload the target alone leave as it is --------------------------------------------------


@pytest.mark.parametrize("strategy", ["reload", "decache", "reimport"])
def test_dependencies_that_kept_their_state_are_told(strategy, place):
    """First-party ones, direct and indirect, and no others: a reload that looks whole is not (row 21)."""
    place.load(
        {
            "base": "def f(): pass\n",
            "middle": "from base import f\n",
            "beside": "",
            "user": "import app\n",
            "app.__init__": "from app import part\nimport json, middle\n",
            "app.part": "class Part: pass\n",
        },
        "user",
        "beside",
    )

    app, part = place.measure("app", strategy), place.measure("app.part", strategy)

    assert app.not_reloaded == ("base", "log", "middle")
    assert part.not_reloaded == ("log",)
    assert place.measure("app").not_reloaded == ("json",)


@pytest.mark.parametrize("strategy", ["reload", "decache", "reimport"])
def test_a_dependencys_counter_goes_on_while_the_targets_begins_anew(strategy, place):
    """What `not_reloaded` is there to explain."""
    place.load({"base": "count = []\n", "t": "import base\nbase.count.append(1)\nmine = [1]\n"}, "t")
    place.write(
        {
            "t": "import base\nbase.count.append(1)\nmine = [1]\nlog.calls.append((len(mine), len(base.count)))\n"
        }
    )

    report = place.measure("t", strategy, rounds=3)

    assert (report.outcome, report.not_reloaded) == ("clean", ("base", "log"))
    assert place.log.calls == [(1, number) for number in range(2, 6)]
