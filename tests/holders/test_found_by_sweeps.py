"""What sweeps over the standard library and over packages found wrong, each case in the smallest form that shows it."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import textwrap

import pytest
from cases import run

from pytest_reloadleak import measure_reload
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.report.jsonfile import to_dict


@pytest.fixture
def program(tmp_path):
    """Write modules and import those that are named."""
    with run.importable(tmp_path):

        def write(*loaded, **modules):
            run.write(tmp_path, {name: textwrap.dedent(source) for name, source in modules.items()})
            return [importlib.import_module(name) for name in loaded]

        yield write


def test_a_chain_of_copied_namespaces_is_one_growing_leak(program):
    """As attrs does, generated methods get a copy of the namespace: under `reload` that holds the old class."""
    program(
        plugin="""
        def method(globals_):
            exec("def f(self): ...", globals_)
            return globals_["f"]

        class K:
            f = method(dict(globals()))
        """
    )
    report = measure_reload("plugin", strategy="reload", rounds=3)
    assert [(f.kind, f.growth, f.held.name) for f in report.findings] == [
        ("retained-generation", "growing", "plugin.K")
    ]


def test_a_copied_namespace_without_the_old_class_is_clean(program):
    """The cured twin: the copy is made without the names of the generation before."""
    program(
        plugin="""
        def method(globals_):
            exec("def f(self): ...", globals_)
            return globals_["f"]

        class K:
            f = method({name: value for name, value in globals().items() if name != "K"})
        """
    )
    assert measure_reload("plugin", strategy="reload", rounds=3).outcome == "clean"


@pytest.mark.parametrize("strategy", ["reimport", "reload"])
def test_a_type_of_c_in_the_place_of_a_class_is_not_old(strategy):
    """`xml.etree.ElementTree` defines `Element`, keeps it under another name, and takes that of C.

    In a process of its own, since here somebody may have it.
    """
    check = f"measure_reload('xml.etree.ElementTree', strategy={strategy!r})"
    code = f"import pytest_reloadleak; print(pytest_reloadleak.{check}.reason)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "5 reloads left nothing behind"


@pytest.mark.parametrize("before", ["html", "sys"])
def test_a_name_of_the_library_for_data_of_the_library_is_stale(before):
    """`html` has `from html.entities import html5 as _html5`: the old table, once that module was executed again.

    In a process of its own, since others may have imported it. Importing the submodule imports `html` as well.
    """
    check = "measure_reload('html.entities', rounds=3)"
    found = "[f.holder.path for f in report.findings]"
    code = f"import pytest_reloadleak, {before}; report = pytest_reloadleak.{check}; print({found})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "['html._html5']"


def test_what_is_of_c_and_what_is_not(program):
    """Classes of Python code are not, whatever they are made with."""
    program()
    made = [
        type("K", (), {}),
        type("K", (int,), {"__slots__": ()}),
        type("M", (type,), {}),
        Exception.__class__,
    ]
    assert [foreign.is_c_type(cls) for cls in made] == [False, False, False, True]
    assert foreign.is_c_type(type(json.JSONEncoder().encode))


@pytest.mark.parametrize(
    "value",
    [
        "typing.Callable[..., typing.Dict[str, int]]",
        "typing.Union[str, typing.List[bytes]]",
        "list[int] | None",
        "typing.TypeVar('T')",
        "(int, json.JSONEncoder, json)",
        "frozenset({json.JSONEncoder, 1})",
        "((json.dumps, len), 'text')",
    ],
)
def test_constants_are_not_stale(value, program):
    """A type expression, which strangers may share, and a tuple of foreign things are as good as equal ones."""
    program(
        "consumer", plugin=f"import json, typing\nVALUE = {value}\n", consumer="from plugin import VALUE\n"
    )
    assert measure_reload("plugin", rounds=2).outcome == "clean"


@pytest.mark.parametrize("value", ["{}", "[1]", "(1, [])", "(json, K)", "frozenset({K})"])
def test_data_that_can_change_is_stale(value, program):
    """What can change, and what contains something of the target."""
    program(
        "consumer",
        plugin=f"import json\nclass K: ...\nVALUE = {value}\n",
        consumer="from plugin import VALUE\n",
    )
    report = measure_reload("plugin", rounds=2)
    assert "consumer.VALUE" in {f.holder.path.partition("[")[0] for f in report.findings}


def test_only_the_class_whose_bases_were_changed_is_a_holder(program):
    """`tkinter.tix` adds a base to `tkinter.Widget`; the hundred classes below it inherit that, and hold nothing."""
    program(
        "host",
        host="""
        class Base: ...
        class Widget(Base): ...
        class Button(Widget): ...
        class Label(Button): ...
        """,
        plugin="""
        import host
        class Form:
            def f(self): ...
        host.Widget.__bases__ += (Form,)
        """,
    )
    report = measure_reload("plugin", rounds=2)
    assert [(f.holder.path, f.growth) for f in report.findings] == [("host.Widget.__bases__[*]", "growing")]


def test_a_class_that_is_derived_once_is_a_holder(program):
    """The twin with one subclass of a class of the target: it is named, and what is derived from it is not."""
    program(
        "host",
        plugin="class Form:\n    def f(self): ...\n",
        host="import plugin\nclass Widget(plugin.Form): ...\nclass Button(Widget): ...\ndel plugin\n",
    )
    report = measure_reload("plugin", rounds=2)
    assert [f.holder.path for f in report.findings] == ["host.Widget.__bases__[*]"]


def test_a_name_is_stale_however_many_others_have_the_value(program):
    """A name elsewhere that is bound to old data is a finding, even if a list, a closure or a tuple has it too."""
    program(
        "consumer",
        plugin="DATA = {}\n",
        consumer="from plugin import DATA\nALSO = [DATA]\ndef f(d=DATA): return lambda: d\nF = f()\n",
    )
    report = measure_reload("plugin", rounds=2)
    assert "consumer.DATA" in {f.holder.path for f in report.findings}


def test_a_name_that_is_renewed_is_not_stale_whoever_has_the_old_value(program):
    """The cured twin: the name is looked up in the module."""
    program(
        "consumer", plugin="DATA = {}\n", consumer="import sys\ndef f(): return sys.modules['plugin'].DATA\n"
    )
    assert measure_reload("plugin", rounds=2).outcome == "clean"


EXPORTED = {
    "pkg.__init__": "from pkg._impl import K\nK.__module__ = 'pkg'\n",
    "pkg._impl": "class K:\n    def f(self): ...\n",
}
ENUMERATION = "import enum\nclass K(int, enum.Enum):\n    A = 1\n    def f(self): ...\n"


@pytest.mark.parametrize("source", [EXPORTED["pkg._impl"], ENUMERATION], ids=["class", "enumeration"])
@pytest.mark.parametrize("strategy", ["reimport", "reload"])
def test_a_class_that_bears_its_packages_name_is_its_modules(strategy, source, program):
    """Httpx and trio give what they export their own name; the old class is the implementation's all the same."""
    program(**{**EXPORTED, "pkg._impl": source})
    report = measure_reload("pkg._impl", strategy=strategy, rounds=2)
    assert [(f.kind, f.holder.path) for f in report.findings] == [("stale-reference", "pkg.K")]
    assert report.findings[0].held.file.endswith("_impl.py")


