"""What the program can see while its own reload runs: the same as without a check, but for what is listed here."""

from __future__ import annotations

import atexit
import builtins
import gc
import importlib
import importlib._bootstrap_external
import importlib.machinery
import importlib.util
import inspect
import os
import sys
import threading
import types
import warnings
from pathlib import Path
from typing import Any

import pytest
from cases import run

from pytest_reloadleak.check import measure_reload
from pytest_reloadleak.effects.registries.watched_functions import WATCHES
from pytest_reloadleak.effects.system.orphans import VARIABLE
from pytest_reloadleak.generations.markers import MARKER

FIRST, SECOND = "value = 'one'\ndef f(): pass\n", "value = 'two'\ndef f(): pass\n"
REGISTERING = {watch.spelling for watch in WATCHES}
LOADER = ("importlib._bootstrap_external", "cache_from_source")


@pytest.fixture
def stale(tmp_path, monkeypatch):
    """The loaded module `stale`, whose `.pyc` Python would believe although the source is another."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    source, second_ns = tmp_path / "stale.py", 1_700_000_000 * 10**9
    with run.importable(tmp_path):
        run.write(tmp_path, {"stale": FIRST})
        os.utime(source, ns=(second_ns, second_ns + 10**8))
        importlib.import_module("stale")
        cached = importlib.util.cache_from_source(str(source))
        os.utime(cached, ns=(second_ns, second_ns + 2 * 10**8))
        run.write(tmp_path, {"stale": SECOND})
        os.utime(source, ns=(second_ns, second_ns + 3 * 10**8))
        yield source


def reload_stale() -> None:
    """The program's own reload."""
    importlib.reload(sys.modules["stale"])


def questions(source: Path) -> list[object]:
    """What a reloader asks before it reloads, as IPython's autoreload does."""
    util, external = importlib.util, importlib._bootstrap_external
    cached = util.cache_from_source(str(source))
    spec = util.spec_from_file_location("stale", source)
    assert spec is not None
    return [
        sys.implementation.cache_tag,
        cached,
        util.source_from_cache(cached),
        external.cache_from_source(str(source)),  # type: ignore[attr-defined]  # the stubs leave it out
        external.cache_from_source(str(source), optimization=1),  # type: ignore[attr-defined]  # as above
        spec.cached,
    ]


def test_a_reloader_that_asks_for_the_bytecodes_path_gets_its_answer(stale):
    """And the loader still does not believe a stale `.pyc`."""
    before, during, values = questions(stale), [], []

    def reload() -> None:
        during.append(questions(stale))
        reload_stale()
        values.append(sys.modules["stale"].value)

    report = measure_reload("stale", reload=reload, rounds=2)

    assert report.outcome == "clean"
    assert set(values) == {"two"}
    assert all(answers == before for answers in during)


def test_only_the_targets_own_bytecode_is_doubted(stale, tmp_path):
    """Another module that is loaded meanwhile comes from its `.pyc`, stale or not, as it would without a check."""
    run.write(tmp_path, {"other": FIRST})
    source, second_ns = tmp_path / "other.py", 1_700_000_000 * 10**9
    os.utime(source, ns=(second_ns, second_ns))
    importlib.import_module("other")
    run.write(tmp_path, {"other": SECOND})
    os.utime(source, ns=(second_ns, second_ns))
    values = []

    def reload() -> None:
        reload_stale()
        values.append(importlib.reload(sys.modules["other"]).value)

    measure_reload("stale", reload=reload, rounds=2)

    assert set(values) == {"one"}


def test_what_a_program_wrapped_around_the_loaders_function_stays_and_is_told_the_truth(stale, monkeypatch):
    """A reload that instruments the loader, as type checkers at run time do, keeps a function of ours: it is open."""
    external: Any = importlib._bootstrap_external
    monkeypatch.setattr(external, "cache_from_source", external.cache_from_source)  # puts it back

    def reload() -> None:
        if external.cache_from_source.__name__ != "around":
            ours = external.cache_from_source

            def around(*args: Any, **keywords: Any) -> Any:
                return ours(*args, **keywords)

            external.cache_from_source = around
        reload_stale()

    measure_reload("stale", reload=reload, rounds=2)

    assert external.cache_from_source.__name__ == "around"
    loader = importlib.machinery.SourceFileLoader("stale", str(stale))
    code = loader.get_code("stale")
    assert code is not None
    assert "one" in code.co_consts  # as Python alone would have it


def names_of_the_library() -> dict[tuple[str, str], int]:
    """Identity of every name of the library's loaded modules, and of the items of the import system's lists."""
    found = {}
    for name, module in list(sys.modules.items()):
        if type(module) is types.ModuleType and name.partition(".")[0] in sys.stdlib_module_names:
            found.update({(name, key): id(value) for key, value in list(vars(module).items())})
    for key in ("meta_path", "path_hooks", "path"):
        found.update({("sys." + key, str(at)): id(o) for at, o in enumerate(getattr(sys, key))})
    found.update({("sys.implementation", k): id(v) for k, v in vars(sys.implementation).items()})
    return found


