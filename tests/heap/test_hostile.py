"""Targets and holders that resist being looked at: each leaking twin is found, each cured one is clean.

Whatever a hostile object defines, the tool must not run it. Every such method notes who called: the program itself (the
modules of a case) is told the truth; the tool is noted in `host.calls`, and gets an exception or a lie.
"""

import contextlib
import dataclasses
import gc
import importlib
import json
import logging
import subprocess
import sys
import textwrap
import threading
import time
import types
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import pytest_reloadleak
from pytest_reloadleak import Report
from pytest_reloadleak.check import measure_reload
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.report import terminal
from pytest_reloadleak.report.jsonfile import to_dict

ROUNDS = 3
JUDGED = (-1, 0, 1)
"""Generations that are judged after `ROUNDS` rounds: that of before the warm-up, and all but the last two."""
STRATEGIES = ("reimport", "reload")

HOST = """
import os, sys, types, weakref
from collections import deque

HERE = os.path.dirname(__file__)
LEAKS = {leaks}
LIES = {lies}
TOOL = {tool!r}
calls = []
kept = []


def called(name, truth, lie):
    frame = sys._getframe(1).f_back
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(HERE) or "importlib" in file:
            return truth
        if file.startswith(TOOL):
            calls.append(f"{{name}} in {{os.path.basename(file)}}:{{frame.f_lineno}}")
            if LIES:
                return lie
            raise RuntimeError("the tool called " + name)
        frame = frame.f_back
    return truth


class Trouble:
    def __repr__(self): return called("__repr__", "trouble", "host")
    def __str__(self): return called("__str__", "trouble", "host")
    def __format__(self, spec): return called("__format__", "trouble", "host")
    def __eq__(self, other): return called("__eq__", self is other, True)
    def __ne__(self, other): return called("__ne__", self is not other, False)
    def __lt__(self, other): return called("__lt__", False, True)
    def __hash__(self): return called("__hash__", id(self), 0)
    def __bool__(self): return called("__bool__", True, False)
    def __len__(self): return called("__len__", 1, 0)
    def __iter__(self): return called("__iter__", iter(()), iter(()))
    def __contains__(self, o): return called("__contains__", False, True)
    def __getitem__(self, key): return called("__getitem__", None, None)
    def __sizeof__(self): return called("__sizeof__", 32, -1)
    def __dir__(self): return called("__dir__", [], ["kept"])
    def __reduce_ex__(self, protocol): return called("__reduce_ex__", "trouble", "host")
    def __getattr__(self, name):
        called("__getattr__", None, None)
        raise AttributeError(name)
    def __getattribute__(self, name):
        called("__getattribute__", None, None)
        return object.__getattribute__(self, name)
    __class__ = property(lambda self: called("__class__", type(self), type(None)))


class Meta(type):
    def __repr__(cls): return called("Meta.__repr__", "Trouble", "host")
    def __eq__(cls, other): return called("Meta.__eq__", cls is other, True)
    def __hash__(cls): return called("Meta.__hash__", id(cls), 0)
    def __bool__(cls): return called("Meta.__bool__", True, False)
    def __len__(cls): return called("Meta.__len__", 1, 0)
    def __iter__(cls): return called("Meta.__iter__", iter(()), iter(()))
    def __sizeof__(cls): return called("Meta.__sizeof__", 32, -1)
    def __dir__(cls): return called("Meta.__dir__", [], ["kept"])
    def __instancecheck__(cls, o): return called("Meta.__instancecheck__", False, True)
    def __subclasscheck__(cls, o): return called("Meta.__subclasscheck__", False, True)
    def __subclasses__(cls): return called("Meta.__subclasses__", [], [cls])
    def __getattr__(cls, name):
        called("Meta.__getattr__", None, None)
        raise AttributeError(name)
    def __getattribute__(cls, name):
        called("Meta.__getattribute__", None, None)
        return type.__getattribute__(cls, name)
    __class__ = property(lambda cls: called("Meta.__class__", Meta, type(None)))
    __name__ = property(lambda cls: called("Meta.__name__", "Trouble", "host"))
    __module__ = property(lambda cls: called("Meta.__module__", "host", "plugin"))
    __mro__ = property(lambda cls: called("Meta.__mro__", (cls, object), ()))
    __bases__ = property(lambda cls: called("Meta.__bases__", (object,), ()))
    __dict__ = property(lambda cls: called("Meta.__dict__", {{}}, {{}}))


def keep(o):
    if LEAKS:
        list.append(kept, o)
    else:
        list.__setitem__(kept, slice(None), [o])
"""

