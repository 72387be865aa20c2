"""Spell files, addresses and command lines so that the same effect reads the same in each round, run and checkout."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import NamedTuple

_OPEN = re.compile(r"(?<=\btmp)[a-z0-9_]{8}\b|\d+")
"""Numbers, and what `tempfile` makes up."""


class Spelled(NamedTuple):
    """Two ways to spell a thing, of which the others that are there decide."""

    exact: str
    open: str
    """With `*` for all that may change from round to round."""
    is_loose: bool = False
    """Whether the exact one is likely to be another in the next run, unless several agree on it: a port that the
    system chose."""


class Thing(NamedTuple):
    """What a descriptor is."""

    type: str
    name: Spelled
    """Its type, and which one it is."""
    detail: str
    """The same as it is now, numbers and all."""


def settled(names: Iterable[Spelled]) -> dict[Spelled, str]:
    """How to spell each: exactly, unless others that differ in nothing but numbers are spelled otherwise."""
    counts: dict[str, dict[str, int]] = {}
    together = list(names)
    for name in together:
        exact = counts.setdefault(name.open, {})
        exact[name.exact] = exact.get(name.exact, 0) + 1
    return {name: _one(name, counts[name.open]) for name in together}


def _one(name: Spelled, counts: dict[str, int]) -> str:
    agreed = len(counts) == 1 and (counts[name.exact] > 1 or not name.is_loose)
    return name.exact if agreed else name.open


def numbered(text: str) -> Spelled:
    """A text whose numbers may change."""
    return Spelled(text, open_numbers(text))


def open_numbers(text: str) -> str:
    """A text with its numbers left open."""
    return _OPEN.sub("*", text)


def file(path: str, directory: str) -> Spelled:
    """A file, relative to a directory that it lies in.

    Temporary directories are numbered from run to run, so what lies in one is spelled without numbers in any case.

    Args:
        path: its absolute path.
        directory: where the program runs, so that a checkout elsewhere gives the same name.
    """
    if path.startswith(directory.rstrip(os.sep) + os.sep):
        return numbered(os.path.relpath(path, directory))
    if path.startswith(_temporary() + os.sep):
        return Spelled(open_numbers(path), open_numbers(path))
    return numbered(path)


def _temporary() -> str:
    """The directory of temporary files. `tempfile` itself would create a file to find out."""
    names = ("TMPDIR", "TEMP", "TMP")
    found = next((os.environ[name] for name in names if name in os.environ), os.sep + "tmp")
    return found.rstrip(os.sep)
