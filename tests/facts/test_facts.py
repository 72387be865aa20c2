"""What CPython really does: one test for each fact of the method, shown in plain Python and through a check.

Each test first shows the fact itself, so that a Python in which it no longer holds is noticed, and then that a check is
not misled by it.
"""

import contextlib
import gc
import importlib
import json
import os
import subprocess
import sys
import time
import typing
import weakref

import pytest
from cases import run

from pytest_reloadleak import measure_reload

HOST = "kept = []\n"
LEAKS = "import host\n\ndef on_event():\n    pass\n\nhost.kept.append(on_event)\n"


@pytest.fixture
def modules(tmp_path):
    """Make `host` and `plugin` importable from the sources that a test gives; afterwards neither is left."""
    with contextlib.ExitStack() as stack:

        def write(plugin, host=HOST, **more):
            run.write(tmp_path, {"host": host, "plugin": plugin, **more})
            stack.enter_context(run.importable(tmp_path))
            return importlib.import_module("host")

        yield write


def reimport(name):
    """Import a module anew, keeping nothing of the old one here."""
    del sys.modules[name]
    importlib.import_module(name)


def found(report):
    """What a report says of its findings, in short."""
    return [(f.kind, f.growth, f.holder.path, f.held.name, f.generations) for f in report.findings]


def test_fact_1_the_module_object_dies_though_its_namespace_lives(modules):
    """A weak reference to the old module says "dead" while a kept function holds the namespace, which a check finds."""
    host = modules(LEAKS)
    module = weakref.ref(importlib.import_module("plugin"))
    namespace = host.kept[0].__globals__
    reimport("plugin")
    gc.collect()
    assert module() is None
    assert host.kept[0].__globals__ is namespace
    assert namespace["on_event"] is host.kept[0]
    with pytest.raises(TypeError, match="weak reference"):
        weakref.ref(namespace)
    host.kept.clear()
    del namespace

    report = measure_reload("plugin", rounds=3)

    held = "plugin.on_event"
    assert found(report) == [("retained-generation", "growing", "host.kept[*]", held, (0, 1))]


def test_fact_2_reload_keeps_the_module_and_its_namespace(modules):
    """Under `importlib.reload` only functions, classes and instances have generations; they are judged all the same."""
    host = modules(LEAKS)
    module = importlib.import_module("plugin")
    namespace, function = vars(module), module.on_event
    assert importlib.reload(module) is module
    assert vars(module) is namespace
    assert module.on_event is not function
    assert module.on_event.__globals__ is function.__globals__
    host.kept.clear()
    del namespace, function

    report = measure_reload("plugin", strategy="reload", rounds=3)

    held = "plugin.on_event"
    assert found(report) == [("retained-generation", "growing", "host.kept[*]", held, (0, 1))]


@pytest.mark.parametrize("strategy", ["reimport", "reload"])
def test_fact_3_a_class_without_methods_leaks_alone(strategy, modules):
    """A class without Python functions holds no namespace, so the namespace dies; the class is found nevertheless."""
    host = modules("import host\n\nclass Plain:\n    number = 1\n\nhost.kept.append(Plain)\n")
    importlib.import_module("plugin")
    reached, stack = set(), [host.kept[0]]
    while stack:
        o = stack.pop()
        if id(o) not in reached and o is not object and o is not type:
            reached.add(id(o))
            stack.extend(gc.get_referents(o))
    assert id(vars(sys.modules["plugin"])) not in reached
    host.kept.clear()
    del stack, o

    report = measure_reload("plugin", strategy=strategy, rounds=3)

    assert found(report) == [("retained-generation", "growing", "host.kept[*]", "plugin.Plain", (0, 1))]
    assert report.findings[0].trace[-1] == "class plugin.Plain"


def test_fact_3_data_holds_no_namespace_and_no_class(modules):
    """What is left behind as mere data is of no generation."""
    modules("import host\n\nhost.kept.append([1, 2, 3])\n\ndef on_event():\n    pass\n")

    report = measure_reload("plugin", rounds=3)

    assert report.retained_generations == ()


