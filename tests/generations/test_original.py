"""Trial deletion of the original generation: a suspicion exactly where something outside refers to it."""

import functools
import gc
import random
import sys
import types
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from pytest_reloadleak.generations.ledger import Ledger
from pytest_reloadleak.generations.original import Original, Suspicion, suspect

FOREIGN: list[Any] = []
"""Somebody else's list, for references from outside."""


@pytest.fixture(autouse=True)
def _nothing_foreign():
    """Each test begins and ends without references from outside."""
    FOREIGN.clear()
    yield
    FOREIGN.clear()
    foreign_function.__dict__.clear()


def foreign_function():
    """A function of another module."""


class Kept:
    """An original generation of a module `plugin` and its successor, held by nothing but the containers of a check."""

    def __init__(self, source: str, successor: str = "") -> None:
        self.ledger = Ledger(lambda name: name == "plugin")
        self.original = self._keep(source)
        self.current = {"plugin": self._execute(successor, 0).__dict__}
        self.ledger.note(1, [])
        gc.collect()

    def _execute(self, source: str, generation: int) -> types.ModuleType:
        module = types.ModuleType("plugin")
        exec(compile(source, "plugin.py", "exec"), vars(module))
        self.ledger.note(generation, [("plugin", module)])
        return module

    def _keep(self, source: str) -> Original:
        module = self._execute(source, -1)
        modules: dict[str, Any] = {"plugin": module}
        namespaces = {"plugin": (vars(module), dict(vars(module)))}
        return Original(-1, [modules, {}, namespaces], namespaces)

    def __getitem__(self, name: str) -> Any:
        return self.original.namespaces["plugin"][0][name]

    def suspect(self) -> Suspicion:
        """What the check would say."""
        return suspect(self.original, self.ledger, self.current)

    def is_held(self) -> bool:
        """Whether there is a suspicion."""
        return self.suspect().is_held


PLUGIN = """
import functools, os, sys, weakref
from test_original import foreign_function

def on_event(a=None):
    return os

class Plugin:
    def on_event(self):
        return Plugin
    size = property(lambda self: 1)
    made = staticmethod(lambda: 2)

class Plain:
    pass

plugin = Plugin()
plugin.me = plugin
handlers = [on_event, plugin.on_event, functools.partial(on_event, plugin)]
by_name = {"event": on_event, plugin: handlers}
"""


# -- by hand ----------------------------------------------------------------------------------------------------------


def test_what_only_the_check_holds_is_no_suspect():
    """Circles within the generation, and references to the rest of the world, are no references from outside."""
    assert not Kept(PLUGIN).is_held()


OUTSIDE: dict[str, Callable[[Kept], object]] = {
    "a function": lambda s: FOREIGN.append(s["on_event"]),
    "a class": lambda s: FOREIGN.append(s["Plugin"]),
    "a class without methods": lambda s: FOREIGN.append(s["Plain"]),
    "an instance": lambda s: FOREIGN.append(s["plugin"]),
    "a new instance": lambda s: FOREIGN.append(s["Plain"]()),
    "a bound method": lambda s: FOREIGN.append(s["plugin"].on_event),
    "the namespace": lambda s: FOREIGN.append(s.original.namespaces["plugin"][0]),
    "the module": lambda s: FOREIGN.append(s.original.containers[0]["plugin"]),
    "a list that leads to a function": lambda s: FOREIGN.append(s["handlers"]),
    "an iterator over such a list": lambda s: FOREIGN.append(iter(s["handlers"])),
    "an attribute of a foreign function": lambda s: setattr(foreign_function, "kept", s["on_event"]),
    "a subclass": lambda s: FOREIGN.append(type("Sub", (s["Plugin"],), {"__module__": "other"})),
    "a weak reference's callback": lambda s: FOREIGN.append(weakref.ref(foreign_function, s["on_event"])),
    "a key": lambda s: FOREIGN.append({s["plugin"]: 1}),
    "an inner function's code in use": lambda s: FOREIGN.append(
        types.FunctionType(s["on_event"].__code__, s.original.namespaces["plugin"][0])
    ),
    "the same function twice": lambda s: FOREIGN.extend([s["on_event"], s["on_event"]]),
}


