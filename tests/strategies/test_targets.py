"""Which names are targets, found without executing anything, and which are refused, with the reason in one line."""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import textwrap
import types
import warnings
import zipfile
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from pytest_reloadleak.errors import UsageError
from pytest_reloadleak.strategies.imports import targets, unit

BOOM = 'raise AssertionError("resolving executed a module")\n'


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A directory on `sys.path` whose modules are forgotten afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in {
            "bomb",
            "solo",
            "shelf",
            "zipped",
            "remote",
            "handmade",
            "space",
            "shop",
            "torn",
        }:
            del sys.modules[name]


@pytest.fixture(autouse=True)
def nothing_is_imported():
    """No test here loads a module by resolving it."""
    before = set(sys.modules)
    yield
    assert not {name for name in set(sys.modules) - before if name.startswith(("bomb", "zipped"))}


def write(directory: Path, *names: str, source: str = BOOM) -> None:
    """Write modules whose execution would fail."""
    for name in names:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")


def refused(name: object, **keywords: object) -> str:
    """The one line with which a target is refused."""
    with pytest.raises(UsageError) as caught:
        targets.resolve(name, **keywords)  # type: ignore[arg-type]
    text = str(caught.value)
    assert "\n" not in text
    return text


# -- found ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bomb", "bomb.sub", "bomb.deep.er", " bomb.sub "])
def test_a_target_is_resolved_without_executing_it_or_its_parents(name, place):
    """Even a package whose `__init__` raises has submodules that can be looked up."""
    write(place, "bomb/__init__.py", "bomb/sub.py", "bomb/deep/__init__.py", "bomb/deep/er.py")

    assert targets.resolve(name) == [name.strip()]


def test_a_target_that_is_loaded_is_found_by_its_own_spec(place):
    """The module's `__spec__` is asked, so a changed `sys.path` does not matter."""
    write(place, "solo.py", source="value = 1\n")
    module = importlib.import_module("solo")
    sys.path.remove(str(place))
    importlib.invalidate_caches()
    try:
        assert targets.find("solo") is module.__spec__
        assert targets.resolve("solo") == ["solo"]
    finally:
        sys.path.insert(0, str(place))


def test_a_package_is_one_target(place):
    """A package stands for itself; its submodules belong to its unit."""
    write(place, "shelf/__init__.py", "shelf/one.py")

    assert targets.resolve("shelf") == ["shelf"]


def test_a_glob_stands_for_each_module_that_matches(place):
    """In sorted order, loaded or not, without executing any, and what does not match is left out."""
    write(place, "bomb/__init__.py", "bomb/b.py", "bomb/a.py", "bomb/c/__init__.py", "bomb/c/d.py")

    assert targets.resolve("bomb.?") == ["bomb.a", "bomb.b", "bomb.c"]
    assert targets.resolve("bomb.*") == ["bomb.a", "bomb.b", "bomb.c", "bomb.c.d"]
    assert targets.resolve("bomb.[ab]") == ["bomb.a", "bomb.b"]
    assert targets.resolve("bom*") == ["bomb"]


def test_a_glob_finds_a_module_that_has_no_file(place, monkeypatch):
    """Modules that only `sys.modules` knows match too; those without a spec cannot be loaded again and are left out."""
    made = types.ModuleType("handmade_one")
    made.__spec__ = ModuleSpec("handmade_one", importlib.machinery.SourceFileLoader("handmade_one", "x.py"))
    monkeypatch.setitem(sys.modules, "handmade_one", made)
    monkeypatch.setitem(sys.modules, "handmade_two", types.ModuleType("handmade_two"))

    assert targets.resolve("handmade_*") == ["handmade_one"]


def test_a_glob_leaves_out_what_is_refused(place):
    """A pattern that also matches pytest means the modules that can be checked."""
    write(place, "pytest_of_ours.py")

    assert "pytest" not in targets.resolve("pytest*")
    assert "pytest_of_ours" in targets.resolve("pytest*")


