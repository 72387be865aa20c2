"""What each strategy does to `sys.modules`, parents and namespaces, and that everything is put back."""

import functools
import importlib
import importlib._bootstrap_external
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from support import extension_in

from pytest_reloadleak.check import measure_reload
from pytest_reloadleak.strategies.decache import Decache
from pytest_reloadleak.strategies.dependencies.project import Project
from pytest_reloadleak.strategies.imports.name_stamps import fresh_name
from pytest_reloadleak.strategies.imports.transaction import Transaction
from pytest_reloadleak.strategies.imports.unit import Unit, reloadable
from pytest_reloadleak.strategies.reimport import Reimport
from pytest_reloadleak.strategies.reload import Reload

STRATEGIES = ("reload", "decache", "reimport")
PROJECT = Project(".")
BY_NAME: dict[str, Any] = {
    name: functools.partial(strategy, PROJECT)
    for name, strategy in (("reload", Reload), ("decache", Decache), ("reimport", Reimport))
}

NOTES = "import sys, log\nlog.ran.append(__name__)\n"
APP = {
    "app.__init__": NOTES + "from app import one, sub\n",
    "app.base": NOTES + "class Base: pass\n",
    "app.one": NOTES + "from app.base import Base\nclass One(Base): pass\n",
    "app.sub.__init__": NOTES + "from app.sub import deep\n",
    "app.sub.deep": NOTES,
    "app.late": NOTES,
}
NAMES = ["app", "app.base", "app.one", "app.sub", "app.sub.deep", "app.late"]


class Place:
    """A directory of modules on `sys.path`; `log.ran` tells which ones were executed, in order."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.write({"log": "ran = []\nseen = []\n"})
        self.log: Any = importlib.import_module("log")

    def write(self, files: Mapping[str, str]) -> None:
        """Write modules by their dotted names."""
        for name, source in files.items():
            path = self.directory.joinpath(*name.split(".")).with_suffix(".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source, encoding="utf-8")

    def load(self, files: Mapping[str, str], *names: str) -> None:
        """Write modules and import some."""
        self.write(files)
        importlib.invalidate_caches()
        for name in names:
            importlib.import_module(name)
        self.log.ran.clear()


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A `Place`; afterwards none of its modules is left."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield Place(tmp_path)
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in {"app", "log", "mod", "outer", "fresh"}:
            del sys.modules[name]
    sys.path_importer_cache.pop(str(tmp_path), None)


def loaded(prefix: str = "app") -> dict[str, Any]:
    """The modules of a unit by name."""
    return {name: m for name, m in sys.modules.items() if name == prefix or name.startswith(f"{prefix}.")}


# -- each strategy's effect -------------------------------------------------------------------------------------------


def test_reload_executes_each_module_once_in_its_own_namespace(place):
    """Modules and dicts stay the same objects."""
    place.load(APP, "app", "app.late")
    before = loaded()
    namespaces = {name: vars(module) for name, module in before.items()}

    Reload(PROJECT).reload(NAMES)

    assert sorted(place.log.ran) == sorted(NAMES)
    assert loaded() == before
    assert all(vars(module) is namespaces[name] for name, module in loaded().items())


def test_reload_executes_submodules_before_their_package(place):
    """So the package, and everybody after it, sees the new ones."""
    place.load(APP, "app", "app.late")

    Reload(PROJECT).reload(NAMES)

    position = {name: at for at, name in enumerate(place.log.ran)}
    assert all(position[name] < position[name.rpartition(".")[0]] for name in NAMES if "." in name)


def test_reload_executes_a_module_after_those_it_took_something_from(place):
    """`from app.base import Base` binds the new class, whichever of the two was loaded first."""
    place.load(APP, "app.one")

    Reload(PROJECT).reload([name for name in NAMES if name in sys.modules])

    assert place.log.ran.index("app.base") < place.log.ran.index("app.one")
    assert sys.modules["app.one"].One.__mro__[1] is sys.modules["app.base"].Base


@pytest.mark.parametrize("strategy", ["decache", "reimport"])
def test_importing_again_makes_new_modules_and_leaves_others_alone(strategy, place):
    """Each module of the unit is a new object, executed once, the lately loaded one too; foreign ones are the same."""
    place.load(APP, "app", "app.late")
    before, log = loaded(), sys.modules["log"]

    BY_NAME[strategy]().reload(NAMES)

    assert sorted(place.log.ran) == sorted(NAMES)
    assert loaded().keys() == before.keys()
    assert not any(loaded()[name] is module for name, module in before.items())
    assert sys.modules["log"] is log
    assert sys.modules["app"].sub is sys.modules["app.sub"]
    assert sys.modules["app"].late is sys.modules["app.late"]
    assert sys.modules["app.one"].One.__mro__[1] is sys.modules["app.base"].Base


@pytest.mark.parametrize(
    ("strategy", "sees"), [("reload", "old"), ("decache", "old"), ("reimport", "nothing")]
)
def test_what_is_on_a_foreign_parent_while_the_target_executes(strategy, sees, place):
    """`reimport` takes the parent's attribute away first, `decache` is as forgetful as naive code; both end up new."""
    looks = "import sys, log\nlog.seen.append(vars(sys.modules['outer']).get('part'))\n"
    place.load({"outer.__init__": "", "outer.part": looks}, "outer.part")
    outer, before = sys.modules["outer"], sys.modules["outer.part"]
    place.log.seen.clear()

    BY_NAME[strategy]().reload(["outer.part"])

    assert place.log.seen == [before if sees == "old" else None]
    assert sys.modules["outer"] is outer
    assert outer.part is sys.modules["outer.part"]
    assert (outer.part is before) == (strategy == "reload")