@pytest.mark.parametrize("reference", OUTSIDE)
def test_one_reference_from_outside_is_enough(reference):
    """Whatever it leads to first: function, class, instance, namespace, module or plain data on the way."""
    kept = Kept(PLUGIN)
    assert not kept.is_held()

    OUTSIDE[reference](kept)
    gc.collect()

    assert kept.is_held()


@pytest.mark.parametrize("reference", OUTSIDE)
def test_a_reference_that_is_gone_again_is_none(reference):
    """The cured twin: the very same reference, dropped."""
    kept = Kept(PLUGIN)
    OUTSIDE[reference](kept)

    FOREIGN.clear()
    foreign_function.__dict__.clear()
    gc.collect()

    assert not kept.is_held()


INNOCENT: dict[str, Callable[[Kept], object]] = {
    "a weak reference": lambda s: FOREIGN.append(weakref.ref(s["on_event"])),
    "a weak reference to an instance": lambda s: FOREIGN.append(weakref.ref(s["plugin"])),
    "the name": lambda s: FOREIGN.append(s["on_event"].__name__),
    "the code": lambda s: FOREIGN.append(s["on_event"].__code__),
    "what the target imported": lambda s: FOREIGN.append(s["os"]),
    "data that leads nowhere": lambda s: FOREIGN.append(s["on_event"].__defaults__),
}


@pytest.mark.parametrize("reference", INNOCENT)
def test_references_that_keep_nothing_of_the_generation_alive_are_none(reference):
    """Weak references, and references to objects that do not belong to the generation."""
    kept = Kept(PLUGIN)

    INNOCENT[reference](kept)

    assert not kept.is_held()


def test_the_generation_may_refer_to_what_others_hold():
    """A foreign list that the target imported has other holders; only when it leads back is that a suspicion."""
    kept = Kept("from test_original import FOREIGN\ndef on_event(): pass\n")
    assert not kept.is_held()

    FOREIGN.append(kept["on_event"])

    assert kept.is_held()


def test_own_objects_are_those_of_the_generation():
    """Modules, namespaces, functions, classes and instances; neither its data nor the successor's."""
    kept = Kept(PLUGIN, PLUGIN)

    own = kept.suspect().own

    assert {type(o).__name__ for o in own} == {"module", "dict", "function", "type", "Plugin"}
    kinds = {id(o) for o in own}
    assert {id(kept[name]) for name in ("on_event", "Plugin", "Plain", "plugin")} <= kinds
    assert id(kept["handlers"]) not in kinds
    assert not kinds & {id(value) for value in kept.current["plugin"].values()}


def test_what_is_referred_to_itself_is_told_from_what_is_led_to():
    """`outside` has the ends of the references from outside, and no more."""
    kept = Kept(PLUGIN)
    FOREIGN.append(kept["plugin"])

    assert kept.suspect().outside == {id(kept["plugin"])}


# -- data -------------------------------------------------------------------------------------------------------------


def test_data_that_was_replaced_counts_by_its_name():
    """`from plugin import DEFAULTS` keeps the old list: another list under the same name is a new version."""
    kept = Kept("DEFAULTS = [1]\n", "DEFAULTS = [1]\n")
    assert not kept.is_held()

    FOREIGN.append(kept["DEFAULTS"])
    suspicion = kept.suspect()

    assert suspicion.is_held
    assert suspicion.data == {id(kept["DEFAULTS"]): "plugin.DEFAULTS"}
    assert [value is kept["DEFAULTS"] for value in suspicion.values] == [True]


LIBRARY = """
import os
from collections import OrderedDict
from textwrap import dedent
"""


