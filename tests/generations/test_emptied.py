"""Namespaces that are emptied before they are executed again: the module keeps its dict, and so its generations."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cases import run

from pytest_reloadleak import Report, measure_reload
from pytest_reloadleak.effects.system import meter
from pytest_reloadleak.generations import emptied

ROUNDS = 4
MACHINERY = ("__name__", "__spec__", "__loader__", "__file__", "__package__")
HOST = "kept = []\nslot = [None]\n"
BODY = """
class Thing:
    def work(self): pass
def on_event(): pass
things = [Thing()]
"""
FILLS = {
    "function": ("host.kept.append(on_event)", "host.slot[0] = on_event", "plugin.on_event"),
    "instance": ("host.kept.append(Thing())", "host.slot[0] = Thing()", "plugin.Thing"),
    "method": ("host.kept.append(Thing().work)", "host.slot[0] = Thing().work", "plugin.Thing.work"),
    "lambda": ("host.kept.append(lambda: 1)", "host.slot[0] = lambda: 1", "plugin.<lambda>"),
}


def empty(keep: tuple[str, ...]) -> dict[str, Any]:
    """Empty the target's namespace but for some names."""
    namespace = vars(sys.modules["plugin"])
    kept = {name: namespace[name] for name in keep if name in namespace}
    namespace.clear()
    namespace.update(kept)
    return namespace


def emptied_and_reloaded() -> None:
    """As IPython 8's autoreload and marimo do."""
    empty(MACHINERY)
    importlib.reload(sys.modules["plugin"])


def emptied_and_executed() -> None:
    """As reloaders of notebooks do that know nothing of the import system."""
    namespace = empty(("__name__", "__file__"))
    path = namespace["__file__"]
    exec(compile(Path(path).read_text(encoding="utf-8"), path, "exec"), namespace)


def all_names_deleted() -> None:
    """The same, name by name."""
    namespace = vars(sys.modules["plugin"])
    for name in [name for name in namespace if name not in MACHINERY]:
        del namespace[name]
    importlib.reload(sys.modules["plugin"])


def old_names_carried_over() -> None:
    """A fresh module receives all that the old one had, the marker too: it is another generation none the less."""
    old = vars(sys.modules.pop("plugin"))
    spec = importlib.util.find_spec("plugin")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    vars(module).update({name: value for name, value in old.items() if name not in MACHINERY})
    sys.modules["plugin"] = module
    spec.loader.exec_module(module)


RELOADERS: dict[str, Callable[[], None]] = {
    f.__name__: f
    for f in (emptied_and_reloaded, emptied_and_executed, all_names_deleted, old_names_carried_over)
}
OWN_WIPE = (
    f"for _n in [n for n in globals() if n not in {(*MACHINERY, '__builtins__')!r}]: del globals()[_n]\n"
)
DISPOSAL = "def __reload_dispose__(data): globals().clear()\n"


def measured(directory: Path, target: str, **keywords: Any) -> Report:
    """Check a target in this process, loaded before the check as in a program."""
    run.write(directory, {"host": HOST, "plugin": target})
    with run.importable(directory):
        importlib.import_module("plugin")
        return measure_reload("plugin", rounds=ROUNDS, **keywords)


def assert_grows(report: Report, held: str) -> None:
    """One finding, and it has every generation that should be dead."""
    assert report.outcome == "leaking"
    found = [(f.kind, f.growth, f.holder and f.holder.path, f.held and f.held.name) for f in report.findings]
    assert found == [("retained-generation", "growing", "host.kept[*]", held)]
    assert set(report.findings[0].generations) >= set(range(ROUNDS - 1))


@pytest.mark.parametrize("how", RELOADERS)
@pytest.mark.parametrize("what", FILLS)
def test_a_leak_of_an_emptied_namespace_grows(what, how, tmp_path):
    """Each object belongs to the round that made it."""
    leaking, _, held = FILLS[what]

    assert_grows(measured(tmp_path, f"import host\n{BODY}{leaking}\n", reload=RELOADERS[how]), held)


@pytest.mark.parametrize("how", RELOADERS)
@pytest.mark.parametrize("what", FILLS)
def test_an_emptied_namespace_that_leaks_nothing_is_clean(what, how, tmp_path):
    """The module's own entry of `sys.modules` is not an old one."""
    _, cured, _ = FILLS[what]

    report = measured(tmp_path, f"import host\n{BODY}{cured}\n", reload=RELOADERS[how])

    assert (report.outcome, report.findings, report.not_reloaded) == ("clean", (), ())


@pytest.mark.parametrize("how", [emptied_and_reloaded, emptied_and_executed])
def test_an_emptied_namespace_of_data_was_executed(how, tmp_path):
    """Nothing else could have filled it."""
    assert measured(tmp_path, "value = [1]\n", reload=how).outcome == "clean"


def test_a_namespace_that_was_emptied_and_put_back_was_not_executed(tmp_path):
    """The marker is gone, but the code is what it was."""

    def reload() -> None:
        namespace = vars(sys.modules["plugin"])
        saved = {name: value for name, value in namespace.items() if not name.startswith("__reloadleak")}
        namespace.clear()
        namespace.update(saved)

    report = measured(tmp_path, f"import host\n{BODY}", reload=reload)

    assert report.outcome == "error"
    assert report.error is not None
    assert "was not reloaded" in report.error