def test_a_module_in_a_zip_file_is_found(tmp_path, monkeypatch):
    """The import system finds it, so it is a target, loaded or not."""
    archive = tmp_path / "bundle.zip"
    with zipfile.ZipFile(archive, "w") as bundle:
        bundle.writestr("zipped/__init__.py", BOOM)
        bundle.writestr("zipped/sub.py", BOOM)
    monkeypatch.syspath_prepend(str(archive))

    assert targets.resolve("zipped.sub") == ["zipped.sub"]
    assert targets.resolve("zipped.*") == ["zipped.sub"]
    spec = targets.find("zipped.sub")
    assert spec is not None
    assert str(spec.origin).startswith(str(archive))
    assert not {"zipped", "zipped.sub"} & set(sys.modules)


class Editable(importlib.abc.MetaPathFinder):
    """Maps a name to a file anywhere, as the finders of editable installs do; counts what it is asked."""

    def __init__(self, name: str, file: Path) -> None:
        self.name = name
        self.file = file
        self.asked: list[str] = []

    def find_spec(self, fullname, *_):
        self.asked.append(fullname)
        if fullname != self.name:
            return None
        return importlib.util.spec_from_file_location(fullname, self.file)


def test_a_module_of_an_editable_install_is_found(tmp_path, monkeypatch):
    """A finder of its own on `sys.meta_path` is asked like any other, and its spec taken."""
    write(tmp_path, "elsewhere/code.py")
    finder = Editable("remote", tmp_path / "elsewhere" / "code.py")
    monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])

    assert targets.resolve("remote") == ["remote"]
    assert finder.asked.count("remote") >= 1
    assert "remote" not in sys.modules


def test_finders_of_any_kind_are_survived(monkeypatch):
    """One without `find_spec`, and one that answers with something else, are passed over."""

    class Odd:
        def find_spec(self, *_):
            return "not a spec"

    monkeypatch.setattr(sys, "meta_path", [object(), Odd(), *sys.meta_path])

    assert targets.resolve("json.decoder") == ["json.decoder"]


def test_a_namespace_package_is_found(place):
    """A directory without `__init__.py` is a package too, with submodules."""
    write(place, "space/part.py")

    assert targets.resolve("space") == ["space"]
    assert targets.resolve("space.part") == ["space.part"]
    assert targets.resolve("space.*") == ["space.part"]


def test_a_namespace_package_in_a_package_is_found(place):
    """The import system finds it only once the package is loaded, which nothing here does."""
    write(place, "outer/__init__.py")
    write(place, "outer/space/part.py")
    write(place, "outer/space/deep/part.py")

    assert targets.resolve("outer.space") == ["outer.space"]
    assert targets.resolve("outer.space.*") == ["outer.space.part"]
    assert targets.submodules("outer.space.deep") == ["outer.space.deep.part"]
    assert "unknown target 'outer.spaec'" in refused("outer.spaec")
    assert "outer" not in sys.modules


@pytest.mark.parametrize("name", ["json", "json.decoder", "dataclasses", "email.message"])
def test_a_pure_part_of_the_standard_library_may_be_a_target(name):
    """Only what owns state of the whole process is refused."""
    assert targets.resolve(name) == [name]


# -- refused ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("marshal", "a builtin module"),
        ("sys", "a builtin module"),
        ("_frozen_importlib", "part of the import system"),
        ("importlib._bootstrap_external", "part of the import system"),
    ],
)
def test_what_python_cannot_execute_again_is_refused(name, kind, force):
    """By force too: of builtin modules there is nothing to execute, and the import system would be executing itself."""
    assert refused(name, force=force) == (
        f"target {name!r} is refused: it is {kind}, which Python cannot execute again; name a module of your own"
    )


def test_a_frozen_module_is_refused_unless_forced():
    """It is a part of the interpreter, but Python can execute it again."""
    assert refused("__hello__") == (
        "target '__hello__' is refused: it is a frozen module, a part of the interpreter; "
        "use --reload-leak-force to check it anyway"
    )
    assert targets.resolve("__hello__", force=True) == ["__hello__"]
    assert targets.resolve("zipimport", force=True) == ["zipimport"]


