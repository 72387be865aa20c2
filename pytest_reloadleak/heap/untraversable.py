"""The modules of the process that are not to be asked for what they refer to, copies included."""

from __future__ import annotations

from typing import Any

from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import foreign


def modules() -> list[Any]:
    """Every module that bears an unsafe name: in `sys.modules`, or by way of its classes if that has it no more."""
    listed = [module for name, module in foreign.loaded_modules() if name in gc.UNSAFE]
    classes = [cls for cls in foreign.subclasses(object) if foreign.class_module(cls) in gc.UNSAFE]
    return [*listed, *(o for cls in classes for o in gc.get_referents(cls) if foreign.is_module(o))]