PLUGIN = """
import host

def on_event(*args):
    pass

class Plain:
    def work(self):
        pass
"""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A hostile holder or target, leaking or cured by what `host.keep` does.

    Attributes:
        host: further code of the foreign module, if any.
        plugin: further code of the target.
        path: `holder.path` of the one finding of the leaking twin.
        held: name of what is held.
    """

    name: str
    plugin: str
    host: str = ""
    path: str = "host.kept[*]"
    held: str = "plugin.on_event"


CASES = (
    Case(
        name="an instance of the target",
        plugin="class Guest(host.Trouble):\n    def work(self): pass\nguest = Guest()\nhost.keep(Guest())",
        path="host.kept[*]",
        held="plugin.Guest",
    ),
    Case(
        name="a class of the target",
        plugin="class Guest(host.Trouble, metaclass=host.Meta):\n    def work(self): pass\nhost.keep(Guest)",
        path="host.kept[*]",
        held="plugin.Guest",
    ),
    Case(
        name="an instance of a class with a hostile metaclass",
        plugin="class Guest(metaclass=host.Meta):\n    def work(self): pass\nhost.keep(Guest())",
        path="host.kept[*]",
        held="plugin.Guest",
    ),
    Case(
        name="a bound method of a hostile instance",
        plugin="class Guest(host.Trouble):\n    def work(self): pass\n"
        "host.keep(host.types.MethodType(vars(Guest)['work'], Guest()))",
        path="host.kept[*]",
        held="plugin.Guest.work",
    ),
    Case(
        name="an attribute of a hostile instance",
        host="class Box(Trouble): pass",
        plugin="box = host.Box()\nbox.item = on_event\nhost.keep(box)\ndel box",
        path="host.kept[*].item",
    ),
    Case(
        name="a slot of a hostile instance",
        host="class Box(Trouble): __slots__ = ('item',)",
        plugin="box = host.Box()\nbox.item = on_event\nhost.keep(box)\ndel box",
        path="host.kept[*].item",
    ),
    Case(
        name="a hostile list",
        host="class List(Trouble, list): pass\nkept = List()",
        plugin="host.keep(on_event)",
        path="host.kept[*]",
    ),
    Case(
        name="a hostile dict",
        host="class Dict(Trouble, dict): pass\nkept = Dict()\n"
        "def keep(o): dict.__setitem__(kept, id(o) if LEAKS else 0, o)",
        plugin="host.keep(on_event)",
        path="host.kept[*]",
    ),
    Case(
        name="a hostile set",
        host="class Set(Trouble, set): pass\nkept = Set()\n"
        "def keep(o):\n    if not LEAKS: set.clear(kept)\n    set.add(kept, o)",
        plugin="host.keep(on_event)",
        path="host.kept[*]",
    ),
    Case(
        name="a hostile deque",
        host="class Deque(Trouble, deque): pass\nkept = Deque()\n"
        "def keep(o):\n    if not LEAKS: deque.clear(kept)\n    deque.append(kept, o)",
        plugin="host.keep(on_event)",
        path="host.kept[*]",
    ),
    Case(
        name="a hostile tuple",
        host="class Tuple(Trouble, tuple): pass",
        plugin="host.keep(host.Tuple([on_event]))",
        path="host.kept[*][*]",
    ),
    Case(
        name="a hostile str",
        host="class Text(Trouble, str): pass",
        plugin="text = host.Text('plugin')\ntext.item = on_event\nhost.keep(text)\ndel text",
        path="host.kept[*].item",
    ),
    Case(
        name="a hostile exception",
        host="class Failure(Trouble, Exception): pass",
        plugin="error = host.Failure('no')\nerror.item = on_event\nhost.keep(error)\ndel error",
        path="host.kept[*].item",
    ),
    Case(
        name="a hostile weak reference with a callback",
        host="class Ref(Trouble, weakref.ref): pass\nclass Anchor: pass\nanchor = Anchor()",
        plugin="host.keep(host.Ref(host.anchor, on_event))",
        path="host.kept[*].__callback__",
    ),
    Case(
        name="a value under a hostile key",
        host="kept = {}\ndef keep(o):\n    if not LEAKS: kept.clear()\n    kept[Trouble()] = o",
        plugin="host.keep(on_event)",
        path="host.kept[*]",
    ),
    Case(
        name="a hostile key of the target",
        host="kept = {}\ndef keep(o):\n    if not LEAKS: kept.clear()\n    kept[o] = 1",
        plugin="class Guest(host.Trouble):\n    def work(self): pass\nhost.keep(Guest())",
        path="host.kept<key>",
        held="plugin.Guest",
    ),
    Case(
        name="a class with a hostile metaclass",
        host="class Registry(metaclass=Meta):\n    items = []\ndel kept\n"
        "def keep(o):\n    items = vars(type)['__dict__'].__get__(Registry)['items']\n"
        "    items[:] = [*(items if LEAKS else ()), o]",
        plugin="host.keep(on_event)",
        path="host.Registry.items[*]",
    ),
    Case(
        name="a class whose descriptors are hostile",
        host="class Descriptor(Trouble):\n"
        "    def __get__(self, o, cls): return called('__get__', None, None)\n"
        "class Box:\n    item = Descriptor()\n    data = property(lambda self: called('property', 0, 0))\nbox = Box()\n"
        "Box.kept = kept\ndel kept\n"
        "def keep(o): Box.kept[:] = [*(Box.kept if LEAKS else ()), o]",
        plugin="host.keep(on_event)",
        path="host.Box.kept[*]",
    ),
    Case(
        name="a hostile module",
        host="class Module(Trouble, types.ModuleType): pass\n"
        "haunted = sys.modules['haunted'] = Module('haunted')\nhaunted.kept = kept\n"
        "del kept, haunted\n"
        "def keep(o):\n    kept = sys.modules['haunted'].kept\n    kept[:] = [*(kept if LEAKS else ()), o]",
        plugin="host.keep(on_event)",
        path="haunted.kept[*]",
    ),
    Case(
        name="what is in sys.modules without being a module",
        host="entry = sys.modules['haunted'] = Trouble()\nentry.kept = kept\ndel kept, entry\n"
        "def keep(o):\n    kept = sys.modules['haunted'].kept\n    kept[:] = [*(kept if LEAKS else ()), o]",
        plugin="host.keep(on_event)",
        path="haunted.kept[*]",
    ),
    Case(
        name="a hostile key in sys.modules",
        host="sys.modules[Trouble()] = types.ModuleType('odd')",
        plugin="host.keep(on_event)",
        path="host.kept[*]",
    ),
    Case(
        name="hostile keys and values in the target's namespace",
        host="class Text(Trouble, str): pass",
        plugin="globals()[host.Trouble()] = host.Trouble()\nglobals()[host.Text('x')] = host.Text('y')\n"
        "value = host.Trouble()\nhost.keep(on_event)",
        path="host.kept[*]",
    ),
    Case(
        name="a function with hostile names",
        host="class Text(Trouble, str): pass",
        plugin="on_event.__module__ = host.Trouble()\non_event.__qualname__ = host.Text('on_event')\n"
        "on_event.__doc__ = host.Trouble()\non_event.item = host.Trouble()\non_event.__defaults__ = (host.Trouble(),)\n"
        "host.keep(on_event)",
        path="host.kept[*]",
        held="function",
    ),
    Case(
        name="a class with hostile names",
        plugin="Plain.__module__ = host.Trouble()\nPlain.__doc__ = host.Trouble()\nhost.keep(Plain)",
        path="host.kept[*].work",
        held="plugin.Plain.work",
    ),
    Case(
        name="a module with a __getattr__",
        plugin="def __getattr__(name):\n    host.called('module __getattr__', None, None)\n"
        "    raise AttributeError(name)\n"
        "def __dir__():\n    return host.called('module __dir__', [], [])\nhost.keep(on_event)",
        path="host.kept[*]",
    ),
    Case(
        name="a module whose class is hostile",
        host="class Module(Trouble, types.ModuleType): pass",
        plugin="me = host.sys.modules[__name__]\nif type(me) is not host.Module: me.__class__ = host.Module\n"
        "host.keep(on_event)",
        path="host.kept[*]",
    ),
)


class World:
    """Modules in a directory of their own, imported and checked in this process."""

    MADE = frozenset({"haunted", "odd", "other"})
    """Names that hosts and targets put into `sys.modules` without a file."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def write(self, files: Mapping[str, str]) -> None:
        """Write modules by their dotted names; `package.__init__` makes a package."""
        for name, source in files.items():
            path = self.directory.joinpath(*name.split(".")).with_suffix(".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(source), encoding="utf-8")

    def write_host(self, source: str = "", *, leaks: bool, lies: bool = False) -> None:
        """Write the foreign module."""
        tool = str(Path(pytest_reloadleak.__file__).parent)
        self.write({"host": HOST.format(leaks=leaks, lies=lies, tool=tool) + source})

    def host(self, source: str = "", *, leaks: bool, lies: bool = False) -> Any:
        """Write and import the foreign module."""
        self.write_host(source, leaks=leaks, lies=lies)
        return importlib.import_module("host")

    def forget(self) -> None:
        """Take the modules of this directory out of the process again."""
        names = {path.name.partition(".")[0] for path in self.directory.iterdir()} | self.MADE
        for key in [key for key in sys.modules if type(key) is not str or key.partition(".")[0] in names]:
            sys.modules.pop(key, None)


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A `World` on `sys.path`; afterwards no module of it is left."""
    directory = tmp_path / "modules"
    directory.mkdir()
    monkeypatch.syspath_prepend(str(directory))
    made = World(directory)
    yield made
    made.forget()
    sys.path_importer_cache.pop(str(directory), None)
    gc.collect()


def measured(target: str = "plugin", strategy: str = "reimport", **keywords: Any) -> Report:
    """The report of a check of a module that is loaded already; the module is the same one afterwards."""
    importlib.import_module(target)
    before = sys.modules[target]
    namespace = before.__dict__ if isinstance(before, types.ModuleType) else None
    keys = set(map(id, dict.keys(namespace))) if namespace is not None else None
    report = measure_reload(target, strategy=strategy, **{"rounds": ROUNDS, **keywords})
    assert sys.modules[target] is before
    if namespace is not None:
        assert set(map(id, dict.keys(namespace))) == keys
    del before, namespace
    json.dumps(to_dict(report))
    assert terminal.text(report)
    return report


def paths(report: Report) -> list[str]:
    """Path of the holder of each finding."""
    return [finding.holder.path for finding in report.findings if finding.holder is not None]


def assert_leaks(report: Report, path: str, held: str = "plugin.on_event") -> None:
    """One finding that grows, with all judged generations."""
    assert (report.outcome, report.error) == ("leaking", None)
    assert [(f.holder and f.holder.path, f.held and f.held.name) for f in report.findings] == [(path, held)]
    (finding,) = report.findings
    assert (finding.kind, finding.growth, finding.generations) == ("retained-generation", "growing", JUDGED)


def assert_clean(report: Report) -> None:
    """Not a word."""
    assert (report.outcome, report.findings, report.error) == ("clean", (), None)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_a_hostile_holder_or_target_that_leaks_is_found(case, strategy, world):
    """One finding with the right holder, and none of the hostile methods was called, be it that they lie or raise."""
    host = world.host(case.host, leaks=True, lies=strategy == "reload")
    world.write({"plugin": PLUGIN + case.plugin})

    report = measured(strategy=strategy)

    assert host.calls == []
    assert_leaks(report, case.path, case.held)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_a_hostile_holder_or_target_that_is_cured_is_clean(case, strategy, world):
    """The same references, to the current generation only: clean, and none of the hostile methods was called."""
    host = world.host(case.host, leaks=False, lies=strategy == "reload")
    world.write({"plugin": PLUGIN + case.plugin})

    report = measured(strategy=strategy)

    assert host.calls == []
    assert_clean(report)


def test_the_hostile_methods_do_notice_the_tool(world):
    """The counter itself works: what runs from a file of the tool is noted and gets trouble, the program is not."""
    host = world.host(leaks=True)
    trouble = host.Trouble()
    ask = eval(compile("lambda o: o == 1", f"{host.TOOL}/asks.py", "eval"))

    assert trouble != 1
    assert host.calls == []
    with pytest.raises(RuntimeError, match="the tool called __eq__"):
        ask(trouble)
    assert host.calls == ["__eq__ in asks.py:1"]


# -- finalizers -------------------------------------------------------------------------------------------------------


@pytest.fixture
def ignored(monkeypatch):
    """Types of the exceptions that finalizers raised, instead of pytest's own record of them."""
    types_: list[type] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: types_.append(unraisable.exc_type))
    return types_


