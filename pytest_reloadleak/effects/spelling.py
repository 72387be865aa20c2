"""Spell files, addresses and command lines so that an effect reads the same in every round, run and checkout."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import NamedTuple

DRAWN = (
    r"(?<=\btmp)[a-z0-9_]{8}\b"  # tempfile
    r"|(?<=\bpsm_)[0-9a-f]{8}\b"  # multiprocessing.shared_memory
    r"|[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}"  # uuid
)
"""The parts of names that libraries choose at random."""
_OPEN = re.compile(rf"{DRAWN}|\d+")
"""The parts that may differ from round to round: random parts and numbers."""


class Spelled(NamedTuple):
    """Two spellings of a name. The other names in the process decide which one is used."""

    exact: str
    open: str
    """With `*` for everything that may change from round to round."""
    is_loose: bool = False
    """Whether the exact spelling counts only if several names share it, as with a port that the system chose."""


class Description(NamedTuple):
    """The description of a descriptor."""

    type: str
    name: Spelled
    """The type, with the file or address."""
    detail: str
    """The same with its current numbers."""


def settled(names: Iterable[Spelled]) -> dict[Spelled, str]:
    """The spelling of each name: exact, unless another name differs from it only in numbers."""
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
    """Spell a text whose numbers may change."""
    return Spelled(text, open_numbers(text))


def open_numbers(text: str) -> str:
    """The text with `*` for its numbers."""
    return _OPEN.sub("*", text)


def file(path: str, directory: str) -> Spelled:
    """Spell an absolute path, relative to the program's working directory, so that every checkout gives the same name.

    Each run numbers its temporary directories differently, so a file in one is always spelled without numbers.
    """
    if path.startswith(directory.rstrip(os.sep) + os.sep):
        return numbered(os.path.relpath(path, directory))
    if path.startswith(temporary() + os.sep):
        return Spelled(open_numbers(path), open_numbers(path))
    return numbered(path)


def temporary() -> str:
    """The directory of temporary files. `tempfile` itself would create a file to find it."""
    names = ("TMPDIR", "TEMP", "TMP")
    found = next((os.environ[name] for name in names if name in os.environ), os.sep + "tmp")
    return found.rstrip(os.sep)
