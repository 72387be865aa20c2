"""Find the place in the source that a machine-readable report shows for a finding."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from pytest_reloadleak.report import sites


class Place(NamedTuple):
    """A line of a file. `file` is relative to the root, with forward slashes; absolute if it is outside."""

    file: str
    line: int


def place_of(finding: Mapping[str, Any], root: str) -> Place | None:
    """The line that created the finding's reference, else the definition of the held object; `None` if unknown.

    Args:
        finding: one of the JSON report's `findings`.
        root: the directory that paths are relative to.
    """
    for where in (finding["site"], finding["held"]):
        if where is not None and where["file"] and not where["file"].startswith("<"):
            return Place(relative(where["file"], root), int(where["line"] or 1))
    return None


def place_of_target(target: str) -> Place:
    """The first line of the file that a module of this name has by convention, for findings without a place."""
    return Place(f"{target.partition(', ')[0].replace('.', '/')}.py", 1)


def relative(file: str, root: str) -> str:
    """A path relative to the root, with forward slashes; absolute if it is outside of the root."""
    return sites.relative(file, root).replace(os.sep, "/")


def uri(file: str) -> str:
    """A relative or absolute path as a URI (RFC 3986)."""
    return quote(file) if not os.path.isabs(file) else f"file://{quote(file)}"


def summary(finding: Mapping[str, Any]) -> str:
    """A finding as one sentence without a full stop: who holds what, and how much."""
    holder, held = finding["holder"], finding["held"]
    generations = len(finding["generations"])
    what = f"{generations} old generation{'s' if generations != 1 else ''}"
    if holder is None:
        return f"{finding['kind']}: each reload leaves {finding['per_round']:g} more"
    text = f"{finding['kind']}: {holder['path']}"
    if held is not None:
        text += f" holds {held['name']}"
    if generations:
        text += f" of {what}"
    return text + (", growing with each reload" if finding["growth"] == "growing" else "")
