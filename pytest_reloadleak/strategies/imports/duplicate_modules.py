"""Find two live modules from one file, such as `mod` and `src.mod` with two roots on the path.

Each is executed and has its own state, and a reload of one does not change the other (reload facts, row 18). Neither
need be old, so this is no finding. It is a note, since a user who edits the file expects the edit in both.
"""

from __future__ import annotations

import sys
from typing import Any

from pytest_reloadleak.heap import foreign
from pytest_reloadleak.strategies.imports.unit import Unit


def notes(unit: Unit) -> list[str]:
    """A line for each file of the unit from which a module outside the unit was loaded as well."""
    mine = {
        file: name for name in reversed(unit.loaded()) if (file := _file(sys.modules.get(name))) is not None
    }
    out = []
    for name, module in foreign.loaded_modules():
        first = mine.get(_file(module) or "") if not unit.owns(name) else None
        if first is not None and sys.modules.get(first) is not module:
            out.append(
                f"{first} and {name} are separate modules loaded from one file, each with its own state: "
                f"{name} is not reloaded; import the file under one name only"
            )
    return sorted(out)


def _file(module: Any) -> str | None:
    file = (foreign.module_dict(module) or {}).get("__file__")
    return file if type(file) is str else None