def test_a_class_that_bears_its_packages_name_and_goes_with_it(program):
    """The cured twin: the package is reloaded as a whole."""
    program(**EXPORTED)
    assert measure_reload("pkg", strategy="reload", rounds=2).outcome == "clean"
    assert measure_reload("pkg", strategy="reimport", rounds=2).outcome == "clean"


@pytest.mark.parametrize("body", ["", "def own(self): ..."])
@pytest.mark.parametrize("strategy", ["reimport", "reload"])
def test_a_strangers_class_with_a_method_of_the_targets_is_the_strangers(strategy, body, program):
    """The twin: who puts a method into a foreign class has not made it, so the class is the holder."""
    program(
        "host",
        host=f"class K:\n    {body or 'pass'}\n",
        plugin="from host import K\ndef f(self): ...\nsetattr(K, f'f{len(vars(K))}', f)\n",
    )
    report = measure_reload("plugin", strategy=strategy, rounds=2)
    assert {f.growth for f in report.findings} == {"growing"}
    assert all(f.holder.path.startswith("host.K.f") for f in report.findings)


def test_an_old_class_that_another_module_of_the_unit_keeps_is_stale(program):
    """Bs4 keeps its first builder under `reload`, as it takes only what derives from the new base."""
    program(
        **{
            "pkg.__init__": "from pkg import part\nif 'K' not in globals():\n    K = part.K\n",
            "pkg.part": "class K:\n    def f(self): ...\n",
        }
    )
    report = measure_reload("pkg", strategy="reload", rounds=2)
    assert [(f.kind, f.growth, f.holder.path) for f in report.findings] == [
        ("stale-reference", "bounded", "pkg.K")
    ]


