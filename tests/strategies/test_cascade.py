"""`cascade`: the target is reloaded with every first-party module that depends on it, and with no other."""

import sys

import pytest
from program import found, state

PACKAGE = {
    "app.__init__": "",
    "app.t": "def f(): pass\nclass Base: pass\nTABLE = {'key': 1}\n",
    "app.alone": "",
}


# -- each way to depend -----------------------------------------------------------------------------------------------

BINDING = {
    "from t import f": ("from app.t import f", "app.it.f"),
    "a class": ("from app.t import Base as B", "app.it.B"),
    "from t import CONSTANT": ("from app.t import TABLE", "app.it.TABLE"),
    "import t": ("import app.t as t", "app.it.t"),
    "from pkg import t": ("from app import t", "app.it.t"),
    "star": ("from app.t import *", "app.it.Base"),
    "relative": ("from .t import f", "app.it.f"),
    "relative module": ("from . import t", "app.it.t"),
    "conditional": ("if len(__name__) < 99:\n    from app.t import f", "app.it.f"),
    "after a failure": ("try:\n    import nowhere\nexcept ImportError:\n    from app.t import f", "app.it.f"),
    "subclass": ("import app.t\nclass Mine(app.t.Base): pass\ndel app", "app.it.Mine.__bases__[*]"),
    "made up": ("import importlib\nf = importlib.import_module('.'.join(['app', 't'])).f", "app.it.f"),
    "through another": ("from app.facade import f", "app.it.f"),
}
"""How a module binds something of the target: its source, and what is stale when only the target is reloaded."""


@pytest.mark.parametrize(("source", "stale"), BINDING.values(), ids=BINDING)
def test_where_reimport_leaves_something_stale_cascade_is_clean(source, stale, place):
    """The importer is reloaded too, and both are put back; who does not depend on the target is the same object."""
    place.load(
        {**PACKAGE, "app.facade": "from app.t import f\n", "app.it": source + "\n"}, "app.it", "app.alone"
    )
    before = state("app", "log")

    alone, whole = place.measure("app.t", "reimport"), place.measure("app.t")

    assert (alone.outcome, whole.outcome, whole.findings) == ("leaking", "clean", ())
    assert stale in [holder for kind, holder, _ in found(alone) if kind == "stale-reference"]
    assert "app.it" in place.log.ran
    assert not {"app", "app.alone"} & set(place.log.ran)
    assert state("app", "log") == before


LATE = {
    "late": ("def late():\n    from app.t import f\n    return f", True),
    "late dynamic": ("import importlib\ndef late():\n    return importlib.import_module('app.t').f", True),
    "never taken": ("if len(__name__) > 99:\n    from app.t import f", True),
    "type checking": ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from app.t import f", False),
    "else of type checking": (
        "import typing\nif typing.TYPE_CHECKING:\n    pass\nelse:\n    import app.t",
        True,
    ),
    "none": ("def f(): pass\nTABLE = {'key': 1}", False),
}


@pytest.mark.parametrize(("source", "depends"), LATE.values(), ids=LATE)
def test_what_binds_nothing_depends_if_it_imports_when_the_program_runs(source, depends, place):
    """An import in a function is a dependency; one for the type checker, or a name that is the same, is not."""
    place.load({**PACKAGE, "app.it": source + "\n"}, "app.it", "app.t")

    assert place.measure("app.t").outcome == "clean"

    assert ("app.it" in place.log.ran) == depends


def test_a_late_import_gets_the_fresh_module(place):
    """In each round, and in the end the original again."""
    user = "import sys, app.it\nlog.seen = [app.it.late() is sys.modules['app.t'].f, app.it.late()]\n"
    place.load({**PACKAGE, "app.it": LATE["late"][0], "app.user": user}, "app.user", "app.t")
    original = sys.modules["app.t"].f

    assert place.measure("app.t").outcome == "clean"

    assert place.log.seen[0] is True
    assert place.log.seen.pop() is not original
    assert sys.modules["app.it"].late() is original


def test_a_stale_package_attribute_is_renewed(place):
    """`import app.t` binds the package, where the fresh submodule is found; the package is not executed again."""
    place.load({**PACKAGE, "app.it": "import app.t\ndef use():\n    return app.t.f\n"}, "app.it")
    app = sys.modules["app"]

    assert place.measure("app.t").outcome == "clean"

    assert set(place.log.ran) == {"app.t", "app.it"}
    assert sys.modules["app"] is app