RAISING = """
class Guest:
    def __del__(self):
        raise LookupError("from __del__")
guest = Guest()
guest.self = guest
"""


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("leaks", [True, False], ids=["leaking", "cured"])
def test_finalizers_may_raise(leaks, strategy, world, ignored):
    """What `__del__` raises is the program's affair: the check says what leaks, and nothing else."""
    world.host(leaks=leaks)
    world.write({"plugin": PLUGIN + RAISING + "host.keep(on_event)\n"})

    report = measured(strategy=strategy)

    assert set(ignored) == (set() if leaks and strategy == "reimport" else {LookupError})
    if leaks:
        assert_leaks(report, "host.kept[*]")
    else:
        assert_clean(report)


RESURRECTED = """
class Guest:
    def __del__(self):
        host.keep(self)
guest = Guest()
"""


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("cyclic", [True, False], ids=["cyclic", "acyclic"])
def test_an_object_that_resurrects_itself_is_found(cyclic, strategy, world):
    """The weak references of a resurrected object are dead, and it is alive: the heap has the last word."""
    world.host(leaks=True)
    world.write({"plugin": PLUGIN + RESURRECTED + ("guest.self = guest\n" if cyclic else "")})

    report = measured(strategy=strategy)

    assert report.outcome == "leaking"
    assert paths(report) == ["host.kept[*]"]
    (finding,) = report.findings
    assert finding.held is not None
    assert (finding.held.name, finding.growth) == ("plugin.Guest", "growing")
    assert finding.generations == (0, 1)  # the original is kept by the check, and thus never finalized


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("cyclic", [True, False], ids=["cyclic", "acyclic"])
def test_an_object_that_resurrects_itself_until_the_next_one_does_is_clean(cyclic, strategy, world):
    """There is one at a time, the newest, and it is no older than the generation before."""
    counting = "import itertools\nnumbers = itertools.count()\nnewest = [0]\n"
    host = world.host(counting, leaks=False)
    keeping = "if self.number >= host.newest[0]: host.newest[0] = self.number; host.keep(self)"
    numbered = RESURRECTED.replace("host.keep(self)", keeping)
    circle = "guest.self = guest\n" if cyclic else ""
    world.write({"plugin": PLUGIN + numbered + "guest.number = next(host.numbers)\n" + circle})

    assert_clean(measured(strategy=strategy))
    assert host.newest[0] >= ROUNDS - 1  # they did resurrect


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_a_resurrected_object_replaces_takes_one_more_collection(strategy, world):
    """The last collection resurrects the newest guest, which drops the one before: garbage, and not retained."""
    world.host("import gc, itertools\nnumbers = itertools.count()\ngc.disable()\n", leaks=False)
    body = "guest.self = guest\nguest.number = next(host.numbers)\n"
    # The second last execution collects, so the guest before it is resurrected; the last one leaves that to the check.
    collects = f"if guest.number == {ROUNDS}: host.gc.collect()\n"
    try:
        world.write({"plugin": PLUGIN + RESURRECTED + body + collects})

        assert_clean(measured(strategy=strategy))
    finally:
        gc.enable()