KINDS = """
    if True:
        class Thing:
            limit = 1
            class Inner: pass
            def run(self):
                class Hidden: pass
    def start():
        def hidden(): pass
    try:
        table, other = {}, 1
    except ImportError:
        spare = None
    raise SystemExit
"""


@pytest.mark.parametrize(
    ("name", "kind", "home"),
    [
        ("shop.stock.Thing", "class", "shop.stock"),
        ("shop.stock:Thing", "class", "shop.stock"),
        ("shop.stock.Thing.Inner", "class", "shop.stock"),
        ("shop.Good", "class", "shop.stock"),
        ("shop.Good.run", "function", "shop.stock"),
        ("shop.stock.start", "function", "shop.stock"),
        ("shop.stock.other", "name", "shop.stock"),
        ("shop.stock.spare", "name", "shop.stock"),
        ("shop.stock.Thing.limit", "name", "shop.stock"),
        ("json.JSONDecoder", "class", "json.decoder"),
        ("json.decoder.JSONDecoder.decode", "function", "json.decoder"),
        ("dataclasses.MISSING", "name", "dataclasses"),
    ],
)
def test_a_definition_is_no_module_and_its_module_is_offered(place, name, kind, home):
    """By the source of a module that is not loaded, of which no line runs, and by the namespace of a loaded one."""
    write(place, "shop/__init__.py", source="from .stock import Thing as Good\nraise SystemExit\n")
    write(place, "shop/stock.py", source=textwrap.dedent(KINDS))
    begins = "unknown target" if kind == "name" else "target"
    says = ":" if kind == "name" else " is refused:"

    assert refused(name) == (
        f"{begins} {name!r}{says} it is a {kind} of {home!r}, and only whole modules are reloaded; name {home!r}"
    )
    assert not {"shop", "shop.stock"} & set(sys.modules)


@pytest.mark.parametrize("name", ["shop.stock.Hidden", "shop.stock.hidden", "shop.Thing", "shop.stock.nope"])
def test_what_no_module_binds_is_unknown(place, name):
    """Neither a class inside a function nor a name under which nobody imports it."""
    write(place, "shop/__init__.py", source="from .stock import Thing as Good\nraise SystemExit\n")
    write(place, "shop/stock.py", source=textwrap.dedent(KINDS))

    assert refused(name).startswith(f"unknown target {name!r}: no such module in package ")


def test_a_source_that_cannot_be_read_is_no_traceback(place):
    """The line says what it would say without the source."""
    write(place, "torn.py", source="def (\n")

    assert refused("torn.Thing").startswith("unknown target 'torn.Thing': no such module in package 'torn'")


def test_a_source_is_read_without_the_warnings_of_its_import(place):
    """A warning that a test run turns into an error must not hide the definition."""
    write(place, "shop/__init__.py", source='PATTERN = "\\d"\n\nclass Thing: pass\n')

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "it is a class of 'shop'" in refused("shop.Thing")


def test_globs_that_match_only_what_is_refused_leave_the_others():
    """A name that is refused ends everything, and so does a glob that matches nothing, or is all there is."""
    advice = "check the pattern and that the package can be imported"
    said = f"target 'marsha?': all matching modules (1) are refused; {advice}"

    assert targets.resolve_all(["json", "marsha?", "json"]) == (["json"], {"marsha?": said})
    for names in (["marsha?"], ["json", "marshal"], ["json", "nosuch.*"]):
        with pytest.raises(UsageError):
            targets.resolve_all(names)


@pytest.mark.parametrize("force", [False, True])
def test_an_extension_module_is_refused(force, place):
    """By its spec alone, whether or not it could be loaded."""
    suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
    write(place, f"solo{suffix}", source="not even machine code")

    assert refused("solo", force=force) == (
        "target 'solo' is refused: it is an extension module, which Python cannot execute again; "
        "name a module of your own"
    )


