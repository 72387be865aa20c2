"""What a module depends on: from its source and from what its names are bound to; the record has its own tests."""

import importlib
import sys
import types
import warnings

import pytest
from program import program

from pytest_reloadleak.strategies.dependencies import importers

MODULES = {
    "app.__init__": "",
    "app.base": "def f(): pass\nclass Base: pass\nTABLE = {}\n",
    "app.other": "",
    "app.sub.__init__": "",
    "app.sub.deep": "",
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A `Program` with the package `app`, all of it loaded."""
    with program(tmp_path, monkeypatch) as place:
        place.load(MODULES, "app.base", "app.other", "app.sub.deep")
        yield place


def ours(names):
    """Those of the program that are loaded, `log` aside: whether `app.base.f` were a module cannot be told."""
    return {name for name in names if name.partition(".")[0] == "app" and name in sys.modules}


# -- from the source --------------------------------------------------------------------------------------------------

IMPORTS = {
    "import app.base": {"app", "app.base"},
    "import app.base as it": {"app.base"},
    "import app": {"app"},
    "import json, app.base as it": {"app.base"},
    "from app.base import f": {"app.base"},
    "from app.base import *": {"app.base"},
    "from app import base": {"app.base"},
    "from app import base as it": {"app.base"},
    "from app import base, __file__": {"app", "app.base"},
    "from . import base": {"app.base"},
    "from . import __file__": {"app"},
    "from .base import f": {"app.base"},
    "from .sub.deep import __file__": {"app.sub.deep"},
    "def late():\n    from app.base import f": {"app.base"},
    "class C:\n    def late(self):\n        import app.base as it": {"app.base"},
    "if len(__name__) > 99:\n    import app.base as it": {"app.base"},
    "try:\n    import app.nowhere\nexcept ImportError:\n    import app.base as it": {"app", "app.base"},
    "import importlib\nimportlib.import_module('app.base')": {"app.base"},
    "from importlib import import_module\nimport_module('.base', 'app')": {"app.base"},
    "import importlib\nimportlib.import_module('.base', __package__)": {"app.base"},
    "import importlib\nimportlib.import_module('.deep', 'app.sub')": {"app.sub.deep"},
    "__import__('app.base')": {"app.base"},
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from app.base import f": set(),
    "import typing\nif typing.TYPE_CHECKING:\n    import app.base": set(),
    "import typing as t\nif t.TYPE_CHECKING:\n    import app.base\nelse:\n    import app.other as it": {
        "app.other"
    },
    "from typing import TYPE_CHECKING\nif not TYPE_CHECKING:\n    import app.base as it": {"app.base"},
    "text = 'import app.base'  # import app.base": set(),
    "import json.decoder, os.path": set(),
}


@pytest.mark.parametrize(("source", "expected"), IMPORTS.items(), ids=IMPORTS)
def test_what_a_source_imports(source, expected, place):
    """Wherever in the source and however it is written; what is for the type checker only is not imported."""
    place.load({"app.it": source + "\n"}, "app.it")

    assert ours(importers.dependencies(["app.it"])["app.it"]) == expected
    assert ours(importers.source_imports("app.it")) == expected


def test_a_package_resolves_against_itself(place):
    """`from . import` in an `__init__` is about the package's own submodules; beyond the top nothing is found."""
    place.load({"app.sub.__init__": "from . import deep\nfrom ..base import f\n"}, "app.base")
    place.load(
        {"app.sub.__init__": "from . import deep\nfrom ..base import f\ndef g():\n    from .... import no\n"}
    )
    importlib.reload(sys.modules["app.sub"])

    assert ours(importers.source_imports("app.sub")) == {"app.sub.deep", "app.base"}


def test_a_module_that_is_not_loaded_is_told_too(place):
    """Whoever imports the target late depends on it, though nobody has loaded that yet."""
    place.load(
        {"app.it": "def late():\n    from app import unloaded\n    from app.away import f\n"}, "app.it"
    )
    place.write({"app.unloaded": "", "app.away": "def f(): pass\n"})

    assert {"app.unloaded", "app.away"} <= importers.dependencies(["app.it"])["app.it"]


def test_the_source_is_read_without_a_word(place):
    """What is to be said of a source, as of an unknown escape, was said when it was imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        place.load({"app.it": "import app.base as it\npattern = '\\d'\nodd = it is 1\n"}, "app.it")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ours(importers.source_imports("app.it")) == {"app.base"}


# -- sources that cannot be read --------------------------------------------------------------------------------------


class NoSource:
    """A loader that knows nothing of sources."""


class Raising:
    """A loader whose `get_source` raises what nobody expects."""

    def get_source(self, name):
        raise RuntimeError(name)


class Odd:
    """A loader that refuses even to be asked for attributes."""

    def __getattribute__(self, name):
        raise RuntimeError(name)


class Nothing:
    """A loader of a module without source, as that of a lone `.pyc`."""

    def get_source(self, _):
        return None


def spoil_text(module):
    """Leave a file that no longer parses."""
    with open(module.__file__, "w", encoding="utf-8") as file:
        file.write("def broken(:\n")


def spoil_bytes(module):
    """Leave a file that is no text."""
    with open(module.__file__, "wb") as file:
        file.write(b"\xff\xfe\x00 \x00")


def set_loader(loader):
    """Give the module's spec another loader."""
    return lambda module: setattr(module.__spec__, "loader", loader)


def no_origin(module):
    """Neither a loader that tells the source nor a place to look for it."""
    module.__spec__.loader = NoSource()
    module.__spec__.origin = None


SPOILT = {
    "syntax error by now": spoil_text,
    "no text": spoil_bytes,
    "source is None": set_loader(Nothing()),
    "get_source raises": set_loader(Raising()),
    "loader that raises": set_loader(Odd()),
    "no loader and no origin": no_origin,
    "no spec": lambda module: vars(module).update(__spec__=None),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from app.base import f", {"app.base"}),
        ("from app.base import Base as B", {"app.base"}),
        ("import app.base as it", {"app.base"}),
        ("from app.base import TABLE", {"app.base"}),
        ("import re\nname = 'alone'\n", set()),
    ],
)
def test_without_a_source_bindings_tell(source, expected, spoil, place):
    """Functions, classes, modules, and data by identity."""
    place.load({"app.it": source + "\n"}, "app.it")
    spoil(sys.modules["app.it"])

    assert ours(importers.dependencies(["app.base", "app.it"])["app.it"]) == expected
    assert ours(importers.dependencies(["app.base", "app.it"])["app.base"]) == set()


