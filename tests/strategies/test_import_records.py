"""What a module is seen to import while somebody records: names that no source tells."""

import importlib
import importlib.util
import pkgutil
import sys
import threading

import pytest
from program import program

from pytest_reloadleak.strategies.dependencies import import_records, importers

MADE_UP = "'.'.join(['app', 'base'])"
MODULES = {"app.__init__": "", "app.base": "def f(): pass\n", "app.other": ""}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A `Program` with the package `app`, of which nothing is loaded."""
    with program(tmp_path, monkeypatch) as place:
        place.write(MODULES)
        yield place


@pytest.fixture
def recording():
    """Records who imports whom within the test."""
    import_records.start()
    yield
    import_records.stop()


def state():
    """What recording changes in the process."""
    return importlib.import_module, list(sys.meta_path)


WAYS = {
    "importlib.import_module": f"import importlib\nimportlib.import_module({MADE_UP})\n",
    "import_module": f"from importlib import import_module\nimport_module({MADE_UP})\n",
    "relative": "import importlib\nimportlib.import_module('.' + ''.join('base'), 'app')\n",
    "__import__": f"__import__({MADE_UP})\n",
    "exec": f"exec('import ' + {MADE_UP})\n",
    "a function of its own": f"import importlib\ndef load(name):\n    importlib.import_module(name)\nload({MADE_UP})\n",
    "pkgutil": f"import pkgutil\npkgutil.resolve_name({MADE_UP} + ':f')\n",
}


@pytest.mark.parametrize("source", WAYS.values(), ids=WAYS)
def test_a_name_made_up_at_run_time_is_seen(source, place, recording):
    """However it is imported, when it is loaded for the first time; that is a dependency of the module itself."""
    place.load({"app.it": source}, "app.it")

    assert "app.base" in import_records.imported_by("app.it")
    assert "app.base" in importers.dependencies(["app.it"])["app.it"]
    assert "app.other" not in import_records.imported_by("app.it")
    assert not any(
        "app.base" in import_records.imported_by(name)
        for name in ("importlib", "pkgutil", "app", "app.other")
    )


@pytest.mark.parametrize("source", [WAYS["importlib.import_module"], WAYS["import_module"], WAYS["relative"]])
def test_a_module_that_is_loaded_already_is_seen_too(source, place, recording):
    """No finder is asked for it, but `import_module` is called."""
    place.load({"app.it": source}, "app.base", "app.it")

    assert "app.base" in import_records.imported_by("app.it")


def test_import_statements_are_seen_once(place, recording):
    """Of a module that is loaded only then; for the others there is the source."""
    place.load(
        {"app.it": "import app.base\nfrom app import other\n", "app.two": "import app.base\n"},
        "app.it",
        "app.two",
    )

    assert {"app.base", "app.other"} <= import_records.imported_by("app.it")
    assert "app.base" not in import_records.imported_by("app.two")
    assert "app.base" in importers.dependencies(["app.two"])["app.two"]


def test_what_a_function_imports_later_belongs_to_its_module(place, recording):
    """Whoever calls it, and in whatever thread."""
    place.load(
        {"app.it": f"import importlib\ndef late():\n    importlib.import_module({MADE_UP})\n"}, "app.it"
    )
    assert "app.base" not in import_records.imported_by("app.it")

    thread = threading.Thread(target=sys.modules["app.it"].late)
    thread.start()
    thread.join()

    assert "app.base" in import_records.imported_by("app.it")


def test_what_the_tool_imports_is_nobodys_dependency(place, recording):
    """A strategy loads the modules of a unit in its own order."""
    place.measure("app.base", "reimport")

    assert [name for name in import_records._records if name.startswith("pytest_reloadleak")] == []


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("app.nowhere",), ModuleNotFoundError),
        ((".base",), TypeError),
        ((None,), AttributeError),
        ((".x", "y"), ImportError),
    ],
    ids=str,
)
def test_what_cannot_be_imported_raises_what_it_raises(arguments, error, place):
    """Recording changes nothing about it, and does not stumble over it."""
    with pytest.raises(error) as plain:
        importlib.import_module(*arguments)
    import_records.start()
    try:
        with pytest.raises(error) as seen:
            importlib.import_module(*arguments)
    finally:
        import_records.stop()

    assert str(seen.value) == str(plain.value)


def test_recording_can_be_nested_and_leaves_nothing(place):
    """What was changed is put back when the last one stops, and what was seen is still known."""
    before = state()

    import_records.start()
    inner = state()
    import_records.start()
    assert state() == inner != before
    import_records.stop()
    assert state() == inner
    place.load({"app.it": WAYS["import_module"]}, "app.it")
    import_records.stop()

    assert state() == before
    assert "app.base" in import_records.imported_by("app.it")


def test_what_others_changed_meanwhile_stays(place, monkeypatch):
    """A program that wraps `import_module` itself, or puts a finder before ours, keeps both."""
    before = state()
    with monkeypatch.context() as patch:
        import_records.start()
        patch.setattr(importlib, "import_module", lambda name: sys.modules[name])
        own = importlib.import_module
        finder = type("Finder", (), {"find_spec": lambda *_: None})()
        sys.meta_path.insert(0, finder)
        import_records.stop()

        assert importlib.import_module is own
        assert sys.meta_path == [finder, *before[1]]
        sys.meta_path.remove(finder)
    importlib.import_module = before[0]

    assert state() == before


def test_recording_outlives_a_meta_path_that_was_replaced(place, monkeypatch):
    """There is nothing left to take away then."""
    import_records.start()
    with monkeypatch.context() as patch:
        patch.setattr(
            sys, "meta_path", [finder for finder in sys.meta_path if finder is not import_records._finder]
        )
        import_records.stop()
    sys.meta_path.remove(import_records._finder)

    assert importlib.import_module is import_records._import_module


def test_the_recorders_do_not_show(place, recording):
    """`import_module` looks like itself, finds what it finds, and nothing of the program is kept."""
    assert importlib.import_module.__name__ == "import_module"
    assert importlib.import_module.__doc__ == import_records._import_module.__doc__
    assert importlib.util.find_spec("app.base") is not None
    assert pkgutil.resolve_name("app.base:f").__name__ == "f"
    assert all(type(name) is str for names in import_records._records.values() for name in names)
