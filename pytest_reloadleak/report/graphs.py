"""Draw one finding as a graph in the DOT language: from the root over the holder to the old generations."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Generator, Iterator, Mapping
from typing import Any

_STEPS = 20
"""The largest number of nodes of a trace. A longer trace is cut in its middle."""
_GENERATIONS = 7
"""The largest number of generations that are drawn: side by side they fill 1,200 pixels."""
_ALSO = 2
_WIDTH = 44
"""The largest number of characters in a line of a label."""
_LINES = 4
"""The largest number of lines of a label."""
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_RED, _GREY = "#c62828", "#616161"


def name_of(check: Mapping[str, Any], finding: Mapping[str, Any]) -> str:
    """The name of a finding's files, without a suffix: target, strategy and signature."""
    words = f"{check['target']}-{check['strategy']}"
    return f"{re.sub(r'[^A-Za-z0-9._-]+', '_', words)[:100].strip('.')}-{finding['signature']}"


def dot(check: Mapping[str, Any], finding: Mapping[str, Any]) -> str:
    """The graph of a finding.

    Args:
        check: an entry of the JSON report's `checks`.
        finding: one of its findings.
    """
    return "\n".join(_lines(check, finding)) + "\n"


def _lines(check: Mapping[str, Any], finding: Mapping[str, Any]) -> Iterator[str]:
    title = f"{check['target']} ({check['strategy']}): {finding['kind']} {finding['signature']}"
    yield f"digraph {_quoted('reload leak ' + finding['signature'])} {{"
    yield f"  graph [label={_label(title, _WIDTH * 2)}, labelloc=t, fontname=Helvetica, fontsize=14, ranksep=0.35];"
    yield '  node [shape=box, style=rounded, fontname=Helvetica, fontsize=11, margin="0.12,0.06"];'
    yield "  edge [fontname=Helvetica, fontsize=11];"
    held = yield from _trace(finding)
    yield from _generations(finding, held)
    if finding["also_retains"]:
        look = f"style=dashed, color={_quoted(_GREY)}, fontcolor={_quoted(_GREY)}"
        yield f"  also [label={_label(_also(finding['also_retains']))}, {look}];"
        yield f"  {held} -> also [{look}, minlen=2];"  # below the generations, so that these have the width
    yield "}"


def _also(texts: list[str]) -> str:
    more = len(texts) - _ALSO
    shown = [textwrap.shorten(text, _WIDTH, placeholder=" ...") or text[:_WIDTH] for text in texts[:_ALSO]]
    return "\n".join(["keeps as well:", *shown, *([f"and {more} more"] if more > 0 else [])])


def _trace(finding: Mapping[str, Any]) -> Generator[str, None, str]:
    """The nodes and edges from the root to the held object.

    Returns:
        The held object's node.
    """
    trace = list(finding["trace"]) or [_holder_path(finding)]
    if finding["held"] is None and finding["holder"] is not None and trace[-1] != "[*]":
        trace.append("[*]")  # a buffer that grows has no items: its trace ends with the holder
    at = _held_at(finding, trace)
    # A holder and the object that it holds are two nodes, however short the trace is.
    names, edges = _nodes(trace[:at])
    cut = finding.get("cut_at")
    red = cut if cut is not None and 0 < cut < at else max(at - 1, 0)
    holder = max(red - 1, 0)
    kept = _kept(len(names))
    before: int | None = None
    for number in kept:
        is_holder = number == holder or (number == len(names) - 1 and holder >= len(names))
        label = _node_label(names[number], number, finding, is_holder)
        yield f"  n{number} [label={label}{_shape(number, is_holder)}];"
        if before is not None:
            left_out = number - before - 1
            text = edges[number] if not left_out else f"... {left_out} more steps ...\n{edges[number]}"
            yield f"  n{before} -> n{number} [{_edge(text, is_red=number == red)}];"
        before = number
    if at >= len(trace):
        return f"n{kept[-1]}"
    yield f'  held [label={_label(_held_text(finding, trace[at]))}, style="rounded,filled", fillcolor="#fff3e0"];'
    text = edges[-1] if len(edges) > len(names) else ""
    yield f"  n{kept[-1]} -> held [{_edge(text, is_red=red >= len(names) or at < 2)}];"
    return "held"


