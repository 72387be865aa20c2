"""Fold lines of Python inside brackets, where a line may end, so that a folded cure can be pasted."""

from __future__ import annotations

import io
import tokenize

_INDENT = "        "


def folded(line: str, width: int | None) -> list[str]:
    """A line of code as lines of at most this width, as far as its brackets allow.

    Args:
        line: a logical line, or the head of a compound statement.
        width: columns; `None` for no limit.
    """
    if width is None or len(line) <= width:
        return [line]
    breaks = _breaks(line)
    before = line[: len(line) - len(line.lstrip())]
    out, start, limit = [], 0, width
    while len(line) - start > limit:
        fitting = [(-depth, at) for at, depth in breaks if start + limit // 3 < at <= start + limit + 1]
        later = [at for at, _ in breaks if at > start]
        if not later:
            break
        at = max(fitting)[1] if fitting else later[0]
        out.append(line[start:at].rstrip())
        start, limit = at, width - len(before) - len(_INDENT)
    out.append(line[start:])
    return [out[0], *(f"{before}{_INDENT}{part}" for part in out[1:])]


def _breaks(line: str) -> list[tuple[int, int]]:
    """Columns at which a new line may begin, inside brackets and after a space or the bracket, with their depth."""
    out: list[tuple[int, int]] = []
    depth = end = 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(line).readline):
            if depth and token.start[1] > end and token.start[0] == 1:
                out.append((token.start[1], depth))
            depth += (token.string in {"(", "[", "{"}) - (token.string in {")", "]", "}"})
            if token.string in {"(", "[", "{"}:
                out.append((token.end[1], depth))
            end = token.end[1]
    except (tokenize.TokenError, IndentationError, SyntaxError):
        return []  # the line alone is no whole statement, so it is not folded
    return out