def test_reimport_leaves_a_parents_attribute_that_is_something_else(place):
    """A function that shadows the submodule of its name is the package's own."""
    place.load({"outer.__init__": "", "outer.part": "def part(): pass\n"}, "outer.part")
    outer = sys.modules["outer"]
    outer.part = shadow = outer.part.part
    seen = []
    source = "import sys, log\nlog.seen.append(vars(sys.modules['outer']).get('part'))\n"
    place.write({"outer.part": source + "#" * 100})

    Reimport(PROJECT).reload(["outer.part"])

    seen += place.log.seen
    assert seen == [shadow]


class Counting(importlib.abc.MetaPathFinder):
    """Finds nothing; counts how often caches are invalidated."""

    def __init__(self) -> None:
        self.invalidated = 0

    def find_spec(self, *_):
        return None

    def invalidate_caches(self):
        self.invalidated += 1


@pytest.mark.parametrize(("strategy", "times"), [("reload", 0), ("decache", 0), ("reimport", 1)])
def test_only_reimport_drops_the_finders_caches(strategy, times, place, monkeypatch):
    """A module file that was just created is found by `reimport`."""
    place.load(APP, "app")
    finder = Counting()
    monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])

    BY_NAME[strategy]().reload(["app.one"])

    assert finder.invalidated == times


@pytest.mark.parametrize("name", ["app", "app.one", "longer_name"])
def test_a_fresh_name_is_equal_and_a_new_object(name):
    """That is what dates everything which an execution bears."""
    again = fresh_name(name)

    assert again == name
    assert again is not name


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_each_execution_has_a_name_of_its_own(strategy, place):
    """`__name__`, and with it `__module__` of functions and classes, is a new string in each round."""
    place.load({"mod": "class Base: pass\n"}, "mod")
    before = sys.modules["mod"].Base

    BY_NAME[strategy]().reload(["mod"])

    after = sys.modules["mod"].Base
    assert after is not before
    assert after.__module__ == before.__module__ == "mod"
    assert after.__module__ is not before.__module__


# -- extension modules ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    "importing",
    [
        "from app import {0}\nused = {0}.__doc__\n",
        "import app.{0}\nused = app.{0}.__doc__\n",
        "import app.{0} as it\n",
    ],
    ids=["from", "dotted", "as"],
)
def test_an_extension_submodule_stays_and_is_said_not_to_be_reloaded(importing, strategy, place):
    """Its code cannot be executed again: it is the same object in every round, and the rest is reloaded around it."""
    name = extension_in(place.directory / "app")
    place.load({"app.__init__": NOTES + importing.format(name), "app.one": NOTES}, "app", "app.one")
    before = sys.modules[f"app.{name}"]

    report = measure_reload("app", strategy=strategy, rounds=2)

    assert (report.outcome, report.error) == ("clean", None)
    assert report.not_reloaded == (f"app.{name}",)
    assert sys.modules[f"app.{name}"] is before
    assert reloadable(["app", f"app.{name}", "app.one"]) == ["app", "app.one"]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("leaks", [True, False], ids=["kept", "renewed"])
