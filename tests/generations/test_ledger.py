"""The ledger of births: what is new in a round, when something was born, and who is alive, by weak references only."""

import collections
import gc
import importlib.machinery
import sys
import types
import weakref
from typing import Any

import pytest

from pytest_reloadleak.generations.birth import Birth, Firsts
from pytest_reloadleak.generations.earlier_checks import is_left_over
from pytest_reloadleak.generations.ledger import Ledger
from pytest_reloadleak.generations.markers import MARKER
from pytest_reloadleak.generations.unlisted_functions import retire, unlisted
from pytest_reloadleak.heap import collector
from pytest_reloadleak.strategies.imports.name_stamps import fresh_name

PLUGIN = """
import functools

def on_event():
    def inner(): pass
    return inner

class Plugin:
    def on_event(self): pass
    class Inner:
        def work(self): pass

def make():
    value = 1
    def closure(): return value
    return closure

closure = make()
wrapped = functools.lru_cache(lambda: 1)
plugin = Plugin()
"""
DATA = "VALUE = [1]\n"


class Target:
    """A module `plugin` that is executed anew, in new namespaces or in the same one, and noted each time."""

    def __init__(self, source: str = PLUGIN) -> None:
        self.ledger = Ledger(lambda name: name.partition(".")[0] == "plugin")
        self.source = source
        self.module: Any = None
        self.number = -1

    def _execute(self, module: types.ModuleType) -> set[str]:
        vars(module)["__name__"] = name = fresh_name("plugin")
        vars(module)["__spec__"] = importlib.machinery.ModuleSpec(name, None)
        exec(compile(self.source, "plugin.py", "exec"), vars(module))
        self.module = module
        return self.note()

    def note(self) -> set[str]:
        """Note the present state as the next round's."""
        noted = self.ledger.note(self.number, [("plugin", self.module)])
        self.number += 1
        return noted

    def reimport(self) -> set[str]:
        """A new module with a namespace of its own."""
        return self._execute(types.ModuleType("plugin"))

    def reload(self) -> set[str]:
        """The same module and namespace, as `importlib.reload` does it."""
        return self._execute(self.module if self.module is not None else types.ModuleType("plugin"))

    def rounds(self, how: str, count: int) -> None:
        """Some rounds."""
        for _ in range(count):
            getattr(self, how)()

    def older(self, limit: int, *, but: int | None = None) -> int:
        """The number of live old objects after a collection."""
        gc.collect()
        return sum(self.ledger.older(limit, but=but).values())


@pytest.fixture(params=["reimport", "reload"])
def how(request):
    """Both ways in which a generation comes about."""
    return request.param


# -- proof of birth ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", [PLUGIN, DATA, "", "def f(): pass", "class C: pass"])
def test_each_execution_is_a_birth(source, how):
    """Also of a module with nothing in it."""
    target = Target(source)

    assert [getattr(target, how)() for _ in range(4)] == [{"plugin"}] * 4


@pytest.mark.parametrize("source", [PLUGIN, DATA, ""])
@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_no_execution_is_no_birth(source, rounds, how):
    """A reload that does nothing and raises nothing is noticed, in whichever round."""
    target = Target(source)
    target.rounds(how, rounds)

    assert target.note() == set()
    assert target.note() == set()
    assert getattr(target, how)() == {"plugin"}


def test_new_data_alone_is_no_birth():
    """Whoever sets a global has not executed the module."""
    target = Target()
    target.reload()
    target.module.plugin = target.module.Plugin()
    target.module.value = [1, 2, 3]

    assert target.note() == set()


def test_code_that_was_patched_in_place_is_a_birth():
    """The function keeps its identity and has new code: the round bore something."""
    target = Target()
    target.reload()
    before = target.module.on_event
    before.__code__ = compile(PLUGIN, "plugin.py", "exec").co_consts[2].replace(co_name="on_event")

    assert target.note() == {"plugin"}
    assert target.module.on_event is before
    assert target.ledger.born(before) == target.ledger.current


