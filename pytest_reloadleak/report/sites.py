"""Show the line that made a reference, with the lines around it and the calls that led there."""

from __future__ import annotations

import os
from collections.abc import Iterator

from pytest_reloadleak.model import Finding, Site

_INDENT = " " * 12


def lines(finding: Finding, *, verbose: bool, rootdir: str) -> Iterator[str]:
    """The lines of a finding's sites.

    Args:
        finding: the finding.
        verbose: whether to show the stack of each, and the reason where there is no site.
        rootdir: the directory to which files are relative.
    """
    if finding.site is None:
        if verbose and finding.site_reason is not None:
            yield f"    site    not known: {finding.site_reason}"
        return
    for number, site in enumerate(finding.sites or (finding.site,)):
        function = f" in {site.function}" if site.function not in {None, "<module>"} else ""
        label = "    site    " if number == 0 else "     and    "
        yield f"{label}{relative(site.file, rootdir)}:{site.line}{function}"
        yield from _excerpt(site)
        if verbose and len(site.stack) > 1:
            yield from _stack(site, rootdir)


def _excerpt(site: Site) -> Iterator[str]:
    """The source with a marker; the bare line where the lines around it are not known."""
    if site.excerpt_line is None or not site.excerpt:
        yield f"{_INDENT}> {site.code}"
        return
    width = len(str(site.excerpt_line + len(site.excerpt) - 1))
    for number, text in enumerate(site.excerpt, start=site.excerpt_line):
        marker = ">" if number == site.line else " "
        yield f"{_INDENT}{marker} {number:>{width}} | {text}".rstrip()


def _stack(site: Site, rootdir: str) -> Iterator[str]:
    for depth, frame in enumerate(site.stack):
        label = "    called  " if depth == 0 else _INDENT
        yield f"{label}{relative(frame.file, rootdir)}:{frame.line} in {frame.function}: {frame.code}"


def relative(file: str, rootdir: str) -> str:
    """The path of a file as seen from a directory, or the whole path where it lies elsewhere."""
    try:
        found = os.path.relpath(file, rootdir)
    except ValueError:  # another drive
        return file
    return file if found.startswith("..") else found
