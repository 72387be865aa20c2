"""After a check in the process everything is as it was, identity included, however the check ended."""

import asyncio
import contextlib
import gc
import importlib
import json
import sys
import time
import tracemalloc
import types
import warnings

import pytest
from cases import run

from pytest_reloadleak import measure_reload
from pytest_reloadleak.report.jsonfile import to_dict

STRATEGIES = ("reimport", "decache", "reload")
HOST = """\
import itertools

kept = []
counter = itertools.count()
"""
CLEAN = """\
from package import helper

ROUTES = ["a"]

def on_event():
    return helper.VALUE

class Plugin:
    pass
"""
LEAKING = CLEAN + "\nimport host\nhost.kept.append(on_event)\n"
PACKAGE = {"host": HOST, "package.__init__": "from . import helper\n", "package.helper": "VALUE = object()\n"}


@pytest.fixture(scope="module", autouse=True)
def _loaded_tool():
    """Let the tool import what it needs, to tell failures too, so that it does not show in comparisons afterwards."""

    def fail():
        raise ValueError

    assert measure_reload("colorsys", rounds=1).outcome == "clean"
    assert measure_reload("colorsys", rounds=1, reload=fail).outcome == "error"


@pytest.fixture
def modules(tmp_path):
    """Make modules importable from the sources that a test gives; afterwards none of them is left."""
    with contextlib.ExitStack() as stack:

        def write(**sources):
            run.write(tmp_path, sources)
            stack.enter_context(run.importable(tmp_path))

        yield write


def state(*names):
    """What must be the same after a check: each module, its dict and the identities of its contents."""
    found = {}
    for name in names:
        module = sys.modules[name]
        found[name] = (module, vars(module), {key: id(value) for key, value in vars(module).items()})
    return found


def process():
    """Settings of the process that a check may touch on its way."""
    return {
        # The tool loads parts of itself when it first needs them.
        "modules": {n: id(m) for n, m in sys.modules.items() if not n.startswith("pytest_reloadleak.")},
        "path": (id(sys.path), list(sys.path)),
        "meta_path": (id(sys.meta_path), list(sys.meta_path)),
        "path_hooks": list(sys.path_hooks),
        "cache_tag": sys.implementation.cache_tag,
        "dont_write_bytecode": sys.dont_write_bytecode,
        "gc": (gc.isenabled(), gc.get_threshold(), list(gc.callbacks), gc.get_debug(), gc.get_freeze_count()),
        "trace": (sys.gettrace(), sys.getprofile(), tracemalloc.is_tracing()),
        "filters": (id(warnings.filters), list(warnings.filters)),
        "hooks": (sys.excepthook, sys.displayhook, sys.unraisablehook, id(sys.stdout), id(sys.stderr)),
    }


