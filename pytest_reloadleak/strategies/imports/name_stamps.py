"""Give the code of each round its own string object as module name.

The `__module__` of a function or class is the very string object that was the namespace's `__name__` when it was
made. A fresh, equal string per round therefore dates everything that the round created, wherever it went.
"""

from __future__ import annotations

from importlib.machinery import ModuleSpec

from pytest_reloadleak.heap import foreign


def fresh_name(name: str) -> str:
    """An equal string that is a new object; a string of one letter stays the same, as the interpreter shares it."""
    return name[:1] + name[1:]


def stamp_specs(names: list[str]) -> None:
    """Give the specs of loaded modules a fresh name, which `importlib.reload` passes on to the namespace."""
    for name in names:
        spec = foreign.namespace(name).get("__spec__")
        if type(spec) is ModuleSpec and spec.name == name:
            spec.name = fresh_name(name)
