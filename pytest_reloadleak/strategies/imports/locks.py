"""Keep other threads from importing a module while it is reloaded.

If a module is dropped from `sys.modules` during its import, its body runs twice, and the first importer gets a
`KeyError` (reload facts, row 50). The import system has a lock per module for exactly this. A reload holds that lock,
so other importers wait and get the fresh module. If two wait for each other, the import system lets one go on.
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
"""Private, and the same in CPython 3.10 to 3.15. Without it, a reload is refused while the target is being imported."""
_DeadlockError: Any = _BOOTSTRAP.get("_DeadlockError", RecursionError)


@contextmanager
def imports_locked(names: list[str]) -> Iterator[None]:
    """Within the block, no other thread imports any of `names`.

    Args:
        names: loaded modules; the block waits for running imports of them.

    Raises:
        RoundError: one of them is being imported, and that import waits for this thread.
    """
    with ExitStack() as stack:
        for name in sorted(names):
            try:
                if _Manager is not None:
                    stack.enter_context(_Manager(name))
            except _DeadlockError:
                raise RoundError(_refusal(name)) from None
            if is_initializing(name):
                raise RoundError(_refusal(name))
        yield


def is_initializing(name: str) -> bool:
    """Whether a module's code has begun to run in an import, and has not ended."""
    spec = foreign.namespace(name).get("__spec__")
    return type(spec) is ModuleSpec and bool(vars(spec).get("_initializing"))


def _refusal(name: str) -> str:
    return (
        f"the reload was refused: {name} is still being imported, and that import waits for this reload; "
        "reload it after its import has finished"
    )