def test_fact_4_an_object_may_be_alive_though_its_weak_references_say_dead(modules):
    """What its `__del__` resurrected has lost its weak references for good, and with it the namespace; it is found."""
    resurrects = """\
import host

class Phoenix:
    def __del__(self):
        host.kept.append(self)

def on_event():
    pass

phoenix = Phoenix()
phoenix.itself = phoenix
"""
    host = modules(resurrects)
    module = importlib.import_module("plugin")
    function = weakref.ref(module.on_event)
    del module
    del sys.modules["plugin"]
    gc.collect()
    # From 3.15 on the collector clears weak references only after the finalizers, and of what is dead then.
    assert (function() is None) == (sys.version_info < (3, 15))
    assert host.kept[0].__class__.__del__.__globals__["on_event"] is not None
    host.kept.clear()

    report = measure_reload("plugin", rounds=3)

    assert [(f.kind, f.growth, f.holder.path, f.held.name) for f in report.findings] == [
        ("retained-generation", "growing", "host.kept[*]", "plugin.Phoenix")
    ]
    assert set(report.retained_generations) >= {0, 1}


def test_fact_4_an_object_that_dies_in_its_del_is_clean(modules):
    """The cured twin: a `__del__` alone retains nothing."""
    modules(
        "import host\n\nclass Mortal:\n    def __del__(self):\n        host.kept[:] = ['dead']\n\n"
        "mortal = Mortal()\nmortal.itself = mortal\n"
    )

    assert measure_reload("plugin", rounds=3).outcome == "clean"


@pytest.mark.parametrize("strategy", ["reimport", "reload"])
@pytest.mark.parametrize("spelling", ["Optional[Own]", "List[Own]", "Callable[[Own], Own]", "Dict[str, Own]"])
def test_fact_5_the_caches_of_typing_are_not_held_against_the_target(spelling, strategy, modules):
    """`typing` keeps old classes in bounded caches. They are no leak, and the check empties them before it judges."""
    modules(f"import typing\n\nclass Own:\n    pass\n\nname = typing.{spelling}\n")
    importlib.import_module("plugin")
    cached = weakref.ref(sys.modules["plugin"].Own)
    reimport("plugin")
    gc.collect()
    assert cached() is not None
    for clear in typing._cleanups:
        clear()
    gc.collect()
    assert cached() is None

    report = measure_reload("plugin", strategy=strategy, rounds=3)

    assert (report.outcome, found(report)) == ("clean", [])


CTYPES = """\
import ctypes

class Own(ctypes.Structure):
    _fields_ = [("number", ctypes.c_int)]

"""


def test_fact_5_a_ctypes_pointer_to_an_own_structure_is_found(modules):
    """The cache of `ctypes.POINTER` has no bound, so an own structure in it is a leak, whose holder is named.

    Since 3.14 the structure keeps its pointer type itself, and nothing leaks.
    """
    modules(CTYPES + "pointer = ctypes.POINTER(Own)\n")

    report = measure_reload("plugin", rounds=3)

    if sys.version_info >= (3, 14):
        assert report.outcome == "clean"
        return
    assert report.outcome == "leaking"
    assert report.retained_generations == (-1, 0, 1)
    assert {f.growth for f in report.findings} == {"growing"}
    assert "plugin.Own" in {f.held.name for f in report.findings}


def test_fact_5_an_own_structure_without_pointer_is_clean(modules):
    """The cured twin: the structure itself is in no cache."""
    modules(CTYPES + "value = Own(1)\n")

    assert measure_reload("plugin", rounds=3).outcome == "clean"


NUMBERED = "import itertools\n\nnumbers = itertools.count()\nwaiting = {}\n"
ACROSS = """\
import host

class Link:
    def __init__(self):
        self.number = next(host.numbers)
        self.itself = self

    def __del__(self):
        host.waiting.pop(self.number, None)

link = Link()
if link.number > 1:
    host.waiting[link.number - 1] = link
"""
"""Each generation, except the original, is released when its predecessor has died."""

WITHIN = """\
import host

class Link:
    def __init__(self):
        self.number = next(host.numbers)
        self.itself = self

    def __del__(self):
        host.waiting.pop(self.number, None)

first = Link()
for _ in range(5):
    link = Link()
    host.waiting[link.number - 1] = link
del first, link
"""
"""Each object is released when the previous one of the same generation has died."""


