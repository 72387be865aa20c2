"""Show the line that made a reference, with the lines around it and the calls that led there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from pytest_reloadleak.model import Finding, Site
from pytest_reloadleak.report.text.layout import LABEL, Line, Span, labelled, plain, wrapped

_INDENT = " " * LABEL


class Piece(NamedTuple):
    """Lines of a site that belong together."""

    site: int
    """The number of the site, from 0."""
    is_around: bool
    """Whether these lines only surround the site: the source before and after it, and the stack."""
    lines: list[Line]


def lines(finding: Finding, *, verbose: bool, rootdir: str) -> Iterator[str]:
    """The lines of a finding's sites as plain text. Arguments as for `parts`."""
    for piece in parts(finding, verbose=verbose, rootdir=rootdir, width=None):
        yield from map(plain, piece.lines)


def parts(finding: Finding, *, verbose: bool, rootdir: str, width: int | None) -> Iterator[Piece]:
    """The lines of a finding's sites, in pieces: for each site the place, its line, and the source around it.

    Args:
        finding: the finding.
        verbose: whether to show the stack of each site, and the reason if there is no site.
        rootdir: the directory to which files are relative.
        width: columns of a line; `None` for no limit.
    """
    if finding.site is None:
        if verbose and finding.site_reason is not None:
            yield Piece(0, False, list(labelled("site", [Span(f"not known: {finding.site_reason}")], width)))
        return
    for number, site in enumerate(finding.sites or (finding.site,)):
        function = f" in {site.function}" if site.function not in {None, "<module>"} else ""
        place = Span(f"{relative(site.file, rootdir)}:{site.line}", "place")
        first = labelled("site" if number == 0 else " and", [place, Span(function)], width)
        before, marked, after = _excerpt(site, width)
        yield Piece(number, False, list(first))
        yield Piece(number, True, before)
        yield Piece(number, False, marked)
        yield Piece(number, True, after)
        if verbose and len(site.stack) > 1:
            yield Piece(number, True, list(_stack(site, rootdir, width)))


def _excerpt(site: Site, width: int | None) -> tuple[list[Line], list[Line], list[Line]]:
    """The source before the line, the line with a marker, and the source after it.

    If the lines around it are not known, this is only the line itself.
    """
    if site.excerpt_line is None or not site.excerpt:
        return [], _source(f"{_INDENT}> ", site.code, width), []
    digits = len(str(site.excerpt_line + len(site.excerpt) - 1))
    before: list[Line] = []
    marked: list[Line] = []
    after: list[Line] = []
    for number, text in enumerate(site.excerpt, start=site.excerpt_line):
        if number == site.line:
            marked = _source(f"{_INDENT}> {number:>{digits}} | ", text, width)
        else:
            (after if marked else before).append(
                (Span(_cut(f"{_INDENT}  {number:>{digits}} | {text}", width)),)
            )
    return before, marked, after


def _source(first: str, text: str, width: int | None) -> list[Line]:
    """The whole marked line, in several lines if necessary."""
    if width is None or len(first) + len(text) <= width:
        return [(Span(first), Span(text, "place"))]
    indent = text[: len(text) - len(text.lstrip())]
    return list(
        wrapped(first + indent, [Span(text.strip(), "place")], width, " " * (len(first + indent) + 4))
    )


def _cut(line: str, width: int | None) -> str:
    line = line.rstrip()
    return line if width is None or len(line) <= width else f"{line[: width - 4].rstrip()} ..."


def _stack(site: Site, rootdir: str, width: int | None) -> Iterator[Line]:
    for depth, frame in enumerate(site.stack):
        text = f"{relative(frame.file, rootdir)}:{frame.line} in {frame.function}: {frame.code}"
        yield from labelled("" if depth else "called", [Span(text)], width)


def relative(file: str, rootdir: str) -> str:
    """The path of a file relative to a directory, or the whole path if it lies elsewhere."""
    try:
        found = os.path.relpath(file, rootdir)
    except ValueError:  # another drive
        return file
    return file if found.startswith("..") else found
