"""Find the line that created an object among the frames that were on the stack when it was allocated."""

from __future__ import annotations

import linecache
from collections.abc import Collection

from pytest_reloadleak.holders.container_growth import Frames
from pytest_reloadleak.model import Site
from pytest_reloadleak.strategies.dependencies.project import Project


def site_of(frames: Frames, files: Collection[str], project: Project) -> Site | None:
    """The innermost frame in the target's files, else the innermost first-party frame; `None` without either.

    Args:
        frames: file and line of each, the innermost first.
        files: the target's source files.
        project: what is first-party.
    """
    found = next((f for f in frames if f[0] in files), None) or next(
        (f for f in frames if project.owns_file(f[0])), None
    )
    if found is None:
        return None
    file, line = found
    return Site(file=file, line=line, code=linecache.getline(file, line).strip())