def test_fact_6_one_collection_is_not_enough(modules):
    """Where each `__del__` lets go of the next object, each takes a collection of its own."""
    host = modules(WITHIN, host=NUMBERED)
    gc.collect()
    gc.disable()
    try:
        importlib.import_module("plugin")
        waiting = [len(host.waiting)]
        for _ in range(6):
            gc.collect()
            waiting.append(len(host.waiting))
    finally:
        gc.enable()

    assert waiting == [5, 4, 3, 2, 1, 0, 0]


@pytest.mark.parametrize("strategy", ["reimport", "reload"])
@pytest.mark.parametrize("plugin", [ACROSS, WITHIN], ids=["across generations", "within a generation"])
def test_fact_6_what_takes_several_collections_to_die_is_clean(plugin, strategy, modules):
    """Settling continues while it frees something, so a chain of `__del__`s is no finding."""
    modules(plugin, host=NUMBERED)

    report = measure_reload("plugin", strategy=strategy, rounds=6)

    assert (report.outcome, found(report)) == ("clean", [])


def test_fact_6_a_chain_that_nobody_lets_go_of_is_found(modules):
    """The twin that leaks: a `__del__` that does not release the next."""
    modules(ACROSS.replace("host.waiting.pop(self.number, None)", "pass"), host=NUMBERED)

    report = measure_reload("plugin", rounds=6)

    assert [(f.growth, f.holder.path, f.held.name, f.generations) for f in report.findings] == [
        ("growing", "host.waiting[*]", "plugin.Link", (1, 2, 3, 4))
    ]


RECORDERS = {
    "log record": ("", "logging.getLogger('app').warning('%s', plugin.Own())"),
    "logged exception": ("", "log(plugin.fail)"),
    "warning": ("", "warnings.warn(plugin.OwnWarning('a'), stacklevel=1)"),
    "warning of the target": ("", "plugin.warn()"),
    "excinfo": ("", "global info\n    with pytest.raises(plugin.OwnError) as info:\n        plugin.fail()"),
    "monkeypatch": ("monkeypatch", "monkeypatch.setattr(plugin, 'fail', None)"),
    "last exception": ("", "remember(plugin.fail)"),
    "fixture value": ("made", "assert made"),
}
"""Arguments and body of a test of which pytest keeps an object of the target."""


@pytest.mark.parametrize(("arguments", "body"), RECORDERS.values(), ids=RECORDERS)
def test_fact_7_what_pytest_keeps_is_not_held_against_the_target(arguments, body, pytester):
    """A test's runner holds records, warnings, exceptions and patches until the test ends; none is a finding."""
    pytester.makepyfile(
        plugin="""
            import warnings

            def warn():
                warnings.warn(OwnWarning("a"))

            class Own:
                def method(self):
                    pass

            class OwnWarning(UserWarning):
                def method(self):
                    pass

            class OwnError(Exception):
                def method(self):
                    pass

            def fail():
                raise OwnError("a")
        """,
        test_it=f"""
import logging
import sys
import warnings

import plugin
import pytest

def log(function):
    try:
        function()
    except plugin.OwnError:
        logging.getLogger("app").exception("failed")

def remember(function):
    try:
        function()
    except plugin.OwnError as error:
        sys.last_exc = sys.last_value = error
        sys.last_type, sys.last_traceback = type(error), error.__traceback__

@pytest.fixture
def made():
    return plugin.Own()

@pytest.mark.reloadable("plugin")
def test_it({arguments}):
    {body}
""",
    )

    result = pytester.runpytest_subprocess(
        "--reload-leak-check", "--reload-leak-json=report.json", "-W", "default"
    )

    report = json.loads((pytester.path / "report.json").read_text())
    assert [(check["outcome"], check["findings"]) for check in report["checks"]] == [("clean", [])]
    result.assert_outcomes(passed=1, warnings=result.parseoutcomes().get("warnings", 0))


def test_fact_7_what_the_test_itself_keeps_elsewhere_is_found(pytester):
    """The twin that leaks: the same objects in a list of a foreign module are the program's doing."""
    pytester.makepyfile(
        host="kept = []",
        plugin="class Own:\n    def method(self):\n        pass\n",
        test_it="""
            import host
            import plugin
            import pytest

            @pytest.mark.reloadable("plugin")
            def test_it():
                host.kept.append(plugin.Own())
        """,
    )

    result = pytester.runpytest_subprocess("--reload-leak-check")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*host.kept[[]*]*"])


