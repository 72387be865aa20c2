"""Write the cure of a name that the target leaves on the machine: a file, a directory or a segment of shared memory."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Collection, Iterator
from typing import Any

from pytest_reloadleak.cures.names import Names, is_name
from pytest_reloadleak.heap import foreign

_PATHS = foreign.type_ids(pathlib.PosixPath, pathlib.WindowsPath)
_SEGMENT = "multiprocessing.shared_memory.SharedMemory"


def cure(kind: str, paths: Collection[str], names: Names) -> list[str] | None:
    """The lines that remove what the present generation left.

    Args:
        kind: as `growth.makers.NamesLeft.kind`.
        paths: the names that were left, the present generation's among them.
        names: the names in the target's module.

    Returns:
        `None` where no global of the target has the name.
    """
    segments = set(map(os.path.basename, paths))
    for name, value in list(names.namespace.items()):
        if not is_name(name):
            continue
        if kind == "segment":
            if foreign.type_name(value) == _SEGMENT and _attribute(value, "_name").lstrip("/") in segments:
                return [f"{name}.close()", f"{name}.unlink()"]
            continue
        found = next((text for text, path in _spelled(name, value) if path in paths), None)
        if found is not None:
            remove = "shutil.rmtree" if kind == "directory" else "os.remove"
            module, _, function = remove.partition(".")
            return [f"{names.need(module)}.{function}({found})"]
    return None


def _spelled(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """The paths that a global has, each with the expression that gives it."""
    if type(value) is str:
        yield name, value
    elif foreign.is_exactly(value, _PATHS):
        yield name, os.fspath(value)
    elif type(value) is tuple:  # as `tempfile.mkstemp` returns
        yield from ((f"{name}[{at}]", part) for at, part in enumerate(value) if type(part) is str)
    else:
        yield f"{name}.name", _attribute(value, "name")


def _attribute(o: Any, name: str) -> str:
    return foreign.text(dict.get(foreign.instance_dict(o) or {}, name))
