"""Find version skew: which module sees which generation, by what its names are bound to (reload facts, row 43)."""

from __future__ import annotations

import types
from typing import Any

from pytest_reloadleak.generations.ledger import Ledger
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.holders.retained import Retained
from pytest_reloadleak.holders.roots import is_runner
from pytest_reloadleak.holders.search import Search

_SELF = __name__.partition(".")[0]

Sight = tuple[str, int]
"""A module, and a generation that it sees."""


def sights(search: Search, retained: Retained) -> tuple[Sight, ...]:
    """The generations of the unit that each outside module sees through its globals.

    Args:
        search: what to look for, and what to leave out.
        retained: live old objects, plain data included.
    """
    ledger = search.ledger
    present = _present_data(search)
    found = set()
    for name, module in foreign.loaded_modules():
        namespace = foreign.module_dict(module)
        if namespace is None or id(namespace) in search.spared or _is_left_out(name, ledger):
            continue
        for key, value in list(namespace.items()):
            if _is_import_binding(name, key, value):
                continue
            generation = _generation(value, search, retained, present)
            if generation is not None:
                found.add((name, search.reported(generation)))
    return tuple(sorted(found))


def _is_left_out(name: str, ledger: Ledger) -> bool:
    return ledger.owns(name) or name.partition(".")[0] == _SELF or is_runner(name)


def _is_import_binding(module: str, key: object, value: Any) -> bool:
    """Whether the import system bound a name: `__builtins__` and similar names, or a submodule."""
    if type(key) is not str or (key.startswith("__") and key.endswith("__")):
        return True
    return (
        foreign.is_module(value)
        and foreign.module_name(foreign.module_dict(value) or {}) == f"{module}.{key}"
    )


def _present_data(search: Search) -> set[int]:
    """Ids of the plain data in the target's present namespaces that the original's namespaces did not have."""
    older = {id(value) for _, saved in search.original.namespaces.values() for value in list(saved.values())}
    items = ((name, *item) for name, n in search.namespaces.items() for item in list(n.items()))
    return {
        id(value)
        for name, key, value in items
        if id(value) not in older
        and _is_data(value)
        and not foreign.is_constant(value, search.ledger.owns)
        and not _is_import_binding(name, key, value)
    }


def _is_data(value: object) -> bool:
    return not (type(value) is types.FunctionType or foreign.is_class(value) or foreign.is_module(value))


def _generation(value: Any, search: Search, retained: Retained, present: set[int]) -> int | None:
    ledger = search.ledger
    if not _is_data(value):
        return ledger.born(value)
    if id(value) in retained.born:
        return retained.born[id(value)]
    return ledger.current if id(value) in present else None


def in_words(sights: tuple[Sight, ...], target: str, current: int) -> str | None:
    """One line that says which module sees which generation; `None` if all see the current one."""
    by_generation: dict[int, list[str]] = {}
    for module, generation in sights:
        by_generation.setdefault(generation, []).append(module)
    if not by_generation or (set(by_generation) <= {current}):
        return None
    by_generation.setdefault(current, ["sys.modules"])
    parts = [
        f"{_named(modules)} generation {generation}" for generation, modules in sorted(by_generation.items())
    ]
    between = "; " if any(len(modules) > 1 for modules in by_generation.values()) else ", "
    return f"{between.join(parts)} of {target}"


_SHOWN = 4


def _named(modules: list[str]) -> str:
    shown = (
        modules if len(modules) <= _SHOWN else [*modules[: _SHOWN - 1], f"{len(modules) - _SHOWN + 1} more"]
    )
    *first, last = shown
    return f"{', '.join(first)} and {last} see" if first else f"{last} sees"
