"""Define the registries of other standard library modules.

Left out: the registries and caches of `abc`, which hold their classes weakly; the file given to `faulthandler`, which C
code keeps and nothing can list; the locale set by `setlocale`. The last two are single slots.
"""

from __future__ import annotations

import functools
import types
import weakref
from collections.abc import Iterator
from functools import partial
from typing import Any

from pytest_reloadleak.effects.registries.registry import (
    NEWEST,
    Entry,
    Registry,
    Table,
    attribute,
    list_identities,
    listed,
    of_list,
    of_table,
    parts,
    table_identities,
)
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.heap.levels.choice import Addresses, of_types

_DISPATCHER = vars(types.FunctionType)["__code__"].__get__(functools.singledispatch(lambda _: None))
"""The code of every function that `functools.singledispatch` makes."""
_FUNCTIONS = Addresses((id(types.FunctionType),))


def _filters() -> Iterator[Entry]:
    return of_list("warnings", "warnings.filters[*]", attribute("warnings", "filters"))


def _finalizers() -> Iterator[Entry]:
    """Functions that `weakref.finalize` will call, with their arguments."""
    table = attribute("weakref", "finalize._registry")
    if type(table) is not dict:
        return
    for finalizer, info in list(table.items()):
        own = dict(foreign.slots(info))
        arguments: Any = own.get("args")
        named: Any = own.get("kwargs")
        values = (own.get("func"), *(arguments or ()), *(named or {}).values())
        watched: Any = own.get("weakref")
        yield Entry(
            ("weakref.finalize", id(finalizer)),
            "weakref.finalize",
            tuple(o for o in values if not foreign.is_atom(o)),
            (table,),
            ends_with=watched() if type(watched) is weakref.ref else None,
        )


def _patches() -> Iterator[Entry]:
    """Patches that were started but not stopped."""
    active = attribute("unittest.mock", "_patch._active_patches")
    for entry in of_list("unittest.mock", "unittest.mock.patch", active):
        own = foreign.instance_dict(entry.values[0]) if entry.values else None
        name, new = dict.get(own or {}, "attribute"), dict.get(own or {}, "new")
        where = f"{entry.path}(..., {foreign.key_text(name)})" if type(name) is str else entry.path
        yield entry._replace(path=where, values=(*entry.values, *parts(new)), type="unittest.mock.patch")


def _dispatchers() -> Iterator[Entry]:
    """Implementations of `functools.singledispatch` functions that are globals. The sweep finds all others."""
    for module, loaded in foreign.loaded_modules():
        globals_ = foreign.module_dict(loaded) or {}
        functions = of_types(list(globals_.values()), _FUNCTIONS)  # few of them, and every module is read
        if not any(value.__code__ is _DISPATCHER for value in functions):
            continue
        for name, value in list(globals_.items()):
            if type(value) is types.FunctionType and value.__code__ is _DISPATCHER and type(name) is str:
                yield from _implementations(module, f"{module}.{name}.registry[*]", value)


def _implementations(module: str, path: str, function: types.FunctionType) -> Iterator[Entry]:
    dispatch = dict.get(foreign.instance_dict(function) or {}, "dispatch")
    if type(dispatch) is not types.FunctionType:
        return
    cells = dict(zip(dispatch.__code__.co_freevars, dispatch.__closure__ or (), strict=True))
    registry, cache = (_content(cells.get(name)) for name in ("registry", "dispatch_cache"))
    cached = dict.get(foreign.instance_dict(cache) or {}, "data")
    for entry in of_table(f"functools.singledispatch {path}", path, registry):
        yield entry._replace(path=path, containers=(registry, cached), module=module)


def _dialects() -> Iterator[Entry]:
    """Dialects of `csv`, by name. C code has the table, and makes an object of its own of a registered class."""
    # The target may have patched the function, so it is taken from the module that has the table.
    names: Any = foreign.namespace("_csv").get("list_dialects")
    for name in names() if type(names) is types.BuiltinFunctionType else ():
        text = foreign.text(name)
        yield Entry(("csv", text), f"csv dialect[{foreign.key_text(text)}]", type="_csv.Dialect")