# -- circles and packages ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["first", "second", "third"])
def test_a_circle_is_one_island(target, place):
    """All of it is reloaded with any of it, once a round, and entered where it was before: no other way works."""
    place.load(
        {
            "first": "def helper(): pass\nfrom second import f\n",
            "second": "from third import g\nfrom first import helper\ndef f(): pass\n",
            "third": "def g(): pass\ndef late():\n    from first import f\n",
            "above": "from second import f\n",
            "beside": "",
        },
        "first",
        "above",
        "beside",
    )
    before = state("first", "second", "third", "above", "beside")

    report = place.measure(target)

    assert (report.outcome, report.error) == ("clean", None)
    assert {tuple(names) for names in place.rounds()} == {("first", "second", "third", "above")}
    assert state("first", "second", "third", "above", "beside") == before


def test_a_circle_within_a_package_finds_no_old_module_there(place):
    """`from package import module` takes the package's attribute, if there is one: the old ones are gone before."""
    place.load(
        {
            "app.__init__": "",
            "app.first": "from app import second\n",
            "app.second": "from app import first\n",
        },
        "app.first",
    )
    before = state("app")

    report = place.measure("app.second")

    assert (report.outcome, report.error, report.findings) == ("clean", None, ())
    assert {tuple(names) for names in place.rounds()} == {("app.first", "app.second")}
    assert len(place.rounds()) >= 3
    assert state("app") == before


def test_a_package_that_imports_from_its_submodule_is_reloaded_without_the_others(place):
    """They stay the same objects, and are attributes of the fresh package before its code runs, and afterwards."""
    place.load(
        {
            "app.__init__": "from app.t import f\nimport sys\nlog.seen = [vars(sys.modules[__name__]).get('alone')]\n",
            "app.t": PACKAGE["app.t"],
            "app.alone": "",
            "app.deep.__init__": "",
            "app.deep.er": "from app import alone\n",
            "user": "import app\nlog.used = [app.alone, app.deep, app.deep.er, app.t, app.f]\n",
        },
        "app.alone",
        "app.deep.er",
        "user",
    )
    kept = [sys.modules[name] for name in ("app.alone", "app.deep", "app.deep.er")]
    before, app, f = state("app", "user"), sys.modules["app"], sys.modules["app"].f

    report = place.measure("app.t")

    assert (report.outcome, report.error) == ("clean", None)
    assert {tuple(names) for names in place.rounds()} == {("app", "app.t", "user")}
    assert place.log.seen == [kept[0]]
    assert place.log.used[:3] == kept
    assert place.log.used[4] is not f
    assert state("app", "user") == before
    assert sys.modules["app"] is app


# -- exactly the closure, in order ------------------------------------------------------------------------------------

DIAMOND = {
    "base": "def f(): pass\n",
    "left": "from base import f\n",
    "right": "from base import f\n",
    "top": "from left import f\nfrom right import f as g\n",
    "below": "def h(): pass\n",
    "target": "from below import h\nfrom base import f\n",
    "over": "import target\n",
}


@pytest.mark.parametrize(
    ("target", "closure"),
    [
        ("base", {"base", "left", "right", "top", "target", "over"}),
        ("left", {"left", "top"}),
        ("top", {"top"}),
        ("below", {"below", "target", "over"}),
        ("over", {"over"}),
    ],
)
def test_exactly_the_closure_is_executed_dependencies_first(target, closure, place):
    """Each once a round; none of those that the target itself depends on."""
    place.load(DIAMOND, "top", "over")

    report = place.measure(target, rounds=3)

    assert (report.outcome, report.not_reloaded) == ("clean", ())
    assert len(place.rounds()) >= 4
    for names in place.rounds():
        assert sorted(names) == sorted(closure)
        place_of = {name: names.index(name) for name in names}
        for name, source in DIAMOND.items():
            needs = [
                other for other in place_of if f"import {other}\n" in source or f"from {other} " in source
            ]
            assert all(place_of[other] < place_of[name] for other in needs if name in place_of)


def test_a_target_of_several_modules_is_one_unit(place):
    """A package, and who depends on any submodule of it."""
    place.load(
        {
            "app.__init__": "from app import t\n",
            "app.t": "def f(): pass\n",
            "app.u": "",
            "it": "import app.u as u\n",
        },
        "it",
    )

    assert place.measure("app").outcome == "clean"

    assert {tuple(sorted(names)) for names in place.rounds()} == {("app", "app.t", "app.u", "it")}
