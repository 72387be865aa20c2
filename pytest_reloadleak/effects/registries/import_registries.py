"""Define the registries of the import system."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from pytest_reloadleak.effects.probe import Identity
from pytest_reloadleak.effects.registries.registry import (
    Entry,
    Registry,
    Table,
    attribute,
    listed,
    of_table,
    table_identities,
)
from pytest_reloadleak.heap import foreign

_CACHE = "sys.path_importer_cache"
MODULES = "sys.modules"


_importers = partial(attribute, "sys", "path_importer_cache")
_PATH = listed(
    "sys.path", "sys", "path", "remove the directory from sys.path; or insert it only if it is missing"
)


def _importer_cache() -> Iterator[Entry]:
    """Finders of directories outside `sys.path`. The others are consequences of an entry in `sys.path`."""
    on_path = {entry.identity[1] for entry in _PATH.entries()}
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
    listed("sys.meta_path", "sys", "meta_path", "remove the finder from sys.meta_path"),
    listed(
        "sys.path_hooks",
        "sys",
        "path_hooks",
        "remove the hook from sys.path_hooks, and its finders from sys.path_importer_cache",
    ),
    _PATH,
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