@pytest.mark.parametrize("strategy", ["reimport", "reload"])
def test_a_class_that_one_module_of_the_unit_makes_for_another_is_current(strategy, program):
    """The cured twin: the name is bound anew, to what a function of the other module makes."""
    program(
        **{
            "pkg.__init__": "from pkg import part\nK = part.make()\n",
            "pkg.part": "def make():\n    class K: ...\n    return K\n",
        }
    )
    assert measure_reload("pkg", strategy=strategy, rounds=2).outcome == "clean"


HIDDEN = """
    import host
    def f(): ...
    hidden = host.Text("K")
    hidden.f = {what}
    class K:
        __qualname__ = hidden
"""


@pytest.mark.parametrize("what", ["f", "len"])
def test_each_generation_behind_what_the_collector_cannot_see_is_told(what, program):
    """Referencing keeps its functions in objects of others in a map of Rust's; here the name of a class does the same.

    A class's qualified name is not shown to the collector, so a cycle through it is never freed. The cured twin has
    nothing of the target in it.
    """
    program("host", host="class Text(str): ...\n", plugin=textwrap.dedent(HIDDEN).format(what=what))
    report = measure_reload("plugin", rounds=3)
    if what == "len":
        assert report.outcome == "clean"
        return
    assert [(f.kind, f.growth, f.holder.root) for f in report.findings] == [
        ("retained-generation", "growing", "native")
    ]


@pytest.mark.parametrize("copy", ["types.ModuleType('zz_copy')", "None"])
def test_modules_that_came_with_the_target_do_not_make_a_bounded_leak_grow(copy, program, monkeypatch):
    """Markdown puts a new copy of `html.parser` into `sys.modules` in each round, and nothing else grows."""
    monkeypatch.setitem(sys.modules, "zz_copy", None)
    program(
        plugin=f"""
        import sys, types
        class K:
            def f(self): ...
        sys.modules["zz_copy"] = {copy}
        import host
        """,
        host="import consumer\nfrom plugin import K\n",
        consumer="",
    )
    report = measure_reload("plugin", rounds=3)
    assert [(f.growth, f.holder.path) for f in report.findings] == [("bounded", "host.K")]


def test_a_report_has_no_text_of_the_programs_own_type(program):
    """A class body may set `__qualname__` to an instance of an own subclass of `str`, as celery's does."""
    program(
        "host",
        host="KEPT = []\n",
        plugin="""
        import host
        class text(str):
            def __get__(self, instance, owner=None): return self
        class Proxy:
            __qualname__ = text("Proxy")
            def f(self): ...
        host.KEPT.append(Proxy())
        """,
    )
    report = measure_reload("plugin", rounds=2)
    assert report.outcome == "leaking"
    assert _types(to_dict(report)) <= {dict, list, tuple, str, int, float, bool, type(None)}


def _types(value):
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return {type(value)}.union(*map(_types, inner))


def test_nothing_is_left(program):
    """The cases above leave no module behind."""
    assert not {"plugin", "host", "consumer", "pkg"} & set(sys.modules)


def test_modules_that_came_with_the_target_are_no_registrations(program):
    """What a target imports is there once, also where the target puts something into the table with each execution."""
    program(
        plugin="""
        import sys, types

        class K:
            def f(self): return self

        import user
        sys.modules["replaced"] = types.ModuleType("replaced")
        """,
        user="from plugin import K\n",
    )
    try:
        report = measure_reload("plugin", rounds=3)
    finally:
        sys.modules.pop("replaced", None)

    assert [(f.kind, f.growth, f.holder.path) for f in report.findings] == [
        ("stale-reference", "bounded", "user.K")
    ]