def test_only_the_modules_that_were_executed_are_named():
    """The others were not reloaded, which the report says."""
    ledger = Ledger(lambda name: name.startswith("plugin"))
    one, two = types.ModuleType("plugin.one"), types.ModuleType("plugin.two")

    assert ledger.note(0, [("plugin.one", one), ("plugin.two", two)]) == {"plugin.one", "plugin.two"}
    one = types.ModuleType("plugin.one")
    assert ledger.note(1, [("plugin.one", one), ("plugin.two", two)]) == {"plugin.one"}


def test_entries_that_are_no_modules_are_noted_by_their_methods():
    """A module that replaced itself by an instance is dated by the globals of its class."""
    ledger = Ledger(lambda name: name == "plugin")

    def executed() -> Any:
        namespace: dict[str, Any] = {"__name__": "plugin"}
        exec("class Facade:\n    def work(self): pass\nme = Facade()", namespace)
        return namespace["me"]

    first, second = executed(), executed()

    assert ledger.note(0, [("plugin", first)]) == {"plugin"}
    assert ledger.note(1, [("plugin", first)]) == set()
    assert ledger.note(2, [("plugin", second)]) == {"plugin"}


@pytest.mark.parametrize("entry", [None, 42, "text", object(), type])
def test_entries_that_are_anything_are_survived(entry):
    """Programs put objects of any type into `sys.modules`."""
    assert Ledger(lambda _: True).note(0, [("plugin", entry)]) == set()


# -- the marker -------------------------------------------------------------------------------------------------------


def test_a_marker_lives_as_long_as_its_namespace():
    """A dict has no weak references; the marker in it has."""
    target = Target()
    target.reimport()
    kept = target.module.on_event
    target.reimport()
    gc.collect()
    assert [marker.generation for marker in target.ledger.markers.alive()] == [-1, 0]

    del kept
    gc.collect()

    assert [marker.generation for marker in target.ledger.markers.alive()] == [0]


def test_a_marker_is_not_exported_by_a_star():
    """Its name begins with an underscore."""
    target = Target("a = 1\n")
    target.reimport()
    sys.modules["plugin"] = target.module
    namespace: dict[str, Any] = {}
    try:
        exec("from plugin import *", namespace)
    finally:
        del sys.modules["plugin"]

    assert MARKER in vars(target.module)
    assert MARKER not in namespace
    assert "a" in namespace


def test_a_copy_of_a_namespace_is_not_its_home():
    """`update(vars(module))` copies the marker; only the dict in which it was planted is the generation's."""
    target = Target()
    target.reimport()
    copied = dict(vars(target.module))

    assert target.ledger.markers.of(copied) is target.ledger.markers.of(vars(target.module))
    assert target.ledger.markers.is_home(vars(target.module))
    assert not target.ledger.markers.is_home(copied)


@pytest.mark.parametrize("o", [None, 3, [], {}, {MARKER: 1}, {"a": 1}, type("D", (dict,), {})({MARKER: 2})])
def test_what_has_no_marker(o):
    """Any object may be asked; foreign markers are not this check's."""
    assert Ledger(lambda _: True).markers.of(o) is None


def test_another_checks_marker_is_not_ours():
    """Two checks one after the other, or nested, do not see one another's."""
    target = Target()
    target.reimport()

    assert Ledger(lambda _: True).markers.of(vars(target.module)) is None


class Undead:
    """Resurrects itself, and with it whatever it holds, after the collector has cleared the weak references."""

    saved: list[Any] = []  # noqa: RUF012 - the class is the holder

    def __init__(self, held):
        self.held = held
        self.me = self

    def __del__(self):
        Undead.saved.append(self)


def test_resurrected_markers_are_found():
    """Their weak references say dead; the reference count of the markers' class says otherwise."""
    target = Target()
    target.reimport()
    target.module.undead = Undead(vars(target.module))
    Undead.saved.clear()  # before it can be garbage: a collection may come at any time
    try:
        target.reimport()
        gc.collect()

        assert len(Undead.saved) == 1
        if sys.version_info < (3, 15):  # since then a resurrected object keeps its weak references
            assert target.ledger.markers._markers[0]() is None
        assert sorted(marker.generation for marker in target.ledger.markers.alive()) == [-1, 0]
    finally:
        for undead in Undead.saved:
            undead.__dict__.clear()
        Undead.saved.clear()
    gc.collect()
    assert [marker.generation for marker in target.ledger.markers.alive()] == [0]


