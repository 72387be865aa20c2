"""Make a drawing of Graphviz fit the page: small, in the page's colours, and without duplicate names."""

from __future__ import annotations

import re

_LEFT_OUT = re.compile(
    r"<!--.*?-->|<title>.*?</title>|<\?xml.*?\?>|<!DOCTYPE.*?>"
    r"|<polygon fill=\"(?:white|none)\" stroke=\"(?:transparent|none)\"[^>]*/>"
    r"| (?:id|class|font-family|font-size|text-anchor|xml:space|xmlns:xlink)=\"[^\"]*\"",
    re.DOTALL,
)
_COLOURS = {
    "#c62828": "var(--bad)",
    "#616161": "var(--dim)",
    "#fff3e0": "var(--held)",
    "#eceff1": "var(--old)",
    "black": "currentColor",
}
_TAG = re.compile(r"<[^>]*>")
_NUMBER = re.compile(r"-?\d+\.\d+")
_ORDINARY = re.compile(r' stroke="currentColor"| fill="none"|</?g\b[^>]*>|\n')
"""Attributes that the page's style sets anyway, and groups, which have no meaning without their names."""


def fitted(svg: str) -> str | None:
    """The drawing as part of a page; `None` if it is no drawing.

    Args:
        svg: what `dot -Tsvg` wrote.
    """
    found = re.search(r"<svg\b.*</svg>", svg, re.DOTALL)
    if found is None:
        return None
    text = _LEFT_OUT.sub("", found[0])
    for colour, variable in _COLOURS.items():
        text = re.sub(rf'\b(fill|stroke)="{colour}"', rf'\1="{variable}"', text)
    head = re.match(
        r'<svg\b[^>]*?width="([\d.]+)pt" height="([\d.]+)pt"[^>]*?viewBox="([^"]*)"[^>]*>', text, re.DOTALL
    )
    if head is None:
        return None
    width, height, box = head.groups()
    size = f'width="{width}" height="{height}" viewBox="{box}"'
    move = re.search(r"translate\([^)]*\)", text)
    inner = _ORDINARY.sub("", text[head.end() : -len("</svg>")])
    inner = re.sub(r"^<text\b.*?</text>", "", inner)  # the graph's title, which the page has above
    # Rounded numbers halve the length and look the same. The text between the tags does not change.
    inner = _TAG.sub(lambda tag: _NUMBER.sub(lambda number: f"{float(number[0]):.0f}", tag[0]), inner)
    group = f'<g transform="{move[0]}">' if move is not None else "<g>"
    return f'<svg class="graph" {size} aria-hidden="true" focusable="false">{group}{inner}</g></svg>'
