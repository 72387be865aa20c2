"""Define the registries of the import system."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from pytest_reloadleak.effects.probe import Identity
from pytest_reloadleak.effects.registries.registry import (
    Entry,
    Registry,
    Table,
    list_identities,
    of_list,
    of_table,
    table_identities,
)
from pytest_reloadleak.heap import foreign

_CACHE = "sys.path_importer_cache"
MODULES = "sys.modules"


def _in_sys(name: str) -> Callable[[], object]:
    return lambda: foreign.namespace("sys").get(name)


_importers = _in_sys("path_importer_cache")


def _of_sys(name: str) -> Iterator[Entry]:
    """Entries of a list of `sys`. All share one path, as a signature must not name a local directory."""
    return of_list(f"sys.{name}", f"sys.{name}[*]", foreign.namespace("sys").get(name))


def _listed(name: str, undo: str) -> Registry:
    """A registry that is a list of `sys`."""
    table = Table(_in_sys(name), partial(list_identities, f"sys.{name}"))
    return Registry(f"sys.{name}", "sys", partial(_of_sys, name), undo, table=table)


def _importer_cache() -> Iterator[Entry]:
    """Finders of directories outside `sys.path`. The others are consequences of an entry in `sys.path`."""
    on_path = {entry.identity[1] for entry in _of_sys("path")}
    for entry in of_table(_CACHE, _CACHE, _importers()):
        if entry.identity[2] not in on_path:
            yield entry._replace(path=f"{_CACHE}[*]")


def _modules() -> Iterator[Entry]:
    for name, module in foreign.loaded_modules():
        if name.partition(".")[0] != "pytest_reloadleak":
            where = f"sys.modules[{foreign.key_text(name)}]"
            yield Entry((MODULES, name, id(module)), where, (module,), module=name)


def _module_identities() -> list[Identity]:
    return [(MODULES, name, id(module)) for name, module in foreign.loaded_modules()]


IMPORT = (
    _listed("meta_path", "on unload, remove the finder from sys.meta_path"),
    _listed(
        "path_hooks",
        "on unload, remove the hook from sys.path_hooks, and its finders from sys.path_importer_cache",
    ),
    _listed("path", "on unload, remove the directory from sys.path; or insert it only if it is missing"),
    Registry(
        name=_CACHE,
        module="sys",
        entries=_importer_cache,
        table=Table(_importers, partial(table_identities, _CACHE, _CACHE)),
        undo="on unload, also delete the directory's finder from sys.path_importer_cache",
    ),
    Registry(
        name=MODULES,
        module="sys",
        entries=_modules,
        undo="on unload, delete the name from sys.modules; or use the same name each time: Python never removes one",
        bars=True,
        identities=_module_identities,
    ),
)