def test_fact_7_the_tool_keeps_nothing_itself(modules):
    """After a check, leaking or not, no object of any generation is alive by the tool's doing.

    The target's name is this test's alone: what another test of this process left behind is not looked for here.
    """
    host = modules("", kept_by_nobody=LEAKS)

    report = measure_reload("kept_by_nobody", rounds=3)

    host.kept.clear()
    gc.collect()
    assert report.outcome == "leaking"
    assert [
        o for o in gc.get_objects() if type(o) is type(reimport) and o.__module__ == "kept_by_nobody"
    ] == []


NATIVE = {
    "atexit": ("import atexit\natexit.register(on_event)\n", "atexit"),
    "codecs": ("import codecs\ncodecs.register(on_event)\n", "codecs"),
    "fork": ("import os\nos.register_at_fork(after_in_child=on_event)\n", "fork"),
    "audit": ("import sys\nsys.addaudithook(on_event)\n", "audit"),
    "context": (
        "import contextvars\nvariable = contextvars.ContextVar('variable')\nvariable.set(on_event)\n",
        "contextvars",
    ),
}
"""What makes the last line of a target register its function with the interpreter, and the root that is then named."""


@pytest.mark.parametrize(("line", "root"), NATIVE.values(), ids=NATIVE)
def test_fact_8_a_holder_that_the_collector_cannot_show_is_found(line, root, tmp_path):
    """Registries in C do not show their entries. The report names them anyway, and the entry is the cause."""
    registered = f"def on_event(*args):\n    pass\n\n{line}"
    run.write(tmp_path, {"plugin": registered})

    report = in_own_process(tmp_path)

    assert [(f["kind"], f["growth"], f["holder"]["root"]) for f in report["findings"]] == [
        ("registration", "growing", root)
    ]
    assert report["findings"][0]["registry"] == root
    assert report["findings"][0]["also_retains"]
    assert report["findings"][0]["held"]["name"] == "plugin.on_event"
    assert report["retained_generations"] == [-1, 0, 1]


@pytest.mark.parametrize("line", [line for line, _ in NATIVE.values()], ids=NATIVE)
def test_fact_8_a_foreign_function_in_the_same_registry_is_no_retained_generation(line, tmp_path):
    """The cured twin: what the registry holds is not the target's, so it retains no generation."""
    run.write(
        tmp_path,
        {"host": "def on_event(*args):\n    pass\n", "plugin": f"from host import on_event\n\n{line}"},
    )

    report = in_own_process(tmp_path)

    retaining = {"retained-generation", "stale-reference"}
    assert [f for f in report["findings"] if f["kind"] in retaining and f["held"]["type"] == "function"] == []
    assert report["outcome"] != "error"


