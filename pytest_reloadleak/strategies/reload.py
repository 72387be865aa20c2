"""`importlib.reload`, submodules first: the standard library's way. The namespaces stay and are executed into again."""

from __future__ import annotations

import sys
from importlib import reload

from pytest_reloadleak.heap import foreign
from pytest_reloadleak.strategies.dependencies.importers import bound
from pytest_reloadleak.strategies.imports.name_stamps import stamp_specs
from pytest_reloadleak.strategies.imports.unit import reloadable
from pytest_reloadleak.strategies.single import Single


class Reload(Single):
    """The strategy `reload`."""

    name = "reload"
    is_in_place = True

    def reload(self, names: list[str]) -> None:
        """Reload each module in place: submodules first, and before those who imported from them."""
        modules = [name for name in reloadable(names) if not _is_put_there(name, names)]
        stamp_specs(modules)
        for name in in_order(modules):
            reload(sys.modules[name])


def _is_put_there(name: str, names: list[str]) -> bool:
    """Whether a module of the unit put something in `sys.modules` that is none: its own execution does that again."""
    return not foreign.is_module(sys.modules.get(name)) and name.rpartition(".")[0] in names


def in_order(names: list[str]) -> list[str]:
    """Modules of a unit, each after its submodules and after those of which it binds something.

    Otherwise `from .base import Base` in one would take the old `Base` of the other. In a circle of imports somebody
    has to be first, and keeps what is old: that is a property of the circle, and is reported.
    """
    done: dict[str, None] = {}
    under_way: set[str] = set()

    def visit(name: str) -> None:
        if name in done or name in under_way:
            return
        under_way.add(name)
        for other in sorted(names, key=lambda other: -other.count(".")):
            if other.startswith(f"{name}.") or (other in needed[name] and not name.startswith(f"{other}.")):
                visit(other)
        done[name] = None

    needed = {name: bound(name) for name in names}
    for name in sorted(names, key=lambda name: -name.count(".")):
        visit(name)
    return list(done)