@pytest.mark.parametrize(
    ("source", "successor"),
    [
        ("DEFAULTS = 3.5\n", "DEFAULTS = 3.25 + 0.25\n"),
        ("DEFAULTS = 'text ' * 3\n", "DEFAULTS = 'text ' * 3\n"),
        ("DEFAULTS = (1, ('a', None))\n", "DEFAULTS = (1, ('a', None))\n"),
        (
            f"{LIBRARY}DEFAULTS = (list, (OrderedDict, 1))\n",
            f"{LIBRARY}DEFAULTS = (list, (OrderedDict, 1))\n",
        ),
        (f"{LIBRARY}DEFAULTS = (dedent, os, open)\n", f"{LIBRARY}DEFAULTS = (dedent, os, open)\n"),
        (f"{LIBRARY}DEFAULTS = frozenset({{os, 1}})\n", f"{LIBRARY}DEFAULTS = frozenset({{os, 1}})\n"),
        ("import os\nDEFAULTS = os.environ\n", "import os\nDEFAULTS = os.environ\n"),
        ("DEFAULTS = [1]\n", "OTHER = [1]\n"),
        ("__defaults__ = DEFAULTS = [1]\n", "__defaults__ = [1]\n"),
    ],
    ids=[
        "a number",
        "a string",
        "a tuple of such",
        "of others' classes",
        "of others' functions and modules",
        "a frozenset",
        "the very same object",
        "no successor",
        "a dunder",
    ],
)
def test_data_that_is_no_older_version_does_not_count(source, successor):
    """Values that are compared by value, objects that both share, and names that the successor does not have."""
    kept = Kept(source, successor)

    FOREIGN.append(kept["DEFAULTS"])

    assert not kept.is_held()


@pytest.mark.parametrize(
    "value", ["(list, on_event)", "((on_event,), 1)", "frozenset({Plugin})", "(object(),)", "([].append,)"]
)
def test_a_tuple_of_what_has_versions_counts(value):
    """One of the module's own functions or classes, or of data that may change, is no constant."""
    source = f"def on_event(): pass\nclass Plugin: pass\nDEFAULTS = {value}\n"
    kept = Kept(source, source)

    FOREIGN.append(kept["DEFAULTS"])

    assert kept.suspect().data == {id(kept["DEFAULTS"]): "plugin.DEFAULTS"}


# -- random modules ---------------------------------------------------------------------------------------------------


def random_source(rng: random.Random) -> str:
    """A module whose functions, classes, instances and containers refer to one another at random."""
    lines = [
        "import functools, os, weakref",
        "from test_original import foreign_function",
        "x0 = []",
    ]
    makers = (
        "def x{n}(a=x{a}, *, b=x{b}): return os",
        "class x{n}:\n    item = x{a}\n    def method(self): return x{b}",
        "class x{n}(x{a} if isinstance(x{a}, type) else object):\n    item = property(lambda self: x{b})",
        "class x{n}:\n    pass",
        "x{n} = type('T', (), {{'__module__': __name__, 'go': lambda self: 1}})()\nx{n}.item = x{a}",
        "def make{n}(y):\n    def inner(): return y\n    return inner\nx{n} = make{n}(x{a})\ndel make{n}",
        "x{n} = functools.partial(foreign_function, x{a}, key=x{b})",
        "x{n} = [x{a}, x{b}, x{a}]",
        "x{n} = {{'a': x{a}, 'b': x{b}}}",
        "x{n} = (x{a}, [x{b}])",
        "x{n} = lambda y=x{a}: y",
        "x{n} = staticmethod(x{a})",
        "x{n} = foreign_function",
        "x{n} = type('U', (), {{'__module__': __name__, 'go': lambda self: 1}})().go",
    )
    size = rng.randrange(3, 25)
    for n in range(1, size):
        lines.append(rng.choice(makers).format(n=n, a=rng.randrange(n), b=rng.randrange(n)))
        if rng.random() < 0.5:
            lines.append(f"x0.append(x{n})")
    lines += [f"del x{n}" for n in range(1, size) if rng.random() < 0.2]
    return "\n".join(lines)


