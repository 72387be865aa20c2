"""Turn stacks and the frames of allocations into sites: the line to change, with its source."""

from __future__ import annotations

import linecache
import textwrap
from collections.abc import Collection
from dataclasses import replace

from pytest_reloadleak.holders.container_growth import Frames
from pytest_reloadleak.holders.retention import Retention, Stack
from pytest_reloadleak.model import Finding, Frame, Site
from pytest_reloadleak.strategies.dependencies.project import Project

_AROUND = 2
"""Lines of an excerpt before the site, and after it."""


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
    return _site(*found) if found is not None else None


_NO_ROUND = "no further round could be traced: the rounds are those of the test's own loop"


def placed(finding: Finding, traced: Retention | None) -> Finding:
    """The finding with its lines, or with the reason why there are none.

    Args:
        finding: the finding.
        traced: the retention with the stacks; `None` if there was no traced round.
    """
    if traced is None:
        return replace(finding, site_reason=_NO_ROUND)
    sites = sites_of(traced)
    if not sites:
        return replace(finding, site_reason=traced.site_reason)
    return replace(finding, site=sites[0], sites=sites)


def sites_of(retention: Retention) -> tuple[Site, ...]:
    """The lines that made a retention's references, each once, in the order in which they ran."""
    sites: dict[tuple[str, int], Site] = {}
    for stack in retention.stacks:
        site = site_of_stack(stack)
        if site is not None:
            sites.setdefault((site.file, site.line), site)
    return tuple(sites.values())


def site_of_stack(stack: Stack) -> Site | None:
    """The innermost line of the target, else the innermost first-party one, else the innermost of the project."""
    ranked = [(place.rank, depth) for depth, place in enumerate(stack) if place.rank is not None]
    if not ranked:
        return None
    place = stack[min(ranked)[1]]
    frames = tuple(
        Frame(file=p.file, line=p.line, function=p.function, code=_line(p.file, p.line))
        for p in reversed(stack)
        if p.line > 0
    )
    return _site(place.file, place.line, place.function, frames)


def _site(file: str, line: int, function: str | None = None, stack: tuple[Frame, ...] = ()) -> Site:
    numbers = [n for n in range(line - _AROUND, line + _AROUND + 1) if _text(file, n)]
    while numbers and numbers[0] < line and not _line(file, numbers[0]):
        del numbers[0]
    while numbers and numbers[-1] > line and not _line(file, numbers[-1]):
        del numbers[-1]
    excerpt = textwrap.dedent("".join(_text(file, n) for n in numbers)).splitlines()
    return Site(
        file=file,
        line=line,
        code=_line(file, line),
        function=function,
        stack=stack,
        excerpt=tuple(text.rstrip() for text in excerpt),
        excerpt_line=numbers[0] if numbers else None,
    )


def _line(file: str, line: int) -> str:
    return _text(file, line).strip()


def _text(file: str, line: int) -> str:
    try:
        return linecache.getline(file, line)
    except Exception:  # noqa: BLE001 - reads the file by functions that the target may have patched
        return ""