# -- modules that are not what they seem ------------------------------------------------------------------------------

FACADE = "import sys, types\nclass Facade:\n    def work(self): pass\n"
REPLACED = {
    "an instance": "sys.modules[__name__] = Facade()",
    "a class": "sys.modules[__name__] = Facade",
    "a namespace": "sys.modules[__name__] = types.SimpleNamespace(on_event=on_event)",
    "a hostile instance": "class Guest(host.Trouble, Facade): pass\nsys.modules[__name__] = Guest()",
    "a module": "lazy = types.ModuleType(__name__)\nvars(lazy).update(globals())\nsys.modules[__name__] = lazy",
    "a module of its own class": "class Lazy(types.ModuleType):\n    def work(self): pass\n"
    "lazy = Lazy(__name__)\nvars(lazy).update(globals())\nsys.modules[__name__] = lazy",
}


@pytest.mark.parametrize("leaks", [True, False], ids=["leaking", "cured"])
@pytest.mark.parametrize("replacement", REPLACED)
def test_a_module_that_replaces_itself(replacement, leaks, world):
    """Each generation is distinguished, whatever object the target puts in its place in `sys.modules`."""
    host = world.host(leaks=leaks)
    world.write({"plugin": PLUGIN + FACADE + REPLACED[replacement] + "\nhost.keep(on_event)\n"})

    report = measured()

    assert host.calls == []
    if leaks:
        assert_leaks(report, "host.kept[*]")
    else:
        assert_clean(report)


@pytest.mark.parametrize("replacement", ["an instance", "a class", "a namespace"])
def test_what_importlib_cannot_reload_is_an_error(replacement, world):
    """`importlib.reload` takes modules only: the outcome is `error` with its own words, never `clean`."""
    world.host(leaks=False)
    world.write({"plugin": PLUGIN + FACADE + REPLACED[replacement] + "\n"})

    report = measured(strategy="reload")

    assert report.outcome == "error"
    assert report.error is not None
    assert "reload() argument must be a module" in report.error or "not in sys.modules" in report.error


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("leaks", [True, False], ids=["leaking", "cured"])
def test_a_module_that_replaces_others(leaks, strategy, world):
    """What the target puts in another's place is gone after the check, and the other one is back."""
    world.host(leaks=leaks)
    replacing = "import sys, types\nsys.modules['other'] = types.ModuleType('other')\n"
    world.write(
        {
            "other": "value = 1\n",
            "plugin": PLUGIN + replacing + "sys.modules['other'].on_event = on_event\nhost.keep(on_event)\n",
        }
    )
    importlib.import_module("plugin")
    other = sys.modules["other"] = importlib.import_module("host")

    report = measured(strategy=strategy)

    assert sys.modules["other"] is other
    if leaks:
        assert_leaks(report, "host.kept[*]")
    else:
        assert_clean(report)


