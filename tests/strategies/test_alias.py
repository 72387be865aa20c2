"""`alias`: each generation under a fresh name, which leaks by itself and is reported as what it is."""

import importlib
import importlib.machinery
import importlib.util
import itertools
import sys
from textwrap import indent

import pytest
from program import found, state

from pytest_reloadleak import measure_reload

T = "import base\nbase.count.append(1)\nmine = [1]\ndef f(): pass\nlog.calls.append((len(mine), len(base.count)))\n"


def aliases():
    """Names in `sys.modules` that the strategy made up."""
    return [name for name in sys.modules if "__alias" in name]


@pytest.mark.parametrize("is_loaded", [True, False], ids=["loaded", "not loaded"])
def test_what_it_leaks_is_one_registration(is_loaded, place):
    """A module a round in `sys.modules`: one growing finding, and no other."""
    place.load({"t": "def f(): pass\n"}, *(["t"] if is_loaded else []))
    before = state("t")

    report = place.measure("t", "alias", rounds=3)

    (finding,) = report.findings
    assert (report.outcome, report.error) == ("leaking", None)
    assert (finding.kind, finding.registry, finding.growth) == ("registration", "sys.modules", "growing")
    assert (finding.per_round, finding.holder.path, finding.held.name) == (1.0, "sys.modules[*]", "t__alias*")
    assert state("t") == before
    assert ("t" in sys.modules) == is_loaded
    assert aliases() == []


@pytest.mark.parametrize("warmup", [0, 1])
@pytest.mark.parametrize("is_loaded", [True, False], ids=["loaded", "not loaded"])
def test_one_round_finds_what_many_do(is_loaded, warmup, place):
    """The original stays beside the aliases, so more rounds follow until an alias is old enough to be judged."""
    place.load({"t": "def f(): pass\n"}, *(["t"] if is_loaded else []))

    report = place.measure("t", "alias", rounds=1, warmup=warmup)

    (finding,) = report.findings
    assert (finding.kind, finding.registry) == ("registration", "sys.modules")


@pytest.mark.parametrize("is_dropped", [True, False], ids=["cured", "leaking"])
@pytest.mark.parametrize(("rounds", "warmup"), [(1, 0), (1, 1), (2, 0)])
def test_few_rounds_of_an_own_reload_under_fresh_names_are_judged(rounds, warmup, is_dropped, place):
    """The same for a callable whose first module does not exist before its first call."""
    place.write({"t": "def f(): pass\n"})
    numbers = itertools.count()

    def load():
        if is_dropped:
            for name in [name for name in sys.modules if name.startswith("fresh_")]:
                del sys.modules[name]
        spec = importlib.util.spec_from_file_location(f"fresh_{next(numbers)}", place.directory / "t.py")
        sys.modules[spec.name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)

    report = measure_reload("fresh_*", reload=load, rounds=rounds, warmup=warmup)

    assert [finding.kind for finding in report.findings] == ([] if is_dropped else ["registration"])
    assert report.error is None


def test_the_signature_is_the_same_in_each_run_and_of_each_length(place):
    """Numbers of rounds are no part of it; another target has another."""
    place.load({"t": "", "u": ""}, "t")

    signatures = [place.measure("t", "alias", rounds=rounds).findings[0].signature for rounds in (2, 2, 5)]
    other = place.measure("u", "alias").findings[0].signature

    assert len(set(signatures)) == 1
    assert other not in signatures


def test_the_original_is_never_executed_again_nor_touched(place):
    """Each round executes the file once, under the next name; the module under its own name goes on with its state."""
    place.load({"t": "state = []\n", "user": "import t\nt.state.append(1)\n"}, "user")
    original, contents = sys.modules["t"], state("t", "user")

    report = place.measure("t", "alias", rounds=2)

    assert [kind for kind, _, _ in found(report)] == ["registration"]
    count = len(place.log.ran)
    assert place.log.ran == [f"t__alias{number}" for number in range(1, count + 1)]
    assert sys.modules["t"] is original
    assert state("t", "user") == contents


def test_a_dependency_keeps_its_state(place):
    """Transitive staleness: the target's own counter begins anew, that of what it imports goes on (row 21)."""
    place.load({"base": "count = []\n", "deep": "", "t": T})
    importlib.import_module("t")
    place.log.ran.clear()

    report = place.measure("t", "alias", rounds=3)

    assert place.log.calls == [(1, number) for number in range(1, len(place.log.calls) + 1)]
    assert len(place.log.calls) > 4
    assert report.not_reloaded == ("base", "log")
    assert "base" not in place.log.ran


def test_what_the_target_leaks_is_told_beside_it(place):
    """Its own leak is a finding of its own, of all generations; without it there is one finding."""
    place.load({"host": "kept = []\n", "t": "import host\ndef f(): pass\nhost.kept.append(f)\n"}, "t")

    leaking = place.measure("t", "alias")
    place.load({"t": "import host\ndef f(): pass\nhost.kept[:] = [f]\n"})
    cured = place.measure("t", "alias")

    assert ("retained-generation", "host.kept[*]", "t__alias*.f") in found(leaking)
    assert [kind for kind, _, _ in found(cured)] == ["registration"]