def test_data_of_a_library_is_nobodys(place):
    """That a library has the same thing does not say that the module imported it from there."""
    place.load({"app.it": "import logging\nlogger = logging.root\ndel logging\n"}, "app.it")
    spoil_text(sys.modules["app.it"])

    assert importers.dependencies(["app.it"])["app.it"] == {"log"}


def test_a_loader_without_get_source_has_its_file_read(place):
    """As of pytest's rewriting loader, which has no `get_source`."""
    place.load({"app.it": "def late():\n    import app.base as it\n"}, "app.it")
    sys.modules["app.it"].__spec__.loader = NoSource()

    assert ours(importers.source_imports("app.it")) == {"app.base"}


@pytest.mark.parametrize(
    "entry", [None, object(), types.ModuleType("app.it")], ids=["None", "object", "bare"]
)
def test_odd_entries_of_sys_modules_depend_on_nothing(entry, place, monkeypatch):
    """Programs put into `sys.modules` what they like."""
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "app.it", entry)

        assert importers.dependencies(["app.it"]) == {"app.it": set()}


# -- from bindings ----------------------------------------------------------------------------------------------------


def test_names_are_bound_to_modules_and_to_what_they_define(place):
    """By which name does not matter; a package's attribute for its submodule is nothing that it imported."""
    app, base, other = (sys.modules[name] for name in ("app", "app.base", "app.other"))
    vars(other).update(one=base.f, two=base.Base, three=app)

    assert ours(importers.bound_modules("app.other")) == {"app", "app.base"}
    assert ours(importers.bound_modules("app")) == set()


def test_whoever_has_a_slot_depends_on_nobody_who_fills_it(place):
    """A plugin that puts a function into its host, through a third module or itself, is no dependency of the host."""
    place.load(
        {
            "app.host": "current = None\n",
            "app.api": "from app import host\ndef register(f):\n    host.current = f\n",
            "app.plugin": "from app.api import register\ndef f(): pass\nregister(f)\n",
        },
        "app.plugin",
    )
    names = ["app.host", "app.api", "app.plugin"]
    assert ours(importers.bound_modules("app.host")) == {"app.plugin"}

    assert {name: ours(needs) for name, needs in importers.dependencies(names).items()} == {
        "app.host": set(),
        "app.api": {"app.host"},
        "app.plugin": {"app.api"},
    }


SHARED = [
    "from __future__ import annotations",
    "from typing import Optional",
    "from os import environ",
    "import re\nWORD = re.compile('[a-z]+')",
    "import logging\nlogger = logging.getLogger('app')",
    "from datetime import timezone\nUTC = timezone.utc",
    "NAME = 'the same'\nSIZE = 10 ** 20\nPAIR = (1, 'two')",
]


@pytest.mark.parametrize("line", SHARED)
def test_two_that_share_a_thing_by_chance_do_not_depend_on_each_other(line, place):
    """What both have from a library, or what the interpreter and libraries keep only one of."""
    place.load({"app.one": line + "\n", "app.two": line + "\n"}, "app.one", "app.two")

    needs = importers.dependencies(["app.one", "app.two"])

    assert ours(needs["app.one"]) == ours(needs["app.two"]) == set()


def test_a_name_made_up_at_run_time_is_told_by_the_data_it_brought(place):
    """`TABLE` was imported before anything was recorded; only the one that imports in this way is asked."""
    dynamic = "from importlib import import_module\nTABLE = import_module('.'.join(['app', 'base'])).TABLE\n"
    place.load({"app.it": dynamic}, "app.it")

    assert "app.base" in importers.dependencies(["app.base", "app.it"])["app.it"]
    assert "app.it" not in importers.dependencies(["app.base", "app.it"])["app.base"]