@pytest.mark.parametrize(
    "name", ["threading", "logging", "logging.handlers", "asyncio", "typing", "multiprocessing", "enum"]
)
def test_owners_of_process_wide_state_are_refused_unless_forced(name):
    """A second copy splits the state; who insists may check them."""
    assert refused(name) == (
        f"target {name!r} is refused: it owns process-wide state, which a copy would split; "
        "use --reload-leak-force to check it anyway"
    )
    assert targets.resolve(name, force=True) == [name]


@pytest.mark.parametrize("name", ["pytest", "_pytest", "_pytest.config", "pluggy"])
def test_what_runs_the_check_is_refused_unless_forced(name):
    """Pytest and what it is made of."""
    assert refused(name) == (
        f"target {name!r} is refused: it is part of the running pytest or its plugins; "
        "use --reload-leak-force to check it anyway"
    )
    assert targets.resolve(name, force=True) == [name]


def test_plugins_of_the_running_pytest_are_refused_unless_forced(place):
    """The plugin's module, and the package that it lies in, but not its neighbours."""
    write(place, "shelf/__init__.py", "shelf/plugin.py", "shelf/other.py")
    plugins = ["shelf.plugin"]

    for name in ("shelf.plugin", "shelf"):
        assert "is refused: it is part of the running pytest or its plugins" in refused(name, plugins=plugins)
        assert targets.resolve(name, plugins=plugins, force=True) == [name]
    assert targets.resolve("shelf.other", plugins=plugins) == ["shelf.other"]


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    "name", ["pytest_reloadleak", "pytest_reloadleak.holders.sweep", "pytest_reloadleak.nothing"]
)
def test_the_tool_itself_is_refused(name, force):
    """By force too: it would pull the rug from under its own feet."""
    assert refused(name, force=force) == (
        f"target {name!r} is refused: pytest-reloadleak cannot reload itself; name a module of your own"
    )


def test_a_name_that_only_begins_like_a_refused_one_is_no_such(place):
    """Names are compared part by part: `typingx` is not `typing`."""
    write(place, "solo/__init__.py", "pytest_reloadleak_of_ours.py", "loggingx.py")

    assert targets.resolve("pytest_reloadleak_of_ours") == ["pytest_reloadleak_of_ours"]
    assert targets.resolve("loggingx") == ["loggingx"]


@pytest.mark.parametrize(
    ("name", "where"),
    [("nosuch", "sys.path"), ("nosuch.sub", "sys.path"), ("json.no", "package 'json'")],
)
def test_an_unknown_target_is_refused(name, where):
    """The line says where the module was looked for."""
    assert refused(name) == (
        f"unknown target {name!r}: no such module in {where}; check the spelling and where pytest is started"
    )


