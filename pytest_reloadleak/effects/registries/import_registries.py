"""Define the registries of the import system."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_reloadleak.effects.probe import Identity
from pytest_reloadleak.effects.registries.registry import (
    Entry,
    Registry,
    of_list,
    of_table,
    table_identities,
)
from pytest_reloadleak.heap import foreign

_CACHE = "sys.path_importer_cache"


def _meta_path() -> Iterator[Entry]:
    return of_list("sys.meta_path", "sys.meta_path[*]", foreign.namespace("sys").get("meta_path"))


def _path_hooks() -> Iterator[Entry]:
    return of_list("sys.path_hooks", "sys.path_hooks[*]", foreign.namespace("sys").get("path_hooks"))


def _path() -> Iterator[Entry]:
    """Directories by name and occurrence. All share one path, as a signature must not name a local directory."""
    return of_list("sys.path", "sys.path[*]", foreign.namespace("sys").get("path"))


def _importer_cache() -> Iterator[Entry]:
    """Finders of directories outside `sys.path`. The others are consequences of an entry in `sys.path`."""
    on_path = {entry.identity[1] for entry in _path()}
    for entry in of_table(_CACHE, _CACHE, foreign.namespace("sys").get("path_importer_cache")):
        if entry.identity[2] not in on_path:
            yield entry._replace(path=f"{_CACHE}[*]")


def _cache_identities() -> list[Identity]:
    return table_identities(_CACHE, _CACHE, foreign.namespace("sys").get("path_importer_cache"))


def _modules() -> Iterator[Entry]:
    for name, module in foreign.loaded_modules():
        if name.partition(".")[0] != "pytest_reloadleak":
            where = f"sys.modules[{foreign.key_text(name)}]"
            yield Entry(("sys.modules", name, id(module)), where, (module,), module=name)


def _module_identities() -> list[Identity]:
    return [("sys.modules", name, id(module)) for name, module in foreign.loaded_modules()]


IMPORT = (
    Registry(
        name="sys.meta_path",
        module="sys",
        entries=_meta_path,
        undo="on unload, remove the finder from sys.meta_path",
    ),
    Registry(
        name="sys.path_hooks",
        module="sys",
        entries=_path_hooks,
        undo="on unload, remove the hook from sys.path_hooks, and its finders from sys.path_importer_cache",
    ),
    Registry(
        name="sys.path",
        module="sys",
        entries=_path,
        undo="on unload, remove the directory from sys.path; or insert it only if it is missing",
    ),
    Registry(
        name=_CACHE,
        module="sys",
        entries=_importer_cache,
        identities=_cache_identities,
        undo="on unload, also delete the directory's finder from sys.path_importer_cache",
    ),
    Registry(
        name="sys.modules",
        module="sys",
        entries=_modules,
        undo="on unload, delete the name from sys.modules; or use the same name each time: Python never removes one",
        bars=True,
        identities=_module_identities,
    ),
)
