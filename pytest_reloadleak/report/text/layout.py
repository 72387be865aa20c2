"""Wrap styled text: at spaces, in a long path at its steps, and never inside a name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

Style = Literal["", "holder", "old", "place", "code"]
"""What a piece of text is. `old` is an old generation, and `place` the line to change."""


class Span(NamedTuple):
    """A piece of text of one style."""

    text: str
    style: Style = ""
    is_whole: bool = False
    """Whether it never breaks, even at its spaces."""


Line = tuple[Span, ...]
"""One line without its end."""

LABEL = 12
"""Columns of a label with the spaces before and after it."""

_WORD = re.compile(r"""(?:\[(?:'[^'\n]*'|"[^"\n]*")\]|\S)+""")
"""A word: a key in quotes may hold spaces."""
_STEP = re.compile(r"""\[(?:'[^'\n]*'|"[^"\n]*"|[^\]]*)\]|\([^)]*\)|<[^>]*>|\.?[^.\[(<]+|.""")
"""One step of a path."""
_PART = re.compile(r"/?[^/]+/?|/+")
"""One part of a file's name."""


class _Piece(NamedTuple):
    """Text that stays together on one line."""

    spans: list[Span]
    is_word: bool
    """Whether a space comes before it, unless it begins a line."""

    def columns(self) -> int:
        return sum(len(span.text) for span in self.spans)


def one(text: str) -> Line:
    """A line of plain text."""
    return (Span(text),)


def plain(line: Line) -> str:
    """The text of a line, without spaces at its end."""
    return "".join(span.text for span in line).rstrip()


def labelled(label: str, spans: Iterable[Span], width: int | None) -> Iterator[Line]:
    """Lines with a label before the first one.

    Args:
        label: at most 7 characters.
        spans: the text.
        width: columns of a line; `None` for one line.
    """
    yield from wrapped(f"    {label:<{LABEL - 4}}", spans, width, " " * LABEL)


def wrapped(first: str, spans: Iterable[Span], width: int | None, hang: str) -> Iterator[Line]:
    """The lines of a paragraph.

    A word that is longer than a line breaks at a step of its path, and continues two columns further in.

    Args:
        first: the text before the first line.
        spans: the text.
        width: columns of a line; `None` for one line.
        hang: the text before each other line.
    """
    line, used, is_empty = [Span(first)], len(first), True
    for piece in _pieces(spans, None if width is None else max(width - len(hang), 8)):
        space = " " if piece.is_word and not is_empty else ""
        if width is not None and not is_empty and used + len(space) + piece.columns() > width:
            yield _joined(line)
            start = hang if piece.is_word else f"{hang}  "
            line, used, space = [Span(start)], len(start), ""
        style = piece.spans[0].style
        line += [Span(space, style if line[-1].style == style else ""), *piece.spans]
        used += len(space) + piece.columns()
        is_empty = False
    yield _joined(line)


def _pieces(spans: Iterable[Span], room: int | None) -> list[_Piece]:
    """The words, or the steps of a word without room on a line. Text without a space before it joins the last piece."""
    out: list[_Piece] = []
    is_glued = False
    for span in spans:
        words = [span.text.strip()] if span.is_whole else [found[0] for found in _WORD.finditer(span.text)]
        is_glued = is_glued and not span.text[:1].isspace()
        for word in filter(None, words):
            is_long = room is not None and len(word) > room and not span.is_whole
            for number, part in enumerate(_parts(word) if is_long else [word]):
                if is_glued and number == 0:
                    out[-1].spans.append(Span(part, span.style))
                else:
                    out.append(_Piece([Span(part, span.style)], is_word=number == 0))
            is_glued = False
        is_glued = bool(out) and (not span.text[-1:].isspace() if span.text else is_glued)
    return out


def _parts(word: str) -> list[str]:
    pattern = _PART if "/" in word and "[" not in word else _STEP
    return pattern.findall(word) or [word]


def _joined(line: list[Span]) -> Line:
    """The line with neighbours of one style joined."""
    out: list[Span] = []
    for span in line:
        if out and out[-1].style == span.style:
            out[-1] = Span(out[-1].text + span.text, span.style)
        elif span.text:
            out.append(span)
    return tuple(out)