# -- dates ------------------------------------------------------------------------------------------------------------

PARTS = {
    "function": "on_event",
    "class": "Plugin",
    "instance": "plugin",
    "closure": "closure",
    "wrapped function": "wrapped.__wrapped__",
    "method": "Plugin.on_event",
    "nested class": "Plugin.Inner",
    "method of a nested class": "Plugin.Inner.work",
    "new instance": "Plugin()",
    "inner function made later": "on_event()",
    "closure made later": "make()",
}


@pytest.mark.parametrize("part", PARTS)
def test_everything_is_dated_by_the_round_that_bore_it(part, how):
    """Functions, closures, classes and instances, whether made by the execution or later."""
    target = Target()
    kept = []
    for _ in range(4):
        getattr(target, how)()
        kept.append(eval(PARTS[part], vars(target.module)))

    assert [target.ledger.born(o) for o in kept] == [-1, 0, 1, 2]


@pytest.mark.parametrize("part", PARTS)
def test_what_an_old_generation_makes_now_is_of_the_old_generation(part):
    """An old function that is still called makes old closures and instances."""
    target = Target()
    target.reimport()
    old = vars(target.module)
    target.rounds("reimport", 2)

    assert target.ledger.born(eval(PARTS[part], old)) == -1


def test_a_lambda_that_no_walk_sees_is_dated_by_its_stamp():
    """It was handed to a foreign list in the module body; its `__module__` is the very string of that round."""
    kept: list[Any] = []
    target = Target("keep(lambda: 1)\nclass C: pass\nkeep(C)\ndel C\n")
    target.module = types.ModuleType("plugin")
    target.module.keep = kept.append
    target.rounds("reload", 4)

    assert [target.ledger.born(o) for o in kept[2:]] == [0, 0, 1, 1, 2, 2]


def test_modules_and_namespaces_are_dated():
    """A module of its own namespace by round; a namespace that several generations share has no date."""
    target = Target()
    target.reimport()
    old = target.module
    target.reimport()

    assert (target.ledger.born(old), target.ledger.born(vars(old))) == (-1, -1)
    assert target.ledger.born(target.module) == 0
    assert not target.ledger.markers.is_shared(vars(target.module))
    target.reload()
    assert target.ledger.markers.is_shared(vars(target.module))
    assert target.ledger.born(vars(target.module)) is None


def foreign_function():
    """Of another module."""


class Foreign:
    def method(self):
        pass


@pytest.mark.parametrize(
    "o", [foreign_function, Foreign, Foreign(), sys, vars(sys), 3, None, "text", [], int, len]
)
def test_foreign_objects_have_no_date(o, how):
    """Whatever others own is of no generation."""
    target = Target()
    target.rounds(how, 2)

    assert target.ledger.born(o) is None


def test_a_foreign_wrapper_is_not_the_targets():
    """`functools.wraps` gives it the name of what it wraps; its globals are another's."""
    target = Target("import functools, test_ledger\n@functools.wraps(lambda: 1)\ndef f(): pass\n")
    target.reimport()

    def wrapper():
        pass

    wrapper.__module__ = target.module.f.__module__

    assert target.ledger.born(wrapper) is None
    assert target.ledger.born(target.module.f) == -1


def test_what_a_new_execution_did_not_define_is_old():
    """A ghost: the name is still there, and what it is bound to is of the round before."""
    target = Target(PLUGIN + "def legacy(): pass\n")
    target.reload()
    target.source = PLUGIN
    target.reload()

    assert target.ledger.born(target.module.legacy) == -1
    assert target.ledger.born(target.module.on_event) == 0


REPLACED = """
import before
class OrderedDict:
    __module__ = "collections"
Earlier = OrderedDict
OrderedDict = before.OrderedDict
"""
"""So the standard library has it: something from elsewhere takes the place of a class that says the same of itself."""