def _content(cell: types.CellType | None) -> object:
    try:
        return cell.cell_contents if cell is not None else None
    except ValueError:  # the cell is empty
        return None


def _table(name: str, module: str, path: str, newest: int | None) -> Iterator[Entry]:
    return of_table(name, f"{module}.{path}", attribute(module, path), newest=newest)


def _of(module: str, path: str, undo: str, *, newest: int | None = None) -> Registry:
    """A registry that is named after its module, and is a dict at a path below it."""
    identities = partial(table_identities, module, f"{module}.{path}")
    table = Table(partial(attribute, module, path), identities, newest)
    entries = partial(_table, module, module, path, newest)
    return Registry(module, module, entries, f"on unload, {undo}", table=table)


_UNFILTER = "filter inside warnings.catch_warnings(), or remove the filter from warnings.filters on unload"


def _texts(module: str, path: str) -> Registry:
    """A table of texts of the standard library. New ones come last, and few are new in one round."""
    return _of(module, path, f"delete the entry from {module}.{path}", newest=_FEW)


_FEW = 16
_TEXTS = (
    ("encodings.aliases", "aliases"),
    ("xml.etree.ElementTree", "_namespace_map"),
    ("email.charset", "CHARSETS"),
    ("email.charset", "ALIASES"),
    ("email.charset", "CODEC_MAP"),
    ("doctest", "OPTIONFLAGS_BY_NAME"),
)
"""Tables whose entries are texts and numbers: no object leads to a target."""
_LISTS = tuple(("urllib.parse", f"uses_{what}") for what in ("relative", "netloc", "params"))


LIBRARY = (
    Registry(
        name="warnings",
        module="warnings",
        entries=_filters,
        table=Table(partial(attribute, "warnings", "filters"), partial(list_identities, "warnings")),
        undo=_UNFILTER,
    ),
    _of("warnings", "onceregistry", "")._replace(undo=_UNFILTER),
    Registry(
        name="weakref.finalize",
        module="weakref",
        entries=_finalizers,
        undo="on unload, detach() the finalizer: it keeps function and arguments until the object that it watches dies",
    ),
    Registry(
        name="unittest.mock",
        module="unittest.mock",
        entries=_patches,
        undo="on unload, stop() the patch",
    ),
    Registry(
        name="functools.singledispatch",
        module="functools",
        entries=_dispatchers,
        undo="register with a function that is reloaded too: singledispatch cannot unregister an implementation",
        identities=tuple,
    ),
    Registry(
        name="csv",
        module="_csv",
        entries=_dialects,
        undo="on unload, call csv.unregister_dialect()",
    ),
    _of("copyreg", "dispatch_table", "delete the class from copyreg.dispatch_table"),
    _of("copyreg", "_extension_registry", "call copyreg.remove_extension()"),
    _of("copy", "_copy_dispatch", "delete the class from copy._copy_dispatch"),
    _of("copy", "_deepcopy_dispatch", "delete the class from copy._deepcopy_dispatch"),
    _of("pickle", "_Pickler.dispatch", "delete the class from pickle._Pickler.dispatch"),
    _of("pickle", "_Unpickler.dispatch", "delete the entry from pickle._Unpickler.dispatch"),
    _of("sqlite3", "adapters", "delete the adapter from sqlite3.adapters"),
    _of("sqlite3", "converters", "delete the converter from sqlite3.converters"),
    _of("shutil", "_ARCHIVE_FORMATS", "call shutil.unregister_archive_format()"),
    _of("shutil", "_UNPACK_FORMATS", "call shutil.unregister_unpack_format()"),
    _of("mimetypes", "types_map", "delete the type, or use your own mimetypes.MimeTypes()", newest=NEWEST),
    *(_texts(*where) for where in _TEXTS),
    *(listed(module, module, path, f"remove the text from {module}.{path}") for module, path in _LISTS),
    _of("locale", "locale_alias", "delete the name from locale.locale_alias", newest=NEWEST),
)