def test_an_extension_submodule_that_keeps_old_data_is_told_as_any_importer(leaks, strategy, place):
    """No execution could define its names again: it keeps what the first generation gave it, like a module outside."""
    name = extension_in(place.directory / "app")
    given = f"{name}.GIVEN = RULES\n"
    binding = f"if not hasattr({name}, 'GIVEN'): {given}" if leaks else given
    place.load({"app.__init__": f"RULES = []\nfrom app import {name}\n{binding}"}, "app")

    report = measure_reload("app", strategy=strategy, rounds=3)

    told = [(f.kind, f.holder and f.holder.path, f.advice.partition(";")[0]) for f in report.findings]
    bound = f"app.{name}.GIVEN"
    expected = [("stale-reference", bound, f"{bound} was bound once and still points to the old version")]
    assert told == (expected if leaks else [])


# -- everything is put back -------------------------------------------------------------------------------------------


def state(place: Place) -> dict[str, Any]:
    """Identity of the modules, and identity of every value in their namespaces."""
    out: dict[str, Any] = {}
    for name, module in {**loaded(), **loaded("mod"), **loaded("outer"), **loaded("fresh")}.items():
        out[name] = module
        out.update({f"{name}:{key}": id(value) for key, value in vars(module).items()})
    return out


RAISES = (
    "import log\nlog.ran.append(__name__)\nif len(log.ran) > log.limit: raise LookupError('round is bad')\n"
)
CALLABLES: dict[str, Callable[[], object]] = {
    "in place": lambda: importlib.reload(sys.modules["mod"]),
    "anew": lambda: (sys.modules.pop("mod"), importlib.import_module("mod")),
}