def reaches(start: object, targets: set[int], stops: Callable[[Any], bool]) -> bool:
    """Brute force: whether `start` leads to any of the targets."""
    seen, stack = {id(start)}, [start]
    while stack:
        o = stack.pop()
        if id(o) in targets:
            return True
        if stops(o):
            continue
        for child in gc.get_referents(o):
            if id(child) not in seen:
                seen.add(id(child))
                stack.append(child)
    return False


def is_of_others(o: Any) -> bool:
    """Whether `o` is a module, class or function that is not of the plugin."""
    if isinstance(o, types.FunctionType):
        return o.__globals__.get("__name__") != "plugin"
    if isinstance(o, type):
        return o.__module__ != "plugin"
    return isinstance(o, types.ModuleType) and o.__name__ != "plugin"


def candidates(kept: Kept) -> list[Any]:
    """Objects of the generation, own and data, that a reference from outside could lead to."""
    seen: set[int] = set()
    out: list[Any] = []
    stack = [kept.original.namespaces["plugin"][0]]
    while stack:
        o = stack.pop()
        for child in gc.get_referents(o):
            if id(child) not in seen and gc.is_tracked(child) and not is_of_others(child):
                if child is vars(sys.modules["builtins"]):
                    continue
                seen.add(id(child))
                out.append(child)
                stack.append(child)
    return out


@pytest.mark.parametrize("block", range(8))
def test_suspicion_on_random_modules_exactly_when_there_is_a_reference_from_outside(block):
    """None without, and with one exactly when what it refers to leads to anything of the generation."""
    for seed in range(block * 20, block * 20 + 20):
        rng = random.Random(seed)
        source = random_source(rng)
        kept = Kept(source)
        assert not kept.is_held(), (seed, source)

        for _ in range(3):
            FOREIGN.append(rng.choice(candidates(kept)))
            own = set(map(id, kept.suspect().own))
            expected = reaches(FOREIGN[0], own, is_of_others)
            assert kept.is_held() == expected, (seed, type(FOREIGN[0]), source)
            FOREIGN.clear()

        assert not kept.is_held(), (seed, source)


def test_the_random_modules_are_worth_something():
    """Both answers occur often, so that neither `True` nor `False` throughout would pass."""
    answers = []
    for seed in range(40):
        rng = random.Random(seed)
        kept = Kept(random_source(rng))
        own = set(map(id, kept.suspect().own))
        answers += [reaches(o, own, is_of_others) for o in candidates(kept)]

    assert min(answers.count(True), answers.count(False)) > 50


def test_a_generator_that_the_target_keeps_itself_is_no_suspect():
    """Its frame refers to the namespace, from within."""
    kept = Kept(
        "def on_event(): pass\ndef ticks(f):\n    yield f\n    yield 1\nrunning = ticks(on_event)\nnext(running)\n"
    )
    assert not kept.is_held()

    FOREIGN.append(kept["running"])

    assert kept.is_held()


@pytest.mark.parametrize(
    "decorator",
    [
        "functools.lru_cache",
        "functools.singledispatch",
        "functools.wraps(print)",
        "contextlib.contextmanager",
    ],
)
def test_decorators_of_the_standard_library_are_no_suspects(decorator):
    """Their wrappers and tables are the target's own."""
    imports = "import contextlib, functools\nclass Item: pass\n"
    kept = Kept(f"{imports}@{decorator}\ndef on_event(item): return [item]\non_event(Item())\n")
    assert not kept.is_held()

    FOREIGN.append(kept["on_event"])

    assert kept.is_held()


def test_a_unit_that_is_too_large_to_count_is_suspected():
    """The sweep then decides."""
    assert not Kept("rows = [[n] for n in range(1000)]\n").is_held()
    assert Kept("rows = [[n] for n in range(60_000)]\n").is_held()


def test_nothing_is_kept():
    """After the suspicion is dropped, and the containers cleared, the generation dies."""
    kept = Kept(PLUGIN)
    died = weakref.ref(kept["plugin"])
    suspicion = kept.suspect()
    assert suspicion.own

    del suspicion
    kept.original.clear()
    gc.collect()

    assert died() is None
    assert kept.original.containers == []
    assert functools is not None
