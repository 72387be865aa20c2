"""`clear_cache`: what the import system forgets, what it keeps when told so, and who else holds the old version."""

from __future__ import annotations

import importlib
import os
import sys
import threading
import zipimport
from contextlib import contextmanager

import pytest
from cases import run

from pytest_reloadleak import Cleared, UsageError, clear_cache
from pytest_reloadleak.strategies import clearing
from pytest_reloadleak.strategies.imports.locks import imports_locked

PACKAGE = {
    "pkg.__init__": "import log\nlog.ran.append(__name__)\n",
    "pkg.sub": "import log\nlog.ran.append(__name__)\n\ndef f(): pass\n",
    "pkg.other": "import log\nlog.ran.append(__name__)\nfrom pkg.sub import f\n",
    "log": "ran = []\n",
}


@pytest.fixture
def program(tmp_path):
    """Write modules, and import some of them."""
    with run.importable(tmp_path):

        def write(files, *names):
            run.write(tmp_path, files)
            return [importlib.import_module(name) for name in names]

        yield write


def paths(cleared: Cleared) -> list[str]:
    """Who still holds the old version."""
    return [f"{remaining.holder.root}: {remaining.holder.path}" for remaining in cleared.holders]


def test_the_next_import_finds_and_executes_it_anew(program):
    """Names and the attribute of the parent are gone, and nobody holds the old version."""
    program(PACKAGE, "log", "pkg.sub")

    cleared = clear_cache("pkg.sub")

    assert cleared.names == ("pkg.sub",)
    assert "pkg.sub" not in sys.modules
    assert not hasattr(sys.modules["pkg"], "sub")
    assert cleared.holders == ()
    importlib.import_module("pkg.sub")
    assert sys.modules["log"].ran == ["pkg", "pkg.sub", "pkg.sub"]


def test_a_package_goes_with_its_submodules(program):
    """The unit is the prefix."""
    program(PACKAGE, "log", "pkg.other")

    cleared = clear_cache("pkg")

    assert sorted(cleared.names) == ["pkg", "pkg.other", "pkg.sub"]
    assert [name for name in sys.modules if name.partition(".")[0] == "pkg"] == []


def test_every_holder_is_returned_and_not_the_first_alone(program):
    """Importers, containers and locals; none of them is the import system's own."""
    host, *_ = program(
        {
            **PACKAGE,
            "host": "import pkg.sub\nkept = [pkg.sub.f]\nfrom pkg.sub import f as g\n",
        },
        "host",
        "log",
    )
    local = host.kept[0]

    cleared = clear_cache("pkg.sub")

    assert paths(cleared) == [
        "frame: test_clear_cache.test_every_holder_is_returned_and_not_the_first_alone.<local local>",
        "sys.modules: host.g",
        "sys.modules: host.kept[*]",
    ]
    assert {remaining.held.name for remaining in cleared.holders} == {"pkg.sub.f"}
    assert local is host.g


def test_the_old_version_bears_no_mark_of_ours(program):
    """What lives on is as it was."""
    (sub,) = program(PACKAGE, "pkg.sub")
    before = dict(vars(sub))

    clear_cache("pkg.sub")

    assert vars(sub) == before


def test_resolution_alone_executes_nothing_again(program, tmp_path):
    """Finders are made anew, so a directory that did not exist is looked at; the module stays the same."""
    (sub,) = program(PACKAGE, "pkg.sub")
    late = tmp_path / "late"
    sys.path.append(str(late))
    try:
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module("comes_later")
        late.mkdir()
        (late / "comes_later.py").write_text("")

        cleared = clear_cache("pkg.sub", loading=False)

        assert cleared.names == ()
        assert str(late) in cleared.directories
        assert sys.modules["pkg.sub"] is sub
        assert importlib.import_module("comes_later") is sys.modules.pop("comes_later")
    finally:
        sys.path.remove(str(late))
        sys.path_importer_cache.pop(str(late), None)


def test_loading_alone_leaves_the_finders(program, tmp_path):
    """Where the modules lie is still known."""
    program(PACKAGE, "log", "pkg.sub")
    finder = sys.path_importer_cache[str(tmp_path)]

    cleared = clear_cache("pkg.sub", resolution=False)

    assert cleared.directories == ()
    assert sys.path_importer_cache[str(tmp_path)] is finder
    assert "pkg.sub" not in sys.modules


def test_dependents_go_too(program, tmp_path, monkeypatch):
    """Whoever depends on it, directly or not, and lies below the working directory."""
    monkeypatch.chdir(tmp_path)
    program({**PACKAGE, "app": "import pkg.other\n", "apart": ""}, "app", "apart", "log")

    cleared = clear_cache("pkg.sub", dependents=True)

    assert sorted(cleared.names) == ["app", "pkg.other", "pkg.sub"]
    assert cleared.holders == ()
    assert {"apart", "log", "pkg"} <= sys.modules.keys()