@pytest.mark.parametrize("how", ["reimport", "reload"])
@pytest.mark.parametrize("is_of_c", [True, False], ids=["of C", "of Python"])
def test_a_type_of_c_has_no_generations(is_of_c, how, monkeypatch):
    """It is no older version of the class whose place it takes; a class of Python that is kept like that is one."""
    target = Target(REPLACED)
    target.ledger = Ledger(lambda name: name in {"plugin", "collections"})
    cls: Any = collections.OrderedDict if is_of_c else type("OrderedDict", (), {"__module__": "collections"})
    before = types.ModuleType("before")
    vars(before)["OrderedDict"] = cls
    monkeypatch.setitem(sys.modules, "before", before)

    target.rounds(how, 3)

    assert vars(target.module)["OrderedDict"] is cls
    assert target.ledger.born(cls) == (None if is_of_c else -1)
    assert target.ledger.born(vars(target.module)["Earlier"]) == 1


def test_a_class_that_a_new_execution_did_not_define_is_old():
    """A ghost too, though the namespace leads to it as to what is new."""
    target = Target()
    target.reload()
    target.source = PLUGIN + "class Legacy: pass\n"
    target.reload()
    target.source = PLUGIN
    target.reload()

    assert target.ledger.born(target.module.Legacy) == 0
    assert target.ledger.born(target.module.Plugin) == 1


def test_a_class_is_as_new_as_its_newest_method():
    """Whoever updates old classes in place gives them the new functions, and with these the new namespace."""
    target = Target()
    target.reload()
    old, other = target.module.Plugin, target.module.Plugin.Inner
    target.reload()
    old.on_event = vars(target.module.Plugin)["on_event"]

    assert target.ledger.born(old) == 0
    assert target.ledger.born(other) == -1


def test_what_an_in_place_patcher_left_alone_is_current():
    """Only what changed gets new code; the rest is no older than it."""
    target = Target("def f(): return 1\ndef g(): return 1\n")
    target.reload()
    f, g = target.module.f, target.module.g
    namespace: dict[str, Any] = {}
    exec(compile("\n\ndef f(): return 2\n", "plugin.py", "exec"), namespace)
    f.__code__ = namespace["f"].__code__

    assert target.note() == {"plugin"}
    assert (target.ledger.born(f), target.ledger.born(g)) == (0, 0)


# -- who is alive -----------------------------------------------------------------------------------------------------


def test_nothing_old_is_alive_when_nobody_keeps_it(how):
    """The ledger itself keeps nothing: everything is noted weakly."""
    target = Target()
    target.rounds(how, 5)

    assert target.older(target.ledger.current) == 0
    assert target.older(target.ledger.current + 1) > 0  # the present one, so the zero above is no accident


@pytest.mark.parametrize("part", ["on_event", "Plugin", "plugin", "closure"])
def test_what_somebody_keeps_counts(part, how):
    """And no longer after it is released."""
    target = Target()
    target.reload()
    kept = [getattr(target.module, part)]
    target.rounds(how, 3)
    assert target.older(target.ledger.current) > 0
    assert target.older(target.ledger.current, but=-1) == 0

    kept.clear()

    assert target.older(target.ledger.current) == 0


def test_classes_that_are_alive_are_listed_with_their_generation():
    """Those of before the limit, and not those of the generation that the check keeps."""
    target = Target()
    kept = []
    for _ in range(4):
        target.reload()
        kept.append(target.module.Plugin)
    del kept[1]
    gc.collect()

    def alive(limit: int, but: int | None = None) -> list[tuple[str, int]]:
        found = {(cls.__name__, born) for cls, born in target.ledger.live_classes(limit, but)}
        return sorted((name, born) for name, born in found if name == "Plugin")

    assert alive(2) == [("Plugin", -1), ("Plugin", 1)]
    assert alive(2, but=-1) == [("Plugin", 1)]
    assert alive(3) == [("Plugin", -1), ("Plugin", 1), ("Plugin", 2)]


def test_unlisted_functions_are_those_that_no_walk_saw():
    """Found by the reference count of their globals; none when there are none."""
    target = Target("def f(): pass\n")
    target.reload()
    assert unlisted(target.ledger, [vars(target.module)], ours=1) == []

    lost = eval("lambda: 1", vars(target.module))

    assert unlisted(target.ledger, [vars(target.module)], ours=1) == [lost]