def test_a_module_that_deletes_itself_cannot_be_imported(world):
    """That is the outcome `error` with Python's own words, and nothing stays behind."""
    world.host(leaks=False)
    world.write({"plugin": PLUGIN + "import sys\ndel sys.modules[__name__]\n"})

    report = measure_reload("plugin")

    assert report.outcome == "error"
    assert report.error is not None
    assert "the target could not be imported: KeyError: 'plugin'" in report.error
    assert "plugin" not in sys.modules


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_module_that_deletes_itself_when_it_is_reloaded(strategy, world):
    """The outcome is `error`, and the module that was there before is there again (asserted by `measured`)."""
    world.host(leaks=False)
    world.write(
        {"plugin": PLUGIN + "import sys\nif host.kept:\n    del sys.modules[__name__]\nhost.keep(1)\n"}
    )

    report = measured(strategy=strategy)

    assert report.outcome == "error"
    assert "KeyError: 'plugin'" in (report.error or "")


def test_a_callable_that_only_deletes_the_module_did_not_reload_it(world):
    """No new generation, no verdict: `error`, and the module is back."""
    world.host(leaks=False)
    world.write({"plugin": PLUGIN})

    report = measured(reload=lambda: sys.modules.pop("plugin", None))

    assert report.outcome == "error"
    assert "was not reloaded" in (report.error or "")


@pytest.mark.parametrize("strategy", ["reimport", "reload", "decache"])
@pytest.mark.parametrize("leaks", [True, False], ids=["leaking", "cured"])
def test_circular_imports(leaks, strategy, world):
    """Modules that import one another are one unit: its own circle is no leak, a foreign holder is."""
    world.host(leaks=leaks)
    world.write(
        {
            "ring.__init__": "from ring import a\n",
            "ring.a": "import ring.b\nimport ring.a\ndef work(): return ring.b.on_event()\n",
            "ring.b": "import host\nimport ring.a\nimport ring\ndef on_event(): return ring.a\nhost.keep(on_event)\n",
        }
    )

    report = measured("ring", strategy)

    assert report.not_reloaded == ()
    if leaks:
        assert_leaks(report, "host.kept[*]", "ring.b.on_event")
    else:
        assert_clean(report)


@pytest.mark.parametrize("strategy", ["reimport", "reload", "decache"])
@pytest.mark.parametrize("leaks", [True, False], ids=["leaking", "cured"])
def test_a_namespace_package(leaks, strategy, world):
    """A package without `__init__.py` is a target like any other, with the submodules that are loaded."""
    world.host(leaks=leaks)
    world.write({"space.part": PLUGIN + "host.keep(on_event)\n"})
    importlib.import_module("space.part")

    report = measured("space", strategy)

    assert report.not_reloaded == ()
    if leaks:
        assert_leaks(report, "host.kept[*]", "space.part.on_event")
    else:
        assert_clean(report)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("leaks", [True, False], ids=["leaking", "cured"])
def test_ten_thousand_functions(leaks, strategy, world):
    """A large module is judged in proportion to its size: a quadratic step of 10^8 would take much longer.

    That is a bound of the work, not a measurement: processor time, which other processes have no part in. It takes 2 to
    8 s on 3.11.
    """
    world.host(leaks=leaks)
    source = "".join(f"def f{n}(): pass\n" for n in range(10_000))
    collecting = "import types\nhost.keep([f for f in globals().values() if type(f) is types.FunctionType])\n"
    world.write({"plugin": "import host\n" + source + collecting})

    begun_s = time.process_time()
    report = measured(strategy=strategy)

    assert time.process_time() - begun_s < 60
    assert report.outcome == ("leaking" if leaks else "clean")
    if leaks:
        (finding,) = report.findings
        assert finding.holder is not None
        assert (finding.holder.path, finding.generations) == ("host.kept[*][*]", JUDGED)


@pytest.mark.parametrize("leaks", [True, False], ids=["leaking", "cured"])
def test_one_reload_that_takes_two_seconds(leaks, world):
    """A slow round is part of the reloads' time, and changes nothing else."""
    world.host("pauses_s = [0, 0, 2]\n", leaks=leaks)
    slow = "import time\ntime.sleep(host.pauses_s.pop(0) if host.pauses_s else 0)\n"
    world.write({"plugin": PLUGIN + slow + "host.keep(on_event)\n"})

    report = measured()

    assert 2 <= report.reload_s < report.duration_s
    if leaks:
        assert_leaks(report, "host.kept[*]")
    else:
        assert_clean(report)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("kept", ["on_event", "Plain", "Plain()", "lambda: 1"])
@pytest.mark.parametrize("leaks", [True, False], ids=["leaking", "cured"])
def test_a_name_of_one_letter(leaks, kept, strategy, world):
    """Strings of one letter are shared by the interpreter, so that the name's identity cannot date anything."""
    world.host(leaks=leaks)
    world.write({"t": PLUGIN + f"host.keep({kept})\n"})

    report = measured("t", strategy)

    if leaks:
        name = {"on_event": "t.on_event", "lambda: 1": "t.<lambda>"}.get(kept, "t.Plain")
        assert_leaks(report, "host.kept[*]", name)
    else:
        assert_clean(report)


JUNK = (
    "__name__ = 42",
    "__name__ = 'host'",
    "del __name__",
    "__spec__ = 'junk'",
    "__spec__ = host.Trouble()",
    "__file__ = host.Trouble()",
    "__path__ = 42",
    "__package__ = __loader__ = __doc__ = host.Trouble()",
)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("junk", JUNK)
def test_a_module_whose_identity_is_junk(junk, where, strategy, world):
    """A target may overwrite what Python wrote into its namespace: leaking twins are found, cured ones clean."""
    first, last = (junk, "") if where == "before" else ("", junk)
    source = f"import host\n{first}\n{PLUGIN}\nhost.keep(on_event)\n{last}\n"
    for leaks in (True, False):
        host = world.host(leaks=leaks)
        world.write({"plugin": source})

        report = measured(strategy=strategy)

        assert host.calls == []
        if leaks:
            assert (report.outcome, report.error) == ("leaking", None)
            assert paths(report) == ["host.kept[*]"]
            assert report.retained_generations == JUDGED
        else:
            assert_clean(report)
        world.forget()
        (world.directory / "host.py").unlink()
        importlib.invalidate_caches()


