"""State the key fact of a finding: what keeps or leaves how much, and at which line."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from pytest_reloadleak.model import Finding
from pytest_reloadleak.report.sites import relative
from pytest_reloadleak.report.text.layout import Line, Span, plain
from pytest_reloadleak.verdict.amounts import amount, counted, size

_STILL = {
    "child-process": "still runs",
    "live-timer": "is still set",
    "live-thread": "still runs",
    "pending-task": "is still pending",
    "open-fd": "stays open",
}
"""By kind of effect: what it still does although it should have ended."""
_ENTRIES = {
    "contextvars": "stays set",
    "os.environ": "stays set",
    "sys.modules": "stays loaded",
    "unittest.mock": "stays in place",
    **dict.fromkeys(
        ("files", "tempfile", "temporary files", "shared_memory", "semaphores", "sockets", "fifos"),
        "is left behind",
    ),
}
"""By registry: what an entry does. An entry of any other registry stays registered."""
_BEGINNING = re.compile(r"[\w.]+")
"""The attributes at the beginning of a path."""
_STEP = re.compile(r"\.\w+|\[[^]]*\]|<[^>]*>|\([^)]*\)\*?|.", re.DOTALL)
_LONGEST = 48
"""Characters of a short path: beside what it keeps, that fills a line. The line `holder` has the whole path."""
_TAIL = 32
"""Characters of its end that stay, as far as whole steps go."""


class Fact(NamedTuple):
    """The parts of a sentence: subject, verb, number of old objects, and place."""

    who: str
    does: str
    old: str = ""
    place: str = ""

    def text(self) -> str:
        """The sentence."""
        return plain(self.spans())

    def spans(self) -> Line:
        """The sentence in styles."""
        old = (Span(" "), Span(self.old, "old")) if self.old else ()
        place = (Span(" ("), Span(self.place, "place"), Span(")")) if self.place else ()
        return (Span(self.who, "holder"), Span(f" {self.does}"), *old, *place)


def fact(finding: Finding, *, rootdir: str = ".", is_short: bool = False) -> Fact:
    """The key fact of a finding.

    Args:
        finding: the finding.
        rootdir: the directory to which the place is relative.
        is_short: whether the path and the file are shortened to their last parts.
    """
    does, old = _does(finding)
    place = place_of(finding)
    where = ""
    if place is not None:
        file, line = place
        name = os.path.basename(file) if is_short else relative(file, rootdir)
        where = f"{name}:{line}" if line is not None else name
    if finding.holder is None:
        return Fact("the process", does, old, where)
    # A descriptor has another number in each generation, so the number is left out.
    path = finding.holder.path.removeprefix("fd * ")
    if path == "native":
        return Fact("C code", does, old, where)
    return Fact(short_path(finding) if is_short else path, does, old, where)


def place_of(finding: Finding) -> tuple[str, int | None] | None:
    """File and line to show: those of the site, else those of the held object's definition."""
    if finding.site is not None:
        return finding.site.file, finding.site.line
    if finding.held is not None and finding.held.file is not None:
        return finding.held.file, finding.held.line
    return None


def short_path(finding: Finding) -> str:
    """The end of the holder's path that says most: from the container on, or the last two names."""
    assert finding.holder is not None, "only a finding with a holder has a path"
    path = finding.holder.path.removeprefix("fd * ")
    if finding.holder.root != "sys.modules" or finding.kind == "registration":
        return path
    found = _BEGINNING.match(path)
    if found is None:
        return path
    names = found[0].strip(".").split(".")
    rest = path[found.end() :]
    text = f"{names[-1] if rest else '.'.join(names[-2:])}{rest}"
    if len(text) <= _LONGEST or not rest:
        return text
    first = next((name for name in reversed(names) if not name.startswith("__")), names[-1])
    return f"{first}...{_end(rest).lstrip('.')}"


def _end(steps: str) -> str:
    """The last steps of a path, at least one."""
    *others, last = (match[0] for match in _STEP.finditer(steps))
    for step in reversed(others):
        if len(step) + len(last) > _TAIL:
            break
        last = f"{step}{last}"
    return last


def generations(finding: Finding) -> str:
    """`5 old generations`."""
    count = len(finding.generations)
    return f"{count} old generation{'' if count == 1 else 's'}"


def _does(finding: Finding) -> tuple[str, str]:
    """The verb, and the old generations if it keeps any."""
    kind = finding.kind
    if kind in {"object-growth", "memory-growth"}:
        return _grows(finding), ""
    if kind == "stale-reference":
        return "still is", "an old version"
    if kind == "patched-global":
        return "stays patched by", generations(finding)
    if kind == "retained-generation":
        return "keeps", generations(finding)
    assert finding.holder is not None, "an effect has a name"
    still = _STILL.get(kind) or _ENTRIES.get(str(finding.registry), "stays registered")
    if finding.holder.path.startswith("zombie"):
        still = "was not reaped"
    keeps = any(text.startswith("retained-generation: ") for text in finding.also_retains)
    if finding.generations and (keeps or finding.retained_objects):
        return f"{still} and keeps", generations(finding)
    return f"{still}{_rate(finding)}", ""


def _rate(finding: Finding) -> str:
    return f", {amount(finding.per_round)} more per reload" if finding.growth == "growing" else ""


def _grows(finding: Finding) -> str:
    if finding.holder is not None:
        is_buffer = not finding.holder.path.endswith("[*]")
        added = size(finding.per_round) if is_buffer else counted(finding.per_round, "item")
        return f"grows by {added} per reload"
    if finding.kind == "memory-growth":
        return "uses more memory after each reload"
    return f"has {counted(finding.per_round, 'more object')} after each reload"