@pytest.mark.parametrize("how", [*STRATEGIES, *CALLABLES])
@pytest.mark.parametrize("limit", [1, 3])
def test_a_reload_that_raises_is_rolled_back(how, limit, place):
    """Whichever round fails: `error` with the exception and the user's own line, and the modules as they were."""
    place.log.limit = 10
    place.load({"mod": RAISES + "value = object()\ndef f(): pass\n"}, "mod")
    before = state(place)
    place.log.limit = limit
    keywords: dict[str, Any] = {"reload": CALLABLES[how]} if how in CALLABLES else {"strategy": how}

    report = measure_reload("mod", rounds=5, **keywords)

    assert report.outcome == "error"
    assert report.error is not None
    assert report.error.startswith(f"round {limit}: the reload raised: LookupError: round is bad (")
    assert f"{place.directory / 'mod.py'}:3 in <module>" in report.error
    assert report.reason == report.error
    assert state(place) == before


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_reload_that_raises_halfway_through_a_package_is_rolled_back(strategy, place):
    """The modules before the one that fails were replaced already; they come back as well."""
    place.log.limit = 100
    place.load({**APP, "app.sub.deep": RAISES, "app.late": RAISES}, "app", "app.late")
    before = state(place)
    place.log.limit = 4

    report = measure_reload("app", strategy=strategy)

    assert report.outcome == "error"
    assert state(place) == before
    assert sys.modules["app"].sub is sys.modules["app.sub"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_syntax_error_of_a_later_round_is_an_error(strategy, place):
    """What the source has become in the meantime is the target's affair."""
    place.load({"mod": "import log\nlog.ran.append(1)\nif len(log.ran) == 2:\n    log.spoil()\n"}, "mod")
    place.log.spoil = lambda: place.write({"mod": "def broken(:\n"})
    before = state(place)

    report = measure_reload("mod", strategy=strategy)

    assert report.outcome == "error"
    assert "the reload raised: SyntaxError" in (report.error or "")
    assert state(place) == before


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_after_a_clean_check_everything_is_as_before(strategy, place):
    """Modules, namespaces and parents' attributes, identity included."""
    place.load(APP, "app", "app.late")
    before = state(place)

    report = measure_reload("app", strategy=strategy, rounds=2)

    assert report.outcome == "clean"
    assert state(place) == before


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_unit_that_was_not_loaded_is_not_loaded_afterwards(strategy, place):
    """Neither the modules nor the attributes on their parents are left."""
    place.load(
        {"outer.__init__": "", "outer.part.__init__": "from outer.part import leaf\n", "outer.part.leaf": ""},
        "outer",
    )
    outer = sys.modules["outer"]

    report = measure_reload("outer.part", strategy=strategy, rounds=2)

    assert report.outcome == "clean"
    assert loaded("outer") == {"outer": outer}
    assert "part" not in vars(outer)


def test_a_transaction_puts_back_what_was_deleted_replaced_and_added(place):
    """Entries of `sys.modules`, names in namespaces, and attributes on parents, in whatever way they were changed."""
    place.load(APP, "app", "app.late")
    before, order = state(place), list(vars(sys.modules["app.one"]))
    transaction = Transaction.begin(Unit(("app",)))
    app, one = sys.modules["app"], sys.modules["app.one"]

    del sys.modules["app.sub"], app.sub, one.Base
    one.One = one.more = "changed"
    sys.modules["app.one"] = types.ModuleType("app.one")
    sys.modules["app.brand_new"] = app.brand_new = types.ModuleType("app.brand_new")
    replaced_log = sys.modules["log"]
    sys.modules["log"] = types.ModuleType("log")
    transaction.roll_back()

    assert state(place) == before
    assert sorted(vars(one)) == sorted(order)
    assert sys.modules["log"] is replaced_log


def test_a_transaction_leaves_alone_what_foreign_code_loaded(place):
    """A dependency that the target imported meanwhile stays: dropping it would be a reload of its own."""
    place.load({"mod": "import fresh\n", "fresh": ""})
    transaction = Transaction.begin(Unit(("mod",)))

    importlib.import_module("mod")
    transaction.roll_back()

    assert "mod" not in sys.modules
    assert "fresh" in sys.modules


# -- edits within the same second -------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [*STRATEGIES, *CALLABLES])
def test_an_edit_of_the_same_size_in_the_same_second_is_seen(how, place, monkeypatch):
    """Python would believe the `.pyc` (shown first); the check sees the source, and puts the loader back."""
    source = place.directory / "mod.py"
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    second_ns = 1_700_000_000 * 10**9
    place.write({"mod": "import log\nlog.seen.append('one')\n"})
    os.utime(source, ns=(second_ns, second_ns + 10**8))
    importlib.import_module("mod")
    cached = Path(importlib.util.cache_from_source(str(source)))
    os.utime(cached, ns=(second_ns, second_ns + 2 * 10**8))
    place.write({"mod": "import log\nlog.seen.append('two')\n"})
    os.utime(source, ns=(second_ns, second_ns + 3 * 10**8))
    importlib.reload(sys.modules["mod"])
    assert place.log.seen == ["one", "one"]
    keywords: dict[str, Any] = {"reload": CALLABLES[how]} if how in CALLABLES else {"strategy": how}

    report = measure_reload("mod", rounds=1, **keywords)

    assert report.outcome == "clean"
    assert set(place.log.seen[2:]) == {"two"}
    assert importlib._bootstrap_external.cache_from_source is importlib.util.cache_from_source


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_bytecode_cache_is_restored_when_a_reload_raises(strategy, place):
    """Even from within a block that distrusts the `.pyc`."""
    place.log.limit = 10
    place.load({"mod": RAISES}, "mod")
    place.log.limit = 0
    ahead_ns = os.stat(place.directory / "mod.py").st_mtime_ns + 10**12
    os.utime(place.directory / "mod.py", ns=(ahead_ns, ahead_ns))

    report = measure_reload("mod", strategy=strategy)

    assert report.outcome == "error"
    assert importlib._bootstrap_external.cache_from_source is importlib.util.cache_from_source