# -- texts of the program's own class ---------------------------------------------------------------------------------

TEXT = """
class Text(str):
    def __str__(self): return called("__str__", self, self)
    def __repr__(self): return called("__repr__", "text", self)
    def __format__(self, spec): return called("__format__", str.__str__(self), self)
    def __eq__(self, other): return called("__eq__", str.__eq__(self, other), True)
    def __hash__(self): return called("__hash__", str.__hash__(self), 0)
    def __add__(self, other): return called("__add__", str.__add__(self, other), self)
    def __len__(self): return called("__len__", str.__len__(self), 0)
    def __getitem__(self, key): return called("__getitem__", str.__getitem__(self, key), self)
    def __contains__(self, o): return called("__contains__", str.__contains__(self, o), True)
    def startswith(self, *o): return called("startswith", str.startswith(self, *o), True)
    def partition(self, o): return called("partition", str.partition(self, o), (self, self, self))
    def __getattribute__(self, name):
        return called("__getattribute__", str.__getattribute__(self, name), None)

def raises():
    raise Talking

class Talking(Exception):
    def __str__(self): return Text("no reason")

Talking.__qualname__ = Text("Talking")
"""

TEXTS: dict[str, tuple[str, str, str]] = {
    "of a function": (
        "on_event.__qualname__ = Text('on_event')\non_event.__module__ = Text('plugin')\nhost.keep(on_event)\n",
        "host.kept[*]",
        "plugin.on_event",
    ),
    "of a class": (
        "Plain.__qualname__ = Text('Plain')\nPlain.__module__ = Text('plugin')\nhost.keep(Plain)\n",
        "host.kept[*]",
        "plugin.Plain",
    ),
    "of an instance's class": (
        "Plain.__qualname__ = Text('Plain')\nPlain.__module__ = Text('plugin')\nhost.keep(Plain())\n",
        "host.kept[*]",
        "plugin.Plain",
    ),
    "of the holder's class": (
        (
            "host.Holder.__qualname__ = Text('Holder')\nhost.Holder.__module__ = Text('host')\n"
            "host.keep(host.Holder(on_event))\n"
        ),
        "host.kept[*].item",
        "plugin.on_event",
    ),
    "of a generator": (
        (
            "def generate(): yield\nrunning = generate()\nnext(running)\n"
            "running.__qualname__ = Text('generate')\nhost.keep(running)\ndel running\n"
        ),
        "host.kept[*]",
        "plugin.generate",
    ),
    "of a module": (
        "__name__ = Text(__name__)\n__file__ = Text(__file__)\nhost.keep(on_event)\n",
        "host.kept[*]",
        "plugin.on_event",
    ),
    "of code": (
        (
            "on_event.__code__ = on_event.__code__.replace(co_filename=Text(__file__), co_name=Text('on_event'))\n"
            "host.keep(on_event)\n"
        ),
        "host.kept[*]",
        "plugin.on_event",
    ),
    "as a key": ("host.keep({Text('key'): on_event})\n", "host.kept[*][*]", "plugin.on_event"),
    "as an attribute": (
        "Own = type('Own', (), {Text('attribute'): on_event, '__module__': 'host'})\nhost.keep(Own)\n",
        "host.kept[*].attribute",
        "plugin.on_event",
    ),
    "of a logger": (
        (
            "import logging\nclass Kept(logging.Handler): pass\n"
            "logger = logging.getLogger(Text('hostile'))\n"
            "logger.handlers[:] = [*(logger.handlers if host.LEAKS else ()), Kept()]\n"
        ),
        "logging.getLogger('hostile').handlers[*]",
        "plugin.Kept",
    ),
    "of a thread": (
        (
            "import threading\ndef work(): host.event.wait(60)\n"
            "thread = threading.Thread(target=work)\nthread._name = Text('waiter')\nhost.run(thread)\ndel thread\n"
        ),
        "thread 'waiter'",
        "plugin.work",
    ),
}
"""Strings of a class of the host's: the target's code, the holder's path and the name of what is held."""

THREADS = """
import threading

class Holder:
    def __init__(self, item):
        self.item = item

running = []

def run(thread):
    if not LEAKS:
        stop()
    thread.start()
    running.append(thread)

def stop():
    event.set()
    for thread in running:
        thread.join(60)
    running.clear()
    event.clear()

event = threading.Event()
"""


def assert_plain(o: object) -> None:
    """Nothing but values: not an object of the program's, which one of a class derived from `str` is too."""
    if dataclasses.is_dataclass(o):
        assert type(o).__module__ == "pytest_reloadleak.model"
        for field in dataclasses.fields(o):
            assert_plain(getattr(o, field.name))
    else:
        assert type(o) in {str, int, float, bool, type(None), tuple}
        for item in o if type(o) is tuple else ():
            assert_plain(item)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("leaks", [True, False], ids=["leaks", "cured"])
@pytest.mark.parametrize("name", TEXTS)
def test_texts_of_an_own_class_are_read_as_plain_ones(name, leaks, strategy, world):
    """What they say is in the report, they are not, and no method of theirs was called."""
    source, path, held = TEXTS[name]
    host = world.host(TEXT + THREADS, leaks=leaks, lies=strategy == "reload")
    world.write({"plugin": f"import sys, host\nfrom host import Text\n{PLUGIN}\n{source}"})
    try:
        report = measured(strategy=strategy)
    finally:
        host.stop()
        logging.root.manager.loggerDict.pop("hostile", None)

    assert host.calls == []
    assert_plain(report)
    told = [(f.holder and f.holder.path, f.held and f.held.name) for f in report.findings]
    assert (report.error, told) == (None, [(path, held)] if leaks else [])


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("raises", [True, False])
def test_what_an_exception_says_is_read_as_plain_text(raises, strategy, world):
    """An error is reported by its name and its text, whatever objects these are."""
    host = world.host(TEXT, leaks=False)
    host.armed = False
    world.write({"plugin": f"import host\n{PLUGIN}\nif host.armed: host.raises()\n"})
    importlib.import_module("plugin")
    host.armed = raises

    report = measured(strategy=strategy)

    assert host.calls == []
    assert_plain(report)
    assert report.outcome == ("error" if raises else "clean")
    assert not raises or "Talking: no reason" in str(report.error)