@pytest.mark.parametrize("folder", [".", "src"])
@pytest.mark.parametrize("file", ["mods/__init__.py", "mods/part.py", "mods.py"])
def test_a_target_in_a_folder_without_a_way_to_it_says_what_to_set(folder, file, tmp_path, monkeypatch):
    """A package, one without `__init__`, or a module: the command `pytest` does not look in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    write(tmp_path, f"{folder}/{file}")
    advice = (
        f"'mods' is in the folder {folder!r}, which is not in sys.path: set `pythonpath = {folder}` in the pytest "
        "configuration"
    )

    assert refused("mods.part") == f"unknown target 'mods.part': no such module in sys.path; {advice}"
    assert refused("mods.*") == f"target 'mods.*': no module matches; {advice}"

    monkeypatch.syspath_prepend(str(tmp_path / folder))
    assert "pythonpath" not in refused("mods.nope")


def test_a_submodule_of_what_is_no_package_is_unknown(place):
    """A module has no submodules, be it loaded or not."""
    write(place, "solo.py")

    assert refused("solo.sub").startswith("unknown target 'solo.sub'")


def test_a_module_without_a_spec_is_refused(monkeypatch):
    """The import system could not load it again; a callable may."""
    monkeypatch.setitem(sys.modules, "handmade", types.ModuleType("handmade"))

    assert refused("handmade") == (
        "target 'handmade' has no module spec, so imports cannot load it again; pass a callable as reload="
    )


def test_a_module_without_a_spec_that_can_be_found_is_a_target(place, monkeypatch):
    """A finder knows more than a module that lost its `__spec__`."""
    write(place, "solo.py", source="__spec__ = None\n")
    importlib.import_module("solo")

    assert targets.resolve("solo") == ["solo"]


@pytest.mark.parametrize("name", ["solo.py", "src/solo.py", "src/solo"])
def test_a_file_is_no_module(name):
    """Who names a file is told to name the module."""
    assert (
        refused(name)
        == f"target {name!r} looks like a file: name the module instead, such as 'package.module'"
    )


@pytest.mark.parametrize("name", ["", "  ", None, 3, ["json"], b"json"])
def test_what_is_no_name_is_refused(name):
    """Any value at all may come in from a test."""
    assert refused(name) == f"a target must be the name of a module, not {name!r}"


@pytest.mark.parametrize("name", [".", "..", "json.", ".json", "json..decoder"])
def test_names_with_empty_parts_are_refused(name):
    """Python has no such modules; the tool has no traceback for them."""
    assert repr(name) in refused(name)


def test_a_glob_without_a_match_is_refused(place):
    """One line; another when there are matches that are all refused."""
    advice = "check the pattern and that the package can be imported"

    assert refused("nosuch.*") == f"target 'nosuch.*': no module matches; {advice}"
    assert refused("marsha?") == f"target 'marsha?': all matching modules (1) are refused; {advice}"


def test_a_finder_that_raises_is_the_targets_fault(monkeypatch):
    """A foreign finder's exception is told in the line, without a traceback of the tool."""

    class Broken:
        def find_spec(self, *_):
            raise LookupError("no index")

    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])

    assert refused("nosuch") == "target 'nosuch' cannot be looked up: LookupError: no index"


def test_entries_of_sys_modules_may_be_anything(place, monkeypatch):
    """`None` and objects that are no modules are survived, and what is behind a `None` cannot be imported."""
    monkeypatch.setitem(sys.modules, "handmade", None)
    monkeypatch.setitem(sys.modules, "remote", 42)

    assert "'handmade'" in refused("handmade")
    assert "'remote'" in refused("remote")
    assert targets.resolve("json") == ["json"]


@pytest.mark.parametrize("name", ["json ast", "json, ast", "json;ast", "json\nast", "shop.* json"])
def test_several_names_in_one_are_told_apart(name):
    """An ini file has one name a line, which readers of other tools do not expect."""
    assert refused(name).startswith(f"unknown target {name!r}: these are 2 names; write one a line")


@pytest.mark.parametrize("name", ["..[a", ".", "shop..*", "*.", "shop..stock"])
def test_an_empty_part_is_one_line_also_in_a_pattern(name):
    """Finders of other packages, such as pytest's own, raise for such names."""
    assert refused(name).startswith(f"unknown target {name!r}: the name has an empty part")


class Named(str):
    """A name that is no plain text."""

    __slots__ = ()


TABLES = {
    "plain": {},
    "a name with a line break": {"solo\nx": types, "x\nsolo": types},
    "no text": {5: types},
    "no plain text": {Named("solo.other"): types},
}


@pytest.mark.parametrize("more", TABLES)
def test_the_modules_of_a_unit_are_found_by_their_beginning(more, monkeypatch):
    """Whatever other keys a program has put into the table, and in the table's order."""
    names = ("solo", "solo.b", "solox", "other", "solo.a", "a.solo", "so")
    table = {**dict.fromkeys(names, types), "solo.none": None, **TABLES[more]}
    monkeypatch.setattr(unit.foreign, "module_table", lambda: table)
    found = unit.module_names(("solo", "oth"))

    plain = [name for name in found if type(name) is str and "\n" not in name and name != "solo.other"]
    assert plain == ["solo", "solo.b", "solox", "other", "solo.a"]
    assert unit.Unit(("solo", "other")).loaded()[:2] == ["solo", "other"]
    assert unit.module_names() == [n for n, module in table.items() if type(n) is str and module is not None]
