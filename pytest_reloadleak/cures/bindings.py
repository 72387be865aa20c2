"""Say how a module that bound a name once gets the present version: no hook of the target can change its source."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from pytest_reloadleak.cures import reading
from pytest_reloadleak.heap import foreign, references


def advice(path: Sequence[Any], held: str) -> str:
    """The line that binds the name and what to write instead; empty where the binding is no import.

    Args:
        path: objects from a module to the old version.
        held: the old version's dotted name.
    """
    steps = references.folded(path)
    if not steps or not foreign.is_module(steps[0][0]) or not steps[0][1].startswith("."):
        return ""
    importer = foreign.module_name(foreign.module_dict(steps[0][0]) or {})
    found = reading.import_line(importer, steps[0][1][1:])
    if found is None:
        return ""
    line, text = found
    module = held if foreign.is_module(steps[0][2]) else held.rpartition(".")[0]
    use = held if held == module else f"{module}.{held.rpartition('.')[2]}"
    file = os.path.basename(reading.file_of(importer))
    return (
        f"{importer}.{steps[0][1][1:]} was bound once and still points to the old version; at {file}:{line} write "
        f"`import {module}` in place of `{text}`, and `{use}` where it is used, so that each use finds the present "
        f"version; or reload {importer} too: --reload-leak-strategy=cascade"
    )