def test_unlisted_functions_are_not_searched_for_without_need(monkeypatch):
    """The heap is searched only if the reference count shows that something else refers to the namespace."""
    target = Target("def f(): pass\n")
    target.reload()
    searched = []
    for name in ("get_referrers", "get_objects"):
        monkeypatch.setattr(collector, name, lambda *args: searched.append(args) or [])

    unlisted(target.ledger, [vars(target.module)], ours=1)
    assert searched == []
    lost = eval("lambda: 1", vars(target.module))
    unlisted(target.ledger, [vars(target.module)], ours=1)

    assert lost is not None
    assert len(searched) == 1


def test_a_reused_id_is_no_old_object():
    """Ids count only while their object lives: a new object in the place of a dead one is new."""
    target = Target("def f(): pass\nclass C: pass\n")
    for _ in range(200):
        target.reload()
        assert target.ledger.born(target.module.f) == target.ledger.current
        assert target.ledger.born(target.module.C) == target.ledger.current


def test_the_ledger_keeps_no_object_alive(how):
    """Not even the newest: when the module goes, everything of it goes."""
    target = Target()
    getattr(target, how)()
    dying = [weakref.ref(o) for o in (target.module.on_event, target.module.Plugin, target.module.plugin)]

    target.module = None
    gc.collect()

    assert [reference() for reference in dying] == [None, None, None]


# -- what earlier checks left -----------------------------------------------------------------------------------------


def test_functions_that_a_finished_check_leaves_are_not_held_against_the_next():
    """They live in a namespace that both share; the original's own functions do not count as left over."""
    target = Target()
    target.reload()
    original = target.module.on_event
    target.reload()
    left = target.module.on_event
    assert not is_left_over(left)

    retire(target.ledger, [vars(target.module)], ours=1, original=target.ledger.births[0].generation)

    assert is_left_over(left)
    assert not is_left_over(original)
    assert not is_left_over(foreign_function)


def test_the_first_birth_of_each_object_is_found():
    """That of the oldest that saw it; an address that is used again is not what was there before."""
    births = [Birth(number) for number in range(4)]
    first, second = types.ModuleType("first"), types.ModuleType("second")
    for number, module in ((1, first), (2, first), (2, second), (3, second)):
        births[number].modules[id(module)] = weakref.ref(module)
    births[0].modules[id(second)] = weakref.ref(types.ModuleType("gone"))
    firsts = Firsts()
    assert [firsts.of(o, births, Birth.MODULES) for o in (first, second, types)] == [1, 2, None]
    assert firsts.of(first, births, Birth.CLASSES) is None

    births[0].modules[id(first)] = weakref.ref(first)
    firsts.clear()
    assert firsts.of(first, births, Birth.MODULES) == 0


def test_dates_stay_right_while_births_are_added_and_pruned():
    """They are asked between the rounds too, and what was known then is not what is true later."""
    target = Target()
    target.reimport()
    kept = {}
    for number in range(6):
        target.reload()
        kept[target.ledger.current] = target.module.Plugin
        if number == 3:
            del kept[1]
            gc.collect()
            target.ledger.prune()
        assert {n: target.ledger.born(cls) for n, cls in kept.items()} == {n: n for n in kept}


def test_what_died_leaves_no_room_behind():
    """The room of old entries would look like memory that the target leaks."""
    target = Target("".join(f"class C{n}: pass\ndef f{n}(): pass\n" for n in range(500)))
    target.reimport()
    for _ in range(3):
        target.reimport()
    gc.collect()

    target.ledger.prune()

    current = target.ledger.births[-1]
    for birth in target.ledger.births[:-1]:
        for table, present in zip(birth.tables(), current.tables(), strict=True):
            assert sys.getsizeof(table) <= max(sys.getsizeof({}), sys.getsizeof(present) // 10)
    assert sys.getsizeof(target.ledger._classes) <= sys.getsizeof(dict(target.ledger._classes))