@pytest.mark.parametrize("strategy", ["reimport", "reload"])
@pytest.mark.parametrize("is_kept", [True, False])
def test_a_finalizer_goes_with_what_it_watches(is_kept, strategy, program):
    """The holder of the watched object is the cause; without a holder the finalizer runs and is gone."""
    program(
        host="""
        import weakref
        gone, listeners = [], []
        def connect(f): weakref.finalize(f, gone.append, 1)
        """,
        plugin=f"""
        import host
        def heard(): pass
        host.connect(heard)
        host.listeners{".append(heard)" if is_kept else "[:] = [heard]"}
        """,
    )
    report = measure_reload("plugin", strategy=strategy, rounds=3)

    assert [(f.kind, f.holder.path) for f in report.findings] == (
        [("retained-generation", "host.listeners[*]")] if is_kept else []
    )


@pytest.mark.parametrize("name", ["dataclasses", "pathlib", "contextlib", "inspect"])
def test_the_tool_is_in_no_finding(name):
    """Where the target is a module that this tool itself uses, what only the tool keeps of it is its own business."""
    code = (
        "import json, pytest_reloadleak as p\n"
        "from pytest_reloadleak.report.jsonfile import to_dict\n"
        f"reports = [p.measure_reload({name!r}, strategy=s, rounds=2) for s in ('reload', 'reimport')]\n"
        "print(json.dumps(list(map(to_dict, reports))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    for report in json.loads(done.stdout):
        assert report["outcome"] in {"clean", "leaking"}
        for finding in report["findings"]:
            assert "pytest_reloadleak" not in json.dumps(
                [finding["holder"], finding["held"], finding["trace"]]
            )
            assert "psutil" not in finding["holder"]["path"]


@pytest.mark.parametrize(("keeps", "outcome"), [(True, "leaking"), (False, "clean")])
def test_an_original_that_was_not_loaded_before_is_kept_by_nobody_here(keeps, outcome, program):
    """It does not come back, so the check lets it go like any other: an entry that goes with an instance goes."""
    program(
        host="import weakref\ntable = weakref.WeakValueDictionary()\nkept = []\n",
        plugin=f"""
        import host
        class K:
            def f(self): return self
        k = K()
        host.table[id(k), K.f] = k
        {"host.kept or host.kept.append(k)" if keeps else ""}
        """,
    )
    sys.modules.pop("plugin", None)
    report = measure_reload("plugin", strategy="reload", rounds=3)

    assert report.outcome == outcome


ON_DEMAND = """
import ctypes
import host

class Record(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char * 14), ("next", ctypes.POINTER(ctypes.c_short * 3))]
"""


@pytest.mark.parametrize("strategy", ["reimport", "reload"])
@pytest.mark.parametrize("kept", ["", "host.kept.append(Record * 3)"])
def test_what_ctypes_makes_for_all_who_ask_is_of_no_generation(kept, strategy, program):
    """`c_char * 14` is the first generation's for as long as anybody has it; an array of an old class leads to that."""
    program("host", host="kept = []", plugin=f"{ON_DEMAND}\n{kept}\n")

    report = measure_reload("plugin", strategy=strategy, rounds=3)

    assert {(f.growth, f.held.name) for f in report.findings} == (
        {("growing", "plugin.Record")} if kept else set()
    )
    assert any(f.holder.path.startswith("host.kept[*]") for f in report.findings) is bool(kept)


KEPT_MODULE = """
import host

__name__ = "plugin.abc"

host.kept.append(lambda: None)
"""
PLUGIN = "import sys\n\nimport of_c\n\nsys.modules['plugin.abc'] = of_c\n"


@pytest.mark.parametrize(
    ("again", "outcome"), [("", "clean"), ("import importlib\nimportlib.reload(of_c)\n", "leaking")]
)
def test_a_module_that_is_merely_bound_again_has_no_old_functions(again, outcome, program):
    """As `collections.abc` is since 3.13, which is `_collections_abc`; its twin is executed again each time."""
    program("of_c", host="kept = []", of_c=KEPT_MODULE, plugin=f"{PLUGIN}{again}")

    report = measure_reload("plugin", rounds=3)

    assert report.outcome == outcome
    assert {f.holder.path for f in report.findings} == ({"host.kept[*]"} if again else set())


CALLED = "def made():\n    def inner(): pass\n    return inner\n"


@pytest.mark.parametrize("strategy", ["reimport", "reload"])
def test_what_a_call_returned_before_the_check_is_old(strategy, program):
    """Anyio installs functions that a call makes: no name of the module leads to them, and they run its old code."""
    program("host", plugin=CALLED, host="import plugin\nf = plugin.made()\ndel plugin\n")

    report = measure_reload("plugin", strategy=strategy, rounds=3)

    assert [(f.kind, f.growth, f.holder.path, f.held.name) for f in report.findings] == [
        ("stale-reference", "bounded", "host.f", "plugin.made.<locals>.inner")
    ]
    assert report.findings[0].generations == (-1,)


@pytest.mark.parametrize("strategy", ["reimport", "reload"])
def test_what_is_asked_for_again_is_not_old(strategy, program):
    """The cured twin: the function is made anew whenever it is needed."""
    host = "from importlib import import_module\ndef f(): return import_module('plugin').made()\nf()\n"
    (host,) = program("host", plugin=CALLED, host=host)

    assert measure_reload("plugin", strategy=strategy, rounds=3).outcome == "clean"
    assert host.f().__name__ == "inner"


WEAK = {
    "key": "host.by_key[p] = f\n",
    "value": "host.by_value[host.count, f] = p\n",
}
WEAK_HOST = """\
import weakref
by_key, by_value = weakref.WeakKeyDictionary(), weakref.WeakValueDictionary()
kept = []
count = 0
"""
WEAK_PLUGIN = "import host\nhost.count += 1\nclass P: pass\np = P()\ndef f(): pass\n"


@pytest.mark.parametrize("entry", WEAK)
def test_an_entry_that_ends_with_the_original_is_no_leak(entry, program):
    """Kombu registers what to call for an object: the entry lasts as long as that, which here the check keeps alive."""
    program("plugin", host=WEAK_HOST, plugin=f"{WEAK_PLUGIN}{WEAK[entry]}")

    assert measure_reload("plugin", strategy="reload", rounds=3).outcome == "clean"


@pytest.mark.parametrize("entry", WEAK)
@pytest.mark.parametrize(
    ("strategy", "kept", "growth"),
    [
        ("reload", "host.kept.append(p)\n", "growing"),
        ("reload", "host.kept[:] = host.kept or [p]\n", "bounded"),
        ("reimport", "", "growing"),
    ],
    ids=["each", "the original", "itself"],
)
def test_an_entry_of_what_stays_alive_is_a_leak(entry, strategy, kept, growth, program):
    """The twins: somebody else keeps the object, or the entry itself does, by the function's globals."""
    program("plugin", host=WEAK_HOST, plugin=f"{WEAK_PLUGIN}{WEAK[entry]}{kept}")

    report = measure_reload("plugin", strategy=strategy, rounds=3)

    path = {"key": "host.by_key.data[*]", "value": "host.by_value.data<key>[*]"}[entry]
    assert (path, growth) in [(f.holder.path, f.growth) for f in report.findings]


@pytest.mark.parametrize(
    ("leak", "findings"),
    [
        ("", []),
        ("import host\nhost.kept.append(Space)\n", [("retained-generation", "growing", "host.kept[*]")]),
    ],
    ids=["cured", "leaking"],
)
def test_what_a_module_puts_there_in_the_place_of_one_is_not_reloaded(leak, findings, program):
    """Zipp has a namespace that says that it is `zipfile`, in `sys.modules`: `importlib.reload` would refuse it."""
    program(
        **{
            "pkg.__init__": "",
            "pkg.part": (
                "import sys, json, types\n"
                "class Space(types.SimpleNamespace):\n    def __hash__(self): return 1\n"
                f"sys.modules[__name__ + '.inner'] = Space(**vars(json))\n{leak}"
            ),
            "host": "kept = []\n",
        }
    )

    report = measure_reload("pkg.part", strategy="reload", rounds=3)

    assert report.error is None
    assert [(f.kind, f.growth, f.holder.path) for f in report.findings] == findings