def _nodes(steps: list[str]) -> tuple[list[str], list[str]]:
    """The paths of the objects on the way to the held one, and the names of the references that lead to each.

    The last reference leads to the held object, which is not in the first list.
    """
    if len(steps) < 2:
        return steps, ["", ""]
    names, path = [steps[0]], _start(steps[0])
    edges = [""]
    for step in steps[1:-1]:
        path += step
        names.append(path)
        edges.append(step)
    return names, [*edges, steps[-1]]


def _start(root: str) -> str:
    found = re.fullmatch(r"sys\.modules\['([\w.]+)'\]", root)
    return found[1] if found else root


def _held_at(finding: Mapping[str, Any], trace: list[str]) -> int:
    """Position of the held object in a trace; its length if it is not there."""
    held = finding["held"]
    if held is None:
        return len(trace)
    spelled = held["name"] if held["type"] == held["name"] else f"{held['type']} {held['name']}"
    known = next((n for n, step in enumerate(trace) if n and step == spelled), None)
    if known is not None:
        return known
    return next((n for n, step in enumerate(trace) if n and step[:1] not in {".", "[", "<", "("}), len(trace))


def _kept(count: int) -> list[int]:
    """Numbers of the nodes that are drawn: those at both ends of a long trace say most."""
    if count <= _STEPS:
        return list(range(count))
    return [*range(_STEPS // 2), *range(count - _STEPS // 2, count)]


def _holder_path(finding: Mapping[str, Any]) -> str:
    return str(finding["holder"]["path"]) if finding["holder"] is not None else str(finding["kind"])


def _node_label(name: str, number: int, finding: Mapping[str, Any], is_holder: bool) -> str:
    words = [name]
    if number == 0:
        words.append("(root)")
    if is_holder and finding["holder"] is not None:
        words.append(f"holder: {finding['holder']['type']}")
    return _label("\n".join(words))


def _shape(number: int, is_holder: bool) -> str:
    if is_holder:
        return f", penwidth=2, color={_quoted(_RED)}"
    return ', shape=box, style="rounded,bold"' if number == 0 else ""


def _edge(text: str, *, is_red: bool) -> str:
    words = f"{text}  (cut here)" if is_red else text
    label = f"label={_label(words).replace(chr(34), chr(34) + '  ', 1)}"  # the label stands beside the line
    return f"{label}, color={_quoted(_RED)}, fontcolor={_quoted(_RED)}, penwidth=2.5" if is_red else label


def _held_text(finding: Mapping[str, Any], spelled: str) -> str:
    held = finding["held"]
    place = f"\n{_base(held['file'])}:{held['line']}" if held["file"] and held["line"] else ""
    return f"{spelled}{place}"


def _base(file: str) -> str:
    return re.split(r"[\\/]", file)[-1]


def _generations(finding: Mapping[str, Any], held: str) -> Iterator[str]:
    """A node for each old generation, with its number."""
    numbers = finding["generations"]
    shown = numbers if len(numbers) <= _GENERATIONS else numbers[: _GENERATIONS - 1]
    tail = _tail(finding)
    for number in shown:
        node = f"g{number}" if number >= 0 else f"g_{-number}"
        yield f'  {node} [label={_label(f"generation {number}")}, shape=folder, style=filled, fillcolor="#eceff1"];'
        yield f"  {held} -> {node} [{_edge(tail, is_red=False)}];"
        tail = ""  # once is enough: all of these references have the same name
    if len(shown) < len(numbers):
        text = f"{len(numbers) - len(shown)} more generations,\nup to {numbers[-1]}"
        yield f'  more [label={_label(text)}, shape=folder, style=filled, fillcolor="#eceff1"];'
        yield f"  {held} -> more;"


def _tail(finding: Mapping[str, Any]) -> str:
    trace = list(finding["trace"])
    return "".join(trace[_held_at(finding, trace) + 1 :])


def _label(text: str, width: int = _WIDTH) -> str:
    """A quoted label of several short lines."""
    lines = [
        part
        for line in _clean(text).split("\n")
        for part in textwrap.wrap(line, width, break_on_hyphens=False)
    ]
    if len(lines) > _LINES:
        lines = [*lines[: _LINES - 1], f"{lines[_LINES - 1][: width - 3]}..."]
    return '"' + "\\n".join(map(_escaped, lines)) + '"'


def _quoted(text: str) -> str:
    return f'"{_escaped(_clean(text))}"'


def _escaped(text: str) -> str:
    """Text inside the quotes of DOT, where a backslash begins an escape."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _clean(text: str) -> str:
    """Text without the characters that no XML document may contain."""
    return _CONTROL.sub("?", text)