@pytest.mark.parametrize("strategy", ["reload", "reimport"])
@pytest.mark.parametrize("what", FILLS)
@pytest.mark.parametrize("is_leaking", [True, False])
def test_a_target_that_empties_its_namespace_itself(is_leaking, what, strategy, tmp_path):
    """At the top of its own code."""
    leaking, cured, held = FILLS[what]
    body = f"{OWN_WIPE}import host\n{BODY}{leaking if is_leaking else cured}\n"

    report = measured(tmp_path, body, strategy=strategy)

    if is_leaking:
        assert_grows(report, held)
    else:
        assert (report.outcome, report.findings) == ("clean", ())


@pytest.mark.parametrize("what", ["function", "instance"])
def test_what_an_emptied_old_namespace_left_is_still_of_its_generation(what, tmp_path):
    """A program that empties the old module on unload, lest it leak, and imports it anew."""
    leaking, _, held = FILLS[what]

    def reload() -> None:
        empty(())
        del sys.modules["plugin"]
        importlib.import_module("plugin")

    assert_grows(measured(tmp_path, f"import host\n{BODY}{leaking}\n", reload=reload), held)


@pytest.mark.parametrize("what", ["function", "instance"])
@pytest.mark.parametrize("is_leaking", [True, False])
def test_a_hook_that_empties_the_namespace(is_leaking, what, tmp_path):
    """The same as a dispose hook under `reimport`."""
    leaking, cured, held = FILLS[what]
    body = f"import host\n{BODY}{leaking if is_leaking else cured}\n{DISPOSAL}"

    report = measured(tmp_path, body, strategy="reimport")

    if is_leaking:
        assert_grows(report, held)
    else:
        assert (report.outcome, report.findings) == ("clean", ())


def module_cleared() -> None:
    """As bokeh does with the modules of a document that it destroys: the module is there when it loses its names."""
    old = sys.modules.pop("plugin")
    importlib.import_module("plugin")
    vars(old).clear()


def namespace_cleared() -> None:
    """The module is gone by then, and with it the way from it to its namespace."""
    namespace = vars(sys.modules.pop("plugin"))
    importlib.import_module("plugin")
    namespace.clear()


def names_forgotten() -> None:
    """As the interpreter does when it ends: the names stay, without their values."""
    namespace = vars(sys.modules.pop("plugin"))
    namespace.update(dict.fromkeys(namespace))
    importlib.import_module("plugin")


UNLOADERS = {f.__name__: f for f in (module_cleared, namespace_cleared, names_forgotten)}
UNNOTED = {
    "lambda": ("lambda: 1", "plugin.<lambda>"),
    "inner function": ("make()", "plugin.make.<locals>.inner"),
    "suspended generator": ("(x for x in [1])", None),
}
MAKER = "def make():\n    def inner(): pass\n    return inner\n"


@pytest.mark.parametrize("how", UNLOADERS)
@pytest.mark.parametrize("what", UNNOTED)
def test_what_no_round_saw_has_the_generation_of_its_emptied_namespace(what, how, tmp_path):
    """The namespace is the globals of a function or of a frame: it lives as long, and is found by it."""
    made, held = UNNOTED[what]

    report = measured(tmp_path, f"import host\n{MAKER}host.kept.append({made})\n", reload=UNLOADERS[how])

    (finding,) = report.findings
    assert (finding.kind, finding.growth) == ("retained-generation", "growing")
    assert set(finding.generations) >= set(range(ROUNDS - 1))
    assert finding.holder is not None
    assert finding.holder.path.startswith("host.kept[*]")
    if held is not None:
        assert finding.held is not None
        assert finding.held.name == held


@pytest.mark.parametrize("how", UNLOADERS)
@pytest.mark.parametrize("what", UNNOTED)
def test_an_emptied_namespace_that_nobody_needs_is_clean(what, how, tmp_path):
    """The one of the generation before is within the grace."""
    made, _ = UNNOTED[what]

    report = measured(tmp_path, f"import host\n{MAKER}host.slot[0] = {made}\n", reload=UNLOADERS[how])

    assert (report.outcome, report.findings) == ("clean", ())


@pytest.mark.parametrize("is_large", [False, True])
@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ("values = [1]\n", "clean"),
        ("import host\nhost.slot[0] = lambda: 1\n", "clean"),
        ("import host\nhost.kept.append(lambda: 1)\n", "leaking"),
    ],
)
def test_two_modules_that_take_turns(body, outcome, is_large, tmp_path, monkeypatch):
    """The program empties each while the other is in use, and executes it again: nothing old is left of that.

    On a large heap not each round is looked at, so that one module may have been emptied several times since.
    """
    if is_large:
        monkeypatch.setattr(meter, "_LARGE_BLOCKS", 0)
    spare = [types.ModuleType("plugin")]

    def reload() -> None:
        old, module = sys.modules["plugin"], spare.pop()
        vars(module).update(__name__="plugin", __file__=str(tmp_path / "plugin.py"))
        sys.modules["plugin"] = module
        exec(compile(body, "plugin.py", "exec"), vars(module))
        vars(old).clear()
        spare.append(old)

    assert measured(tmp_path, body, reload=reload).outcome == outcome


@pytest.mark.parametrize("body", ["values = [1]\n", BODY])
def test_no_pass_over_the_heap_unless_a_namespace_with_functions_was_emptied(body, tmp_path, monkeypatch):
    """Plain data dies with its module, which looks the same from within."""
    monkeypatch.setattr(emptied, "gc", None)
    assert measured(tmp_path, body, strategy="reimport").outcome == "clean"