def test_half_a_character_has_a_place_in_each_report():
    """The name of a file that is not UTF-8 has such: xdist could not send it, and no job summary could take it."""
    assert foreign.exception_text(OSError("caf\udce9")) == "OSError: caf\\udce9"


# -- the process around the check -------------------------------------------------------------------------------------

SCRIPT = """
import atexit, gc, json, sys
sys.path.insert(0, {directory!r})
from pytest_reloadleak.check import measure_reload
from pytest_reloadleak.report.jsonfile import to_dict
import host, plugin
{before}
report = measure_reload("plugin", strategy={strategy!r}, rounds={rounds})
print(json.dumps({{"report": to_dict(report), "calls": host.calls, "left": {left}}}))
"""


def in_a_process(
    world: World, strategy: str, *, before: str = "", left: str = "None"
) -> tuple[dict[str, Any], list[str], Any]:
    """The report of a check in a process of its own, who was called, and the value of an expression afterwards."""
    script = SCRIPT.format(
        directory=str(world.directory), before=before, strategy=strategy, rounds=ROUNDS, left=left
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(done.stdout.splitlines()[0])
    return said["report"], said["calls"], said["left"]


def found(report: dict[str, Any]) -> list[tuple[str, str, list[int]]]:
    """Root, name of what is held and generations of each finding."""
    return [(f["holder"]["root"], f["held"]["name"], f["generations"]) for f in report["findings"]]


CALLBACK = """
import atexit
class Callback:
    def __eq__(self, other): {equality}
    __hash__ = object.__hash__
    def __call__(self): pass
"""
EQUALITY = {"raises": "raise LookupError('__eq__')", "lies": "return True"}


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("equality", EQUALITY)
def test_a_hostile_callback_of_atexit_that_leaks(equality, strategy, world):
    """`atexit` can be listed by comparing only. Callbacks that raise or lie are found, and stay registered."""
    world.write_host(leaks=False)
    callback = CALLBACK.format(equality=EQUALITY[equality])
    world.write({"plugin": PLUGIN + callback + "atexit.register(Callback())\nhost.keep(1)\n"})

    report, _, left = in_a_process(world, strategy, left="atexit._ncallbacks()")

    assert left >= ROUNDS + 2  # the one of before the warm-up, the warm-up's, and one a round
    assert report["outcome"] == "leaking"
    ((root, held, generations),) = found(report)
    assert root in {"atexit", "native"}
    assert (held, generations) == ("plugin.Callback", list(JUDGED))


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("equality", EQUALITY)
@pytest.mark.parametrize("leaks", [True, False], ids=["leaking", "cured"])
def test_a_hostile_foreign_callback_of_atexit(leaks, equality, strategy, world):
    """One that holds nothing of the target changes no verdict, and is still registered afterwards."""
    callback = CALLBACK.format(equality=EQUALITY[equality])
    world.write_host(callback + "atexit.register(Callback())\n", leaks=leaks)
    world.write({"plugin": PLUGIN + "host.keep(on_event)\n"})

    before = "before = atexit._ncallbacks()"
    report, _, left = in_a_process(world, strategy, before=before, left="atexit._ncallbacks() - before")

    assert left == 0
    assert report["outcome"] == ("leaking" if leaks else "clean")
    assert found(report) == ([("sys.modules", "plugin.on_event", list(JUDGED))] if leaks else [])


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("leaks", [True, False], ids=["leaking", "cured"])
def test_a_heap_that_the_program_froze(leaks, strategy, world):
    """Servers freeze their heap before they fork: the check says so, judges as ever, and unfreezes nothing."""
    world.write_host(leaks=leaks)
    world.write({"plugin": PLUGIN + "host.keep(on_event)\n"})

    report, _, left = in_a_process(
        world,
        strategy,
        before="gc.collect()\ngc.freeze()\nbefore = gc.get_freeze_count()",
        left="[before, gc.get_freeze_count()]",
    )

    assert any("gc.freeze" in note for note in report["notes"])
    assert left[1] > 0.9 * left[0] > 0
    assert report["outcome"] == ("leaking" if leaks else "clean")
    assert found(report) == ([("sys.modules", "plugin.on_event", list(JUDGED))] if leaks else [])


def test_a_target_that_freezes_the_heap(world):
    """Frozen garbage is never collected, so a target that freezes at import does leak: it is found, and said why."""
    world.write_host(leaks=False)
    world.write({"plugin": PLUGIN + "import gc\ngc.freeze()\n"})

    report, _, _ = in_a_process(world, "reimport")

    assert report["outcome"] == "leaking"
    assert any("gc.freeze" in note and "during the check" in note for note in report["notes"])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_target_that_freezes_and_unfreezes_the_heap(strategy, world):
    """Nothing frozen is left, so nothing is said and nothing leaks."""
    world.write_host(leaks=False)
    world.write({"plugin": PLUGIN + "import gc\ngc.freeze()\ngc.unfreeze()\n"})

    report, _, _ = in_a_process(world, strategy)

    assert (report["outcome"], report["findings"], report["notes"]) == ("clean", [], [])


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("leaks", [True, False], ids=["leaking", "cured"])
def test_a_program_that_disabled_the_collector(leaks, strategy, world):
    """The verdict does not need it enabled, and it stays as it was; so do its thresholds and debug flags."""
    world.host(leaks=leaks)
    world.write({"plugin": PLUGIN + "me = Plain()\nme.me = me\nhost.keep(on_event)\n"})
    before = (gc.get_threshold(), gc.get_debug())
    gc.disable()
    try:
        report = measured(strategy=strategy)
        assert not gc.isenabled()
    finally:
        gc.enable()

    assert (gc.get_threshold(), gc.get_debug()) == before
    if leaks:
        assert_leaks(report, "host.kept[*]")
    else:
        assert_clean(report)


@contextlib.contextmanager
def allocating(table: dict[int, Any]) -> Any:
    """Within the block a thread makes garbage in cycles and changes a table that a module holds."""
    stopped = threading.Event()

    def allocate() -> None:
        number = 0
        while not stopped.wait(0.0005):
            for _ in range(50):
                number += 1
                cycle: list[Any] = [{"number": number}]
                cycle.append(cycle)
                table[number % 500] = [cycle, {"more": cycle}]
                table.pop((number + 250) % 500, None)

    thread = threading.Thread(target=allocate)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("leaks", [True, False], ids=["leaking", "cured"])
def test_a_thread_that_allocates_during_the_check(leaks, strategy, world):
    """The heap changes under the check's eyes: neither a wrong verdict nor an exception of the tool."""
    host = world.host("table = {}\n", leaks=leaks)
    world.write({"plugin": PLUGIN + "host.keep(on_event)\n"})

    with allocating(host.table):
        report = measured(strategy=strategy)

    if leaks:
        assert_leaks(report, "host.kept[*]")
    else:
        assert_clean(report)


# -- in-place patchers ------------------------------------------------------------------------------------------------


def executed_anew(name: str) -> dict[str, Any]:
    """What a module's source makes in a namespace of its own."""
    file = sys.modules[name].__file__
    assert file is not None
    namespace: dict[str, Any] = {"__name__": name, "__file__": file}
    exec(compile(Path(file).read_text(encoding="utf-8"), file, "exec"), namespace)
    return namespace


def patch(old: Any, new: Any) -> None:
    """Make an old function or class do what the new one does, as jurigged and IPython's autoreload do."""
    if type(old) is types.FunctionType:
        old.__code__, old.__defaults__, old.__doc__ = new.__code__, new.__defaults__, new.__doc__
    elif type(old) is type:
        for key, value in vars(new).items():
            known = vars(old).get(key)
            if type(value) is types.FunctionType and type(known) is types.FunctionType:
                patch(known, value)
            elif not key.startswith("__"):
                setattr(old, key, value)


def patched_in_place() -> dict[str, Any]:
    """Reload `plugin`: each function and class keeps its identity and gets new code. Returns the new namespace."""
    module, fresh = sys.modules["plugin"], executed_anew("plugin")
    for name in ("on_event", "Plain"):
        patch(vars(module)[name], fresh[name])
    return fresh


def test_a_callable_that_patches_in_place_is_clean(world):
    """Functions and classes are kept and their code is renewed: who holds them holds the current generation."""
    host = world.host(leaks=True)
    world.write({"plugin": PLUGIN})
    plugin = importlib.import_module("plugin")
    host.kept += [plugin.on_event, plugin.Plain, plugin.Plain(), plugin.Plain().work]
    del plugin

    def reload() -> None:
        patched_in_place()

    assert_clean(measured(reload=reload))


@pytest.mark.parametrize("name", ["on_event", "Plain"])
def test_a_callable_that_patches_in_place_and_keeps_what_it_made_leaks(name, world):
    """The patched ones are current; the ones that the patcher took the code from are not."""
    host = world.host(leaks=True)
    world.write({"plugin": PLUGIN})
    plugin = importlib.import_module("plugin")
    host.patched = [plugin.on_event, plugin.Plain()]
    del plugin

    def reload() -> None:
        host.keep(patched_in_place()[name])

    report = measured(reload=reload)

    assert report.outcome == "leaking"
    assert paths(report) == ["host.kept[*]"]
    assert report.findings[0].growth == "growing"


class Autoreload:
    """IPython's way: `importlib.reload`, then every old function gets the new code, every old class the new methods.

    Old objects are known by weak references, and instances are given the new class.
    """

    def __init__(self) -> None:
        self.old: dict[str, list[weakref.ref[Any]]] = {"on_event": [], "Plain": []}

    def __call__(self) -> None:
        module = sys.modules["plugin"]
        for name, references in self.old.items():
            references.append(weakref.ref(vars(module)[name]))
        importlib.reload(module)
        for name, references in self.old.items():
            for old in filter(None, (reference() for reference in references)):
                self._update(old, vars(module)[name])

    def _update(self, old: Any, new: Any) -> None:
        patch(old, new)
        if type(new) is type:
            for key, value in vars(new).items():
                if type(value) is types.FunctionType:
                    setattr(old, key, value)
            for instance in gc.get_referrers(old):
                if type(instance) is old:
                    instance.__class__ = new


AUTORELOADED = PLUGIN + "host.keep(on_event)\nhost.keep(Plain())\n"


def test_an_autoreload_that_updates_in_place_is_clean(world):
    """IPython's way: who registers itself in each generation is updated, wherever it is kept."""
    host = world.host(leaks=True)
    world.write({"plugin": AUTORELOADED})

    report = measured(reload=Autoreload())

    assert len(host.kept) >= 2 * (ROUNDS + 2)
    assert_clean(report)


def test_an_autoreload_that_updates_nothing_leaks(world):
    """The same without the update: functions and instances of each generation are retained, by one holder."""
    world.host(leaks=True)
    world.write({"plugin": AUTORELOADED})

    def reload() -> None:
        importlib.reload(sys.modules["plugin"])

    report = measured(reload=reload)

    assert report.outcome == "leaking"
    assert set(paths(report)) == {"host.kept[*]"}
    assert report.retained_generations == JUDGED
