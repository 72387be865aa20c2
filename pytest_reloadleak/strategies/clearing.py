"""Make the import system forget a module, and report what still holds it: `clear_cache`.

It does what Node's proposed `module.clearCache()` promises and its reviewers asked for (reload facts, rows 9 to 15).
Resolution and loading are separate. It drops every reference that the import system keeps, and not only that of the
first parent. It reports the references that it cannot drop.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from fnmatch import fnmatchcase

from pytest_reloadleak.errors import UsageError
from pytest_reloadleak.generations.ledger import Ledger
from pytest_reloadleak.generations.original import Original
from pytest_reloadleak.heap import foreign, settle
from pytest_reloadleak.holders.diagnosis import diagnose
from pytest_reloadleak.holders.retention import UNLOADED
from pytest_reloadleak.holders.search import Search
from pytest_reloadleak.model import Cleared, Remaining
from pytest_reloadleak.strategies import cascade
from pytest_reloadleak.strategies.dependencies.project import Project
from pytest_reloadleak.strategies.imports import targets
from pytest_reloadleak.strategies.imports.finder_caches import invalidate_caches
from pytest_reloadleak.strategies.imports.locks import imports_locked
from pytest_reloadleak.strategies.imports.unit import Unit, is_glob, module_names, reloadable, spec_of
from pytest_reloadleak.strategies.imports.unload import unload


def clear_cache(
    name: str, *, resolution: bool = True, loading: bool = True, dependents: bool = False
) -> Cleared:
    """Make the import system forget a module or package, so that the next import finds and executes it again.

    Args:
        name: the module, or the package with all its submodules. If it is not loaded, nothing is unloaded. A
            glob stands for all first-party modules that match, so `*` stands for all of them.
        resolution: whether to forget where modules lie: the finders of their directories with the listings, and
            directories that did not exist when a finder looked.
        loading: whether to forget the modules themselves: their names in `sys.modules`, and the attributes of their
            packages, where `from package import module` would still find them.
        dependents: whether to forget also every first-party module that depends on it, directly or not. First-party
            is what lies below the working directory.

    Returns:
        What was forgotten, and the remaining holders of the old version; the import system is not one of them.

    Raises:
        TypeError: an argument has the wrong type.
        UsageError: the module cannot be forgotten, such as a builtin or one that owns process-wide state.
        RoundError: the module is still being imported, and that import waits for this call.
    """
    _assert_types(name, resolution=resolution, loading=loading, dependents=dependents)
    project = Project(os.getcwd())
    unit = _unit(name, project)
    if dependents:
        found = {other for target in unit.names for other in cascade.dependents(target, project)}
        unit = replace(unit, dependents=frozenset(found))
    modules = reloadable(unit.loaded())
    directories = _directories(modules, name) if resolution else []
    holders: tuple[Remaining, ...] = ()
    if loading:
        modules, holders = _unload(unit, modules)
    if resolution:
        _forget_finders(directories)
        invalidate_caches()
    return Cleared(
        names=tuple(modules) if loading else (), directories=tuple(sorted(directories)), holders=holders
    )


def _unit(name: str, project: Project) -> Unit:
    """The modules to forget."""
    if is_glob(name):
        return Unit(tuple(m for m in module_names() if fnmatchcase(m, name) and project.owns(m)))
    reason = targets.refusal(name) if name in sys.modules else None
    if reason is not None:
        raise UsageError(reason)
    return Unit((name,))


def _forget_finders(directories: list[str]) -> None:
    """Drop the finders and their global caches: the listing of a zip file outlives its finder."""
    for directory in directories:
        finder = sys.path_importer_cache.pop(directory, None)
        invalidate = getattr(finder, "invalidate_caches", None)
        if invalidate is not None:
            invalidate()


def _assert_types(name: object, **switches: object) -> None:
    if not isinstance(name, str):
        raise TypeError(f"clear_cache: name must be a str, the name of a module, not {type(name).__name__}")
    for switch, value in switches.items():
        if not isinstance(value, bool):
            raise TypeError(f"clear_cache: {switch} must be True or False, not {type(value).__name__}")


def _unload(unit: Unit, modules: list[str]) -> tuple[list[str], tuple[Remaining, ...]]:
    """Drop the loaded modules of a unit. Returns their names and remaining holders."""
    ledger = Ledger(unit.owns)
    modules = _dropped(unit, modules, ledger)
    search = Search(
        ledger=ledger,
        original=Original(-1),
        target=unit.target,
        namespaces={},
        rename=unit.rename,
        grace=UNLOADED,
    )
    settle.settle(lambda: sum(ledger.older(1, but=None).values()), lambda: None, is_patient=bool)
    seen = diagnose(search)
    ledger.markers.remove()
    return modules, tuple(
        Remaining(holder=retention.holder, held=retention.held, trace=retention.trace)
        for retention in sorted(seen.retentions, key=lambda retention: retention.trace)
    )


def _dropped(unit: Unit, modules: list[str], ledger: Ledger) -> list[str]:
    """Drop the loaded modules of a unit once no thread imports them: other threads may import and drop them too."""
    while True:
        with imports_locked(modules):
            loaded = reloadable(unit.loaded())
            if set(loaded) <= set(modules):
                ledger.note(0, [(name, sys.modules[name]) for name in loaded])
                unload(loaded)
                return loaded
        modules = [*modules, *(name for name in loaded if name not in modules)]


def _directories(modules: list[str], name: str) -> list[str]:
    """Directories whose finders know the modules or their submodules, and directories that did not exist."""
    found = {directory for directory, finder in list(sys.path_importer_cache.items()) if finder is None}
    for module in modules:
        namespace = foreign.namespace(module)
        found.update(str(entry) for entry in namespace.get("__path__") or ())
        origin = getattr(spec_of(sys.modules.get(module)), "origin", None)
        if isinstance(origin, str):
            found.add(os.path.dirname(origin))
    parent = name.rpartition(".")[0]
    if parent:
        found.update(targets.search_locations(parent) or ())
    return [directory for directory in found if directory in sys.path_importer_cache]
