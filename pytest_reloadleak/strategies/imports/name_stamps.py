"""Give each round's code a name of its own identity.

A function's and a class's `__module__` is the very string object that was the namespace's `__name__` when it was
made. A fresh, equal string per round therefore dates everything that the round bore, wherever it went.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec

from pytest_reloadleak.heap import foreign


def fresh_name(name: str) -> str:
    """An equal string that is a new object; one letter is shared by the whole interpreter and stays the same."""
    return name[:1] + name[1:]


def stamp_specs(names: list[str]) -> None:
    """Give the specs of loaded modules a fresh name, which `importlib.reload` hands on to the namespace."""
    for name in names:
        spec = (foreign.module_dict(sys.modules.get(name)) or {}).get("__spec__")
        if type(spec) is ModuleSpec and spec.name == name:
            spec.name = fresh_name(name)