ALIASED = """\
import logging, host
class Keep(logging.Handler): pass
def f(): pass
class Thing:
    def g(self): pass
thing = Thing()
host.log.addHandler(Keep())
host.kept.append(f)
host.kept.append(thing.g)
"""


def test_its_cure_stands_in_the_source_of_all_aliases(place):
    """It names what each alias has under the same name, and imports nothing from an alias."""
    host = "import logging\nlog = logging.getLogger('host')\nkept = []\n"
    place.load({"host": host, "t": ALIASED}, "t")

    report = place.measure("t", "alias")
    cures = [finding.cure for finding in report.findings]
    hook = "def __reload_dispose__(data):\n" + indent("\n".join(map(str, cures)), "    ")
    place.load({"t": ALIASED + hook})
    cured = place.measure("t", "alias")

    assert len(cures) == 4
    assert "alias" not in hook
    assert (cured.outcome, cured.error) == ("clean", None)


PACKAGE = {
    "app.__init__": "",
    "app.base": "class Base: pass\n",
    "app.t": """\
from .base import Base
from . import base
class Mine(Base): pass
log.calls.append(Mine.__base__ is base.Base)
""",
}


def test_relative_imports_work(place):
    """In a submodule they lead to the modules of its package, which keep their state."""
    place.load(PACKAGE, "app.t")
    before = state("app")

    report = place.measure("app.t", "alias")

    assert (report.outcome, report.error, report.not_reloaded) == ("leaking", None, ("app.base", "log"))
    assert set(place.log.calls) == {True}
    assert len(place.log.calls) > 3
    assert state("app") == before
    assert not [name for name in vars(sys.modules["app"]) if "__alias" in name]


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ("from . import sub\nfrom .sub import g\n", ("log",)),
        ("from app import sub\nfrom app.sub import g\n", ("app.sub", "log")),
    ],
    ids=["relative", "absolute"],
)
def test_a_package_loads_the_submodules_that_it_imports_relatively(source, kept, place):
    """By their absolute names it gets the original ones, which is told: they are not reloaded."""
    place.load({"app.__init__": source, "app.sub": "def g(): pass\n"}, "app")
    before = state("app")

    report = place.measure("app", "alias")

    assert [(f.kind, f.registry, f.growth) for f in report.findings] == [
        ("registration", "sys.modules", "growing")
    ]
    assert report.not_reloaded == kept
    assert ("app__alias1.sub" in place.log.ran) == (kept == ("log",))
    assert "app.sub" not in place.log.ran
    assert state("app") == before
    assert aliases() == []


@pytest.mark.parametrize("raising", ["app", "app.sub"])
def test_a_load_that_raises_leaves_nothing(raising, place):
    """Neither the alias nor the submodules that it had loaded."""
    place.load({"app.__init__": "from . import one, sub\n", "app.one": "", "app.sub": ""}, "app")
    before = state("app")
    spoilt = {"app": "app.__init__"}.get(raising, raising)
    place.write({spoilt: "from . import one\nraise LookupError('no more')\n"})

    report = place.measure("app", "alias")

    assert report.outcome == "error"
    assert report.error.startswith("warm-up round 1: the reload raised: LookupError: no more (")
    assert state("app") == before
    assert aliases() == []


def test_a_module_without_a_file_cannot_be_loaded_so(place, monkeypatch):
    """One clear line says why."""

    class Loader:
        def create_module(self, _):
            return None

        def exec_module(self, module):
            module.f = lambda: None

    class Finder:
        def find_spec(self, name, *_):
            return importlib.machinery.ModuleSpec(name, Loader()) if name == "made" else None

    with monkeypatch.context() as patch:
        patch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
        report = place.measure("made", "alias")

    assert report.outcome == "error"
    assert "strategy alias: made has no file of its own; use another strategy" in report.error
    assert "made" not in sys.modules


MARKED = """
    import sys
    import pytest
    import app
    import app.sub
    from app import f

    FIRST = app, f
    seen = []

    @pytest.mark.reloadable("app", strategy="alias", rounds=3)
    def test_body(reloaded):
        assert reloaded.__name__ == f"app__alias{len(seen) + 1}"
        assert reloaded is sys.modules[reloaded.__name__]
        assert app is reloaded and f is reloaded.f and reloaded.g() is reloaded.sub
        assert sys.modules["app"] is FIRST[0] is not reloaded
        assert f not in seen
        seen.append(f)

    def test_after():
        assert len(seen) == 2 * 3 + 1 + 1
        assert (app, f) == FIRST
        assert app is sys.modules["app"]
        assert not [name for name in sys.modules if "__alias" in name]
"""


def test_the_module_of_a_marked_test_is_the_newest_alias(project):
    """`reloaded` and the test module's own bindings are fresh in each round, and put back in the end."""
    project.write(
        {
            "app/__init__.py": "from . import sub\ndef f(): pass\ndef g(): return sub\n",
            "app/sub.py": "",
            "test_it.py": MARKED.replace("seen.append(f)", "seen.append(id(f))").replace(
                "f not in", "id(f) not in"
            ),
        }
    )

    result = project.check_apart("-p", "no:randomly", "-vv")

    result.assert_outcomes(passed=1, failed=1)
    (check,) = project.checks()
    assert [(f["kind"], f["registry"]) for f in check["findings"]] == [("registration", "sys.modules")]
