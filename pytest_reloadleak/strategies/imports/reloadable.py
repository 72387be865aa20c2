"""Which of a unit's modules can be executed again."""

from __future__ import annotations

import sys
from typing import Any

from pytest_reloadleak.heap import foreign


def reloadable(names: list[str]) -> list[str]:
    """The modules whose code Python can execute again: extension modules stay where they are."""
    return [name for name in names if not foreign.is_extension(spec_of(sys.modules.get(name)))]


def spec_of(module: Any) -> object:
    """The `__spec__` of a `sys.modules` entry, if it is a module."""
    return (foreign.module_dict(module) or {}).get("__spec__")