def in_own_process(directory):
    """The report of a check of `plugin`, whose registrations cannot be undone, in a process of its own."""
    command = [sys.executable, run.__file__, str(directory), "plugin", "reimport", "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


PACKAGE = {
    "package.__init__": "",
    "package.plugin": "def on_event():\n    pass\n",
    "user": "def ask():\n    from package import plugin\n    return plugin\n",
}


def test_fact_9_a_module_is_found_in_its_package_after_it_was_dropped(modules):
    """After `del sys.modules[...]` alone, `from package import plugin` gives the old module and imports nothing."""
    modules("", **PACKAGE)
    user = importlib.import_module("user")
    old = user.ask()
    del sys.modules["package.plugin"]
    assert user.ask() is old
    assert "package.plugin" not in sys.modules
    sys.modules["package.plugin"] = old
    del old

    seen = []
    for strategy in ("decache", "reimport"):
        report = measure_reload(
            "package.plugin", rounds=3, reload=lambda strategy=strategy: ask_between(strategy, seen)
        )
        assert report.outcome == "clean"

    assert seen == [("decache", "old")] * 4 + [("reimport", "new")] * 4


def ask_between(strategy, seen):
    """Drop `package.plugin` as a strategy does, note what the package's users then get, and import it again."""
    old = sys.modules.pop("package.plugin")
    if strategy == "reimport":
        del sys.modules["package"].plugin
    asked = sys.modules["user"].ask()
    seen.append((strategy, "old" if asked is old else "new"))
    importlib.import_module("package.plugin")


@pytest.mark.parametrize("strategy", ["decache", "reimport"])
def test_fact_9_the_package_has_the_present_module_after_each_round(strategy, pytester):
    """Whatever the strategy, an exercise that says `from package import plugin` gets the module of its own round."""
    pytester.mkpydir("package")
    (pytester.path / "package" / "plugin.py").write_text("def on_event():\n    pass\n")
    pytester.makepyfile(
        test_it=f"""
            import sys
            import pytest

            @pytest.mark.reloadable("package.plugin", strategy="{strategy}")
            def test_it(reloaded):
                from package import plugin
                assert plugin is reloaded is sys.modules["package.plugin"]
        """
    )

    pytester.runpytest_subprocess("--reload-leak-check").assert_outcomes(passed=1)


def test_fact_10_an_edit_of_the_same_size_in_the_same_second_is_not_noticed_by_python(
    modules, tmp_path, monkeypatch
):
    """A `.pyc` that matches the source's size and its time in whole seconds is believed."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    modules("number = 1\n")
    source, second_ns = tmp_path / "plugin.py", (int(time.time()) + 10) * 10**9
    os.utime(source, ns=(second_ns, second_ns))
    importlib.import_module("plugin")
    source.write_text("number = 2\n", encoding="utf-8")
    os.utime(source, ns=(second_ns + 1, second_ns + 1))
    reimport("plugin")

    assert sys.modules["plugin"].number == 1


@pytest.mark.parametrize("strategy", ["reimport", "decache", "reload"])
def test_fact_10_an_edit_of_the_same_size_in_the_same_second_is_seen(strategy, pytester, monkeypatch):
    """A check sees each edit in the round after it."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    pytester.makepyfile(
        plugin="number = 1\n\ndef on_event():\n    pass\n",
        test_it=f"""
            import os
            import pathlib
            import time
            import plugin
            import pytest

            SOURCE = pathlib.Path(plugin.__file__)
            SECOND_NS = (int(time.time()) + 10) * 10**9
            os.utime(SOURCE, ns=(SECOND_NS, SECOND_NS))
            seen = []

            @pytest.mark.reloadable("plugin", strategy="{strategy}", rounds=4)
            def test_it(reloaded):
                seen.append(reloaded.number)
                text = SOURCE.read_text().replace(f"number = {{reloaded.number}}", f"number = {{len(seen) + 1}}")
                SOURCE.write_text(text)
                os.utime(SOURCE, ns=(SECOND_NS + len(seen), SECOND_NS + len(seen)))

            def test_seen():
                assert seen == [1, 2, 3, 4, 5]
        """,
    )

    result = pytester.runpytest_subprocess("--reload-leak-check", "-p", "no:randomly")

    result.assert_outcomes(passed=2)


def test_fact_11_a_reload_that_does_nothing_is_an_error(modules):
    """A callable that returns without having reloaded anything does not make a check that passes."""
    modules("def on_event():\n    pass\n")
    importlib.import_module("plugin")

    report = measure_reload("plugin", rounds=3, reload=lambda: None)

    assert report.outcome == "error"
    assert "the target was not reloaded" in report.error
    assert report.error.startswith("warm-up round 1: ")


def test_fact_11_a_reload_that_stops_reloading_is_an_error_of_that_round(modules):
    """Each round must prove its reload, not only the first one."""
    modules("def on_event():\n    pass\n")
    importlib.import_module("plugin")
    rounds = iter([True, True, True, False, True])

    report = measure_reload("plugin", rounds=4, reload=lambda: reimport("plugin") if next(rounds) else None)

    assert report.outcome == "error"
    assert report.error.startswith("round 3: the target was not reloaded")


def test_fact_11_a_reload_that_reloads_is_clean(modules):
    """The cured twin: one that does reload."""
    modules("def on_event():\n    pass\n")
    importlib.import_module("plugin")

    assert measure_reload("plugin", rounds=3, reload=lambda: reimport("plugin")).outcome == "clean"