def assert_same(before, names):
    """Compare by identity; a comparison of the modules' values would call their `__eq__`."""
    after = state(*names)
    for name, (module, namespace, contents) in before.items():
        assert after[name][0] is module
        assert after[name][1] is namespace
        assert after[name][2] == contents


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    ("target", "source", "outcome"),
    [
        ("package.plugin", CLEAN, "clean"),
        ("package.plugin", LEAKING, "leaking"),
        ("package", CLEAN, "clean"),
        ("package", LEAKING, "leaking"),
    ],
)
def test_the_modules_are_the_same_objects_with_the_same_contents(target, source, outcome, strategy, modules):
    """Modules, dicts, their values and the parents' attributes come back with their identity, clean or leaking."""
    modules(**PACKAGE, **{"package.plugin": source})
    importlib.import_module("package.plugin")
    importlib.import_module("host")
    names = ("package", "package.helper", "package.plugin", "host")
    before, around = state(*names), process()

    report = measure_reload(target, strategy=strategy, rounds=3)

    assert report.outcome == outcome
    assert_same(before, names)
    assert process() == around
    assert sys.modules["package"].plugin is sys.modules["package.plugin"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_unit_that_was_not_loaded_is_not_loaded_afterwards(strategy, modules):
    """Neither the target nor a submodule of it stays in `sys.modules` or as its parent's attribute."""
    modules(**PACKAGE, **{"package.plugin": CLEAN})
    package = importlib.import_module("package")
    around = process()

    report = measure_reload("package.plugin", strategy=strategy, rounds=2)

    assert report.outcome == "clean"
    assert process() == around
    assert not hasattr(package, "plugin")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_submodule_that_only_a_round_loaded_is_not_loaded_afterwards(strategy, modules):
    """A later generation may import more of its own package than the first one did; that is undone too."""
    more = "import host\nif next(host.counter) > 1:\n    from package import late\n"
    modules(**{**PACKAGE, "package.__init__": more}, **{"package.late": "def late():\n    pass\n"})
    package = importlib.import_module("package")
    around = process()

    report = measure_reload("package", strategy=strategy, rounds=3)

    assert report.outcome == "clean"
    assert process() == around
    assert not hasattr(package, "late")


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("plugin", ["", "import gc\ngc.disable()\n", "import gc\ngc.enable()\n"])
def test_automatic_collection_is_as_it_was(plugin, enabled, modules):
    """Whatever the target does to it, and whatever the check needed, `gc.isenabled()` says what it said before."""
    modules(plugin=f"{plugin}\ndef on_event():\n    pass\n")
    (gc.enable if enabled else gc.disable)()
    try:
        report = measure_reload("plugin", rounds=2)
        after = gc.isenabled()
    finally:
        gc.enable()

    assert (report.outcome, after) == ("clean", enabled)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_module_table_that_the_last_hook_replaced_is_back(strategy, modules):
    """No reload comes after it that would notice; the import system goes on with the table that it knows."""
    modules(plugin="VALUE = [1]\n")
    table, calls = sys.modules, []

    def dispose():
        calls.append(len(calls))
        if len(calls) == 4:
            sys.modules = dict(sys.modules)

    try:
        measure_reload("plugin", strategy=strategy, rounds=2, dispose=dispose)
        after = sys.modules
    finally:
        sys.modules = table

    assert after is table
    assert len(calls) == 4


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_contents_of_a_namespace_that_is_used_again_come_back(strategy, modules):
    """Names that a later generation adds, replaces or deletes are as they were, under `reload` in the same dict."""
    modules(
        host=HOST,
        plugin="""\
import host

number = next(host.counter)
if number == 0:
    first = object()
else:
    globals().pop("first", None)
    globals()[f"added_{number}"] = object()

def on_event():
    pass
""",
    )
    plugin = importlib.import_module("plugin")
    before = state("plugin")

    report = measure_reload("plugin", strategy=strategy, rounds=3)

    assert report.outcome != "error"
    assert_same(before, ["plugin"])
    assert (plugin.number, [name for name in vars(plugin) if name.startswith("added")]) == (0, [])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_module_that_the_target_replaces_elsewhere_is_back(strategy, modules):
    """A target that puts something else in place of a foreign module has not changed what later code imports."""
    modules(
        host=HOST,
        other="",
        plugin="import sys\nsys.modules['other'] = object()\n\ndef on_event():\n    pass\n",
    )
    other = importlib.import_module("other")

    measure_reload("plugin", strategy=strategy, rounds=2)

    assert sys.modules["other"] is other


FAILURES = {
    "ValueError": ("raise ValueError('out of order')", "ValueError: out of order"),
    "SystemExit": ("raise SystemExit(3)", "SystemExit: 3"),
    "CancelledError": ("import asyncio\n    raise asyncio.CancelledError", "CancelledError"),
    "text that raises": (
        "class Broken(Exception):\n        def __str__(self):\n            raise RuntimeError\n    raise Broken",
        "Broken: ",
    ),
}


def failing(statement, at):
    """A target whose execution number `at`, counted from 0, raises after it has begun to fill its namespace."""
    return f"""\
import host

number = next(host.counter)
begun = object()

def on_event():
    pass

if number == {at}:
    {statement}
"""


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(("statement", "text"), FAILURES.values(), ids=FAILURES)
def test_a_reload_that_raises_puts_everything_back(statement, text, strategy, modules, tmp_path):
    """The outcome is `error`, with round, type, text and the user's frame, and nothing of the attempt remains."""
    modules(host=HOST, plugin=failing(statement, at=4))
    importlib.import_module("plugin")
    before, around = state("plugin"), process()

    report = measure_reload("plugin", strategy=strategy, rounds=5)

    assert_same(before, ["plugin"])
    assert process() == around
    lines = (tmp_path / "plugin.py").read_text().splitlines()
    line = max(number for number, text in enumerate(lines, 1) if text.startswith("    raise"))
    assert report.outcome == "error"
    assert report.error.startswith(f"round 3: the reload raised: {text}")
    assert report.error.endswith(f"({tmp_path / 'plugin.py'}:{line} in <module>)")
    assert "\n" not in report.error
    assert json.loads(json.dumps(to_dict(report)))["error"] == report.error == report.reason


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_reload_that_raises_keeps_no_generation_alive(strategy, modules):
    """The exception and its traceback are gone with the attempt: only the original's functions are alive."""
    modules(host=HOST, plugin=failing("raise ValueError('out of order')", at=4))
    plugin = importlib.import_module("plugin")

    report = measure_reload("plugin", strategy=strategy, rounds=5)

    gc.collect()
    assert report.outcome == "error"
    functions = [o for o in gc.get_objects() if type(o) is types.FunctionType]
    alive = [o for o in functions if o.__code__.co_filename == plugin.__file__]
    assert len(alive) == 1
    assert alive[0] is plugin.on_event


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_syntax_error_after_an_edit_puts_everything_back(strategy, modules, tmp_path):
    """A target whose source is broken between two rounds is the outcome `error`, and the working one comes back."""
    path = tmp_path / "plugin.py"
    breaks = f"    pathlib.Path({str(path)!r}).write_text('def broken(:\\n')\n"
    modules(
        host=HOST,
        plugin=f"import pathlib\nimport host\n\ndef on_event():\n    pass\n\nif next(host.counter) == 3:\n{breaks}",
    )
    importlib.import_module("plugin")
    before, around = state("plugin"), process()

    report = measure_reload("plugin", strategy=strategy, rounds=5)

    assert_same(before, ["plugin"])
    assert process() == around
    assert report.outcome == "error"
    assert report.error.startswith("round 3: the reload raised: SyntaxError: ")
    assert "plugin.py" in report.error
    assert "line 1" in report.error


def test_a_failure_in_the_warm_up_says_so(modules):
    """Rounds of the warm-up are named as such."""
    modules(host=HOST, plugin=failing("raise ValueError('out of order')", at=2))

    report = measure_reload("plugin", rounds=5, warmup=3)

    assert report.outcome == "error"
    assert report.error.startswith("warm-up round 2: the reload raised: ValueError: out of order")


def test_a_target_that_cannot_be_imported_leaves_nothing(modules):
    """The first import may fail too; it is no round, and is told as what it is."""
    modules(host=HOST, plugin=failing("raise ValueError('out of order')", at=0))
    importlib.import_module("host")
    around = process()

    report = measure_reload("plugin", rounds=5)

    assert report.outcome == "error"
    assert report.error.startswith("the target could not be imported: ValueError: out of order")
    assert "plugin.py:10 in <module>" in report.error
    assert process() == around


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_keyboard_interrupt_passes_and_everything_is_back(strategy, modules):
    """Who presses Ctrl-C wants the run to end, and even then nothing is left behind."""
    modules(host=HOST, plugin=failing("raise KeyboardInterrupt", at=3))
    importlib.import_module("plugin")
    before, around = state("plugin"), process()

    with pytest.raises(KeyboardInterrupt):
        measure_reload("plugin", strategy=strategy, rounds=5)

    assert_same(before, ["plugin"])
    assert process() == around


@pytest.mark.parametrize("is_async", [False, True])
def test_a_callable_that_raises_puts_everything_back(is_async, modules, tmp_path):
    """The application's own reload may fail half-way, having dropped the module; it is back."""
    modules(plugin="def on_event():\n    pass\n")
    importlib.import_module("plugin")
    before, around = state("plugin"), process()
    rounds = iter(range(10))

    def reload():
        del sys.modules["plugin"]
        if next(rounds) == 3:
            raise LookupError("half-way")
        importlib.import_module("plugin")

    async def areload():
        await asyncio.sleep(0)
        reload()

    report = measure_reload("plugin", rounds=5, reload=areload if is_async else reload)

    assert_same(before, ["plugin"])
    assert process() == around
    assert report.outcome == "error"
    assert report.error.startswith("round 3: the reload raised: LookupError: half-way (")
    assert f"{__file__}:" in report.error
    assert report.error.endswith("in reload)")


def test_a_job_of_the_loop_that_does_not_end_is_not_waited_for(modules):
    """The threads of the loop's executor are found, and the check ends nevertheless."""
    modules(
        host="import threading\nstop = threading.Event()\n",
        plugin="import asyncio, host\n"
        "def work(): host.stop.wait(30)\n"
        "async def dispose(): asyncio.get_running_loop().run_in_executor(None, work)\n",
    )
    host = importlib.import_module("host")
    begun_s = time.monotonic()
    try:
        report = measure_reload("plugin", rounds=2, dispose="dispose")
    finally:
        host.stop.set()
    assert time.monotonic() - begun_s < 20
    assert {finding.kind for finding in report.findings} == {"live-thread"}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_one_check_left_is_not_held_against_the_next(strategy, modules):
    """Of a host that still keeps what an earlier check left, only the original generation is the next one's."""
    modules(
        host="kept = []\nleaks = True\n",
        plugin="import host\n\ndef on_event():\n    pass\n\nif host.leaks:\n    host.kept.append(on_event)\n",
    )
    host = importlib.import_module("host")
    importlib.import_module("plugin")

    first = measure_reload("plugin", strategy=strategy, rounds=3)
    left = len(host.kept)
    host.leaks = False
    second = measure_reload("plugin", strategy=strategy, rounds=3)

    assert first.outcome == "leaking"
    assert left > 3
    # The host has kept the original too, since before the second check: that, and no more, may be said of it.
    assert [(f.growth, f.holder.path, f.held.name, f.generations) for f in second.findings] == [
        ("bounded", "host.kept[*]", "plugin.on_event", (-1,))
    ]


def test_code_that_an_earlier_check_left_is_of_no_generation_of_the_next(modules):
    """Functions and classes of the same names, alive since an earlier check, are neither generation -1 nor holders."""
    modules(
        host=HOST,
        elsewhere="kept = []\nis_full = False\n",
        plugin="""\
import elsewhere
import host

class Plugin:
    def method(self):
        pass

def on_event():
    return Plugin

(host if elsewhere.is_full else elsewhere).kept.append(on_event)
""",
    )
    elsewhere = importlib.import_module("elsewhere")
    first = measure_reload("plugin", rounds=3)
    elsewhere.is_full = True

    second = measure_reload("plugin", rounds=3)

    found = [[(f.holder.path, f.generations) for f in report.findings] for report in (first, second)]
    assert found == [[("elsewhere.kept[*]", (-1, 0, 1))], [("host.kept[*]", (-1, 0, 1))]]


def test_the_next_check_of_another_target_is_clean(modules):
    """Two targets of one process have nothing to do with each other."""
    modules(
        host=HOST,
        plugin=failing("pass", at=0) + "\nhost.kept.append(on_event)\n",
        other="def f():\n    pass\n",
    )

    assert measure_reload("plugin", rounds=3).outcome == "leaking"
    assert measure_reload("other", rounds=3).outcome == "clean"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_checking_twice_finds_the_same(strategy, modules):
    """A second check judges its own generations: the same finding, though the first one's are still alive."""
    modules(host=HOST, plugin=failing("pass", at=0) + "\nhost.kept.append(on_event)\n")

    first, second = (measure_reload("plugin", strategy=strategy, rounds=3) for _ in range(2))

    assert first.outcome == "leaking"
    assert [(f.signature, f.growth, f.per_round, f.generations) for f in first.findings] == [
        (f.signature, f.growth, f.per_round, f.generations) for f in second.findings
    ]


def test_later_tests_see_the_world_as_before(pytester):
    """After a marked test, passing, raising or leaking, the test module's bindings are the original ones."""
    pytester.makepyfile(
        host="kept = []\n",
        plugin="""
            ROUTES = []

            def on_event():
                pass
        """,
        test_it="""
            import sys
            import host
            import plugin
            import plugin as alias
            import pytest
            from plugin import ROUTES, on_event

            ORIGINAL = (plugin, plugin.on_event, plugin.ROUTES, vars(plugin))
            seen = []

            def test_before():
                assert_same()

            @pytest.mark.reloadable("plugin")
            def test_passing(reloaded):
                assert reloaded is plugin is alias is sys.modules["plugin"]
                assert reloaded.on_event is on_event
                assert reloaded.ROUTES is ROUTES
                seen.append(id(on_event))

            def test_after_passing():
                assert len(seen) > 1
                assert_same()

            @pytest.mark.reloadable("plugin")
            def test_raising():
                assert on_event is ORIGINAL[1]

            def test_after_raising():
                assert_same()

            @pytest.mark.reloadable("plugin")
            def test_leaking():
                host.kept.append(on_event)

            def test_after_leaking():
                assert_same()

            def assert_same():
                assert sys.modules["plugin"] is plugin is alias is ORIGINAL[0]
                assert plugin.on_event is on_event is ORIGINAL[1]
                assert plugin.ROUTES is ROUTES is ORIGINAL[2]
                assert vars(plugin) is ORIGINAL[3]
                assert not [name for name in vars(plugin) if "reloadleak" in name]
        """,
    )

    result = pytester.runpytest_subprocess("--reload-leak-check", "-p", "no:randomly", "-rA")

    result.assert_outcomes(passed=5, failed=2)
    result.stdout.fnmatch_lines(["FAILED test_it.py::test_raising*", "FAILED test_it.py::test_leaking*"])