def test_what_is_not_loaded_is_nothing_to_forget():
    """As in Node: clearing what is not cached is no error."""
    assert clear_cache("never_heard_of").names == ()


def test_extension_modules_stay(program):
    """Native code cannot be executed again (clear-module's C7)."""
    name = next(n for n, m in sys.modules.items() if str(getattr(m, "__file__", "")).endswith(".so"))

    with pytest.raises(UsageError, match="extension module"):
        clear_cache(name)
    assert name in sys.modules


@pytest.mark.parametrize("name", ["sys", "threading", "builtins"])
def test_what_owns_state_of_the_process_is_refused(name):
    """With the reason, and without having forgotten anything."""
    before = dict(sys.modules)

    with pytest.raises(UsageError, match=name):
        clear_cache(name)

    assert sys.modules == before


@pytest.mark.parametrize(
    ("arguments", "keywords", "message"),
    [
        ((3,), {}, "name must be a str"),
        ((os,), {}, "name must be a str, the name of a module, not module"),
        (("pkg",), {"resolution": "yes"}, "resolution must be True or False, not str"),
        (("pkg",), {"loading": 1}, "loading must be True or False, not int"),
        (("pkg",), {"dependents": None}, "dependents must be True or False, not NoneType"),
    ],
)
def test_arguments_of_another_type_are_refused(arguments, keywords, message):
    """One line that says what was received (Node's P8)."""
    with pytest.raises(TypeError, match=message):
        clear_cache(*arguments, **keywords)


def test_a_zip_file_is_read_anew(tmp_path):
    """Finders are asked, not the file system."""
    archive = tmp_path / "modules.zip"
    write_zip(archive, "number = 1\n")
    sys.path.insert(0, str(archive))
    try:
        assert importlib.import_module("zipped").number == 1
        assert isinstance(sys.modules["zipped"].__loader__, zipimport.zipimporter)
        write_zip(archive, "number = 2222\n")

        clear_cache("zipped")

        assert importlib.import_module("zipped").number == 2222
    finally:
        sys.path.remove(str(archive))
        sys.modules.pop("zipped", None)
        sys.path_importer_cache.pop(str(archive), None)


def write_zip(path, source):
    """A zip file of one module."""
    import zipfile

    with zipfile.ZipFile(path, "w") as file:
        file.writestr("zipped.py", source)


def test_an_import_that_is_under_way_is_waited_for(program):
    """Row 50: otherwise the body runs twice, and the first importer gets a `KeyError`."""
    program({"log": "import threading\nran = []\nbegun = threading.Event()\n"}, "log")
    run_slow = "import log, time\nlog.begun.set()\ntime.sleep(0.3)\nlog.ran.append(1)\n"
    program({"slow": run_slow})
    failures: list[BaseException] = []

    def load():
        try:
            importlib.import_module("slow")
        except BaseException as error:  # noqa: BLE001 - the test tells what it was
            failures.append(error)

    thread = threading.Thread(target=load)
    thread.start()
    assert sys.modules["log"].begun.wait(10)
    cleared = clear_cache("slow")
    thread.join()

    assert failures == []
    assert cleared.names == ("slow",)
    assert sys.modules["log"].ran == [1]


@pytest.mark.parametrize(
    ("meanwhile", "names"),
    [
        (lambda: importlib.import_module("pkg.other"), ["pkg", "pkg.other", "pkg.sub"]),
        (lambda: [sys.modules.pop(name) for name in ("pkg", "pkg.sub")], []),
        (lambda: sys.modules.pop("pkg.sub"), ["pkg"]),
    ],
    ids=["another submodule is imported", "the package is forgotten", "a submodule is forgotten"],
)
def test_what_other_threads_do_while_it_waits_for_an_import(meanwhile, names, program, monkeypatch):
    """It forgets what is loaded by then: neither less, nor what another has forgotten already."""
    program(PACKAGE, "log", "pkg.sub")
    waits = [meanwhile]

    @contextmanager
    def locked(modules):
        with imports_locked(modules):
            if waits:
                waits.pop()()
            yield

    monkeypatch.setattr(clearing, "imports_locked", locked)

    assert sorted(clear_cache("pkg").names) == names
    assert [name for name in sys.modules if name.partition(".")[0] == "pkg"] == []


def test_who_goes_on_with_the_old_version_has_it_whole(program):
    """A thread may be in the middle of a call: its package has its submodules, and the next import has others."""
    old, *_ = program(PACKAGE, "pkg", "log", "pkg.sub")
    sub = sys.modules["pkg.sub"]

    clear_cache("pkg")

    assert old.sub is sub
    assert importlib.import_module("pkg.sub") is not sub
