"""Read the stacks that `faulthandler` writes, and keep what a reader of the program needs: its own lines."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from typing import NamedTuple

from pytest_reloadleak.heap.own_objects import PACKAGE

_BEGIN = re.compile(r"^Fatal Python error: .*$", re.MULTILINE)
_THREAD = re.compile(r"^(?:Current thread|Thread) 0x[0-9a-f]+")
_FRAME = re.compile(r'^  File "(?P<file>.*)", line (?P<line>\d+) in (?P<name>.*)$')
_MACHINERY = ("<frozen ", "<string>", PACKAGE, importlib.__file__)
"""Beginnings of the file names of the import system, of the worker's command line and of the tool."""


class Hang(NamedTuple):
    """The place where a worker hung."""

    output: str
    """The output of the target, then the lines of its threads."""
    place: str | None
    """The innermost line of the thread that hung; `None` if it is not known."""


def of_hang(output: str) -> Hang:
    """Read the output of a worker that was ended because it hung.

    Args:
        output: what the target printed, and at its end what `faulthandler` wrote.
    """
    begins = [match.start() for match in _BEGIN.finditer(output)]
    if not begins:
        return Hang(output, None)
    threads = [(is_current, lines) for is_current, lines in _threads(output[begins[-1] :]) if lines]
    current = next((lines for is_current, lines in threads if is_current), [])
    stacks = ["\n".join(f"  {line}" for line in lines) for _, lines in threads]
    text = "it hung here, innermost line first:\n" + "\n\n".join(stacks) + "\n" if stacks else ""
    return Hang(output[: begins[-1]] + text, current[0] if current else None)


def _threads(text: str) -> Iterator[tuple[bool, list[str]]]:
    """For each thread: whether it is the one that hung, and its lines in the form that terminals and editors link."""
    is_current, found = False, list[str]()
    for line in text.splitlines():
        frame = _FRAME.match(line)
        if _THREAD.match(line):
            yield is_current, found
            is_current, found = line.startswith("Current"), []
        elif frame is not None and not frame["file"].startswith(_MACHINERY):
            found.append(f"{frame['file']}:{frame['line']} in {frame['name']}")
    yield is_current, found