def test_nothing_else_of_the_library_differs(stale):
    """Only the functions that register what cannot be listed, and what the loader of a stale `.pyc` asks, do."""
    importlib.import_module("faulthandler")
    before, keys, times = names_of_the_library(), set(), iter(range(100))

    def reload() -> None:
        now = names_of_the_library()
        keys.update(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
        next(times)
        reload_stale()

    measure_reload("stale", reload=reload, rounds=2)

    own = {name.rpartition(".")[2] for name in REGISTERING}
    others = {key for key in keys if key[1] not in own and not is_loaders(key)}
    assert next(times) >= 3
    assert others - {key for key in others if key[0] == "__main__"} == set()
    assert names_of_the_library().keys() >= before.keys()


def is_loaders(key: tuple[str, str]) -> bool:
    """Whether a name is that of the loader's function, by either name of its module."""
    return key[1] == LOADER[1] and key[0] in (LOADER[0], "_frozen_importlib_external")


def test_a_registering_function_is_a_builtin_to_whom_asks(stale):
    """`isinstance` and `inspect` answer as without a check."""
    answers = []

    def asked() -> list[object]:
        f: Any = atexit.register
        kinds = isinstance(f, types.BuiltinFunctionType), inspect.isbuiltin(f), inspect.isroutine(f)
        return [*kinds, callable(f), f.__name__, f.__module__, repr(f), inspect.isfunction(f)]

    def reload() -> None:
        answers.append(asked())
        reload_stale()

    before = asked()
    measure_reload("stale", reload=reload, rounds=2)

    assert all(answer == before for answer in answers)


def target_and_process() -> dict[str, object]:
    """What a reloader may look at: the target with all that describes it, and the settings of the process."""
    module = sys.modules["stale"]
    namespace, spec = vars(module), module.__spec__
    assert spec is not None
    describes = (
        "name",
        "origin",
        "cached",
        "has_location",
        "parent",
        "submodule_search_locations",
        "loader_state",
    )
    return {
        "module": (type(module), type(namespace), dir(module) == sorted(namespace)),
        "names": list(namespace),
        "values": {name: type(value) for name, value in namespace.items()},
        "name": (module.__name__, type(module.__name__), module.__package__),
        "spec": (type(spec), *(getattr(spec, name) for name in describes)),
        "loader": (type(spec.loader), sorted(vars(spec.loader)), spec.loader is module.__loader__),
        "function": (
            module.f.__module__,
            module.f.__globals__ is namespace,
            vars(module.f),
            module.f.__code__.co_filename,
        ),
        "modules": ("stale" in sys.modules, type(sys.modules), id(sys.modules)),
        "environment": sorted(os.environ),
        "settings": (sys.flags, sys.dont_write_bytecode, sys.pycache_prefix, sys.getrecursionlimit()),
        "tracing": (sys.gettrace(), sys.getprofile(), threading.gettrace(), threading.getprofile()),
        "collector": (gc.isenabled(), gc.get_threshold(), gc.get_debug(), gc.get_freeze_count()),
        "hooks": (
            sys.excepthook,
            sys.unraisablehook,
            sys.displayhook,
            threading.excepthook,
            builtins.__import__,
        ),
        "lists": [
            list(map(id, found)) for found in (gc.callbacks, warnings.filters, sys.meta_path, sys.path_hooks)
        ],
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "directory": os.getcwd(),
    }


def without_ours(seen: dict[str, Any]) -> dict[str, Any]:
    """The same without the two things that the check adds: its marker in the namespace, and its variable."""
    values = {name: kind for name, kind in seen["values"].items() if name != MARKER}
    names = [name for name in seen["names"] if name != MARKER]
    environment = [name for name in seen["environment"] if name != VARIABLE]
    return {**seen, "values": values, "names": names, "environment": environment}


@pytest.mark.parametrize("is_dropped", [True, False], ids=["drop and import", "in place"])
def test_a_reload_sees_the_target_and_the_process_as_without_a_check(stale, is_dropped):
    """Before and after each reload of its own; what differs is the marker and the variable, and nothing else."""
    # Only differences are kept: what each reload leaves in a list is growth, whose line a traced reload would look for.
    expected: dict[str, Any] = {}
    different: dict[str, object] = {}
    fresh_markers = set()

    def reload() -> None:
        look()
        if is_dropped:
            run.import_again("stale")
        else:
            reload_stale()
        fresh_markers.add(MARKER in vars(sys.modules["stale"]))
        look()

    def look() -> None:
        seen = without_ours(target_and_process())
        different.update({key: value for key, value in seen.items() if value != expected.get(key, value)})

    for _ in range(4):
        reload()
    expected.update(without_ours(target_and_process()))
    report = measure_reload("stale", reload=reload, rounds=3)

    assert report.outcome == "clean"
    assert different == {}
    # A fresh namespace gets its marker only after its execution has ended.
    expected = {False} if is_dropped else {False, True}
    assert fresh_markers == expected
