"""Keep other threads from importing a module while it is reloaded.

Dropped from `sys.modules` in the middle of somebody's import, a module's body runs twice, and the first importer gets a
`KeyError` (reload facts, row 50). The import system has a lock per module for exactly this; held for the length of a
reload, it makes who imports the module then wait and get the fresh one. Two that wait for each other are told apart by
the import system itself, which lets one go on.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.machinery import ModuleSpec
from typing import Any

from pytest_reloadleak.errors import RoundError
from pytest_reloadleak.heap import foreign

_BOOTSTRAP: Any = vars(sys.modules["_frozen_importlib"])
_Manager: Any = _BOOTSTRAP.get("_ModuleLockManager")
"""Private, and the same in CPython 3.10 to 3.15: without it a reload is refused while the target is being imported."""
_DeadlockError: Any = _BOOTSTRAP.get("_DeadlockError", RecursionError)


@contextmanager
def imports_locked(names: list[str]) -> Iterator[None]:
    """Within the block, no other thread imports any of `names`.

    Args:
        names: loaded modules; an import of one that is under way is waited for.

    Raises:
        RoundError: another thread imports one of them, and waits for this one in turn.
    """
    with ExitStack() as stack:
        for name in sorted(names):
            try:
                if _Manager is not None:
                    stack.enter_context(_Manager(name))
            except _DeadlockError:
                raise RoundError(_under_way(name)) from None
            if is_initializing(name):
                raise RoundError(_under_way(name))
        yield


def is_initializing(name: str) -> bool:
    """Whether a module's code has begun to run, as an import, and not ended."""
    spec = (foreign.module_dict(sys.modules.get(name)) or {}).get("__spec__")
    return type(spec) is ModuleSpec and bool(vars(spec).get("_initializing"))


def _under_way(name: str) -> str:
    return (
        f"the reload was refused: {name} is being imported just now, and whoever imports it waits for this reload; "
        "reload it when its import is over"
    )
