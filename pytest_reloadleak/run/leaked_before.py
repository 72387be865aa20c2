"""Remember what earlier checks of this process left behind, as long as it lives.

A leak that stays once (`table.setdefault(...)`) is there before the next check of the same target begins, and that
check sees nothing new. Without a memory, a leaking test would pass when it is run again.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pytest_reloadleak.generations.ledger import Ledger
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.model import Finding
from pytest_reloadleak.strategies.imports.unit import Unit

_stat = os.stat  # a private copy, as the target may patch it
_Stamp = tuple[str, int, int]
"""A file, its time and its size."""


@dataclass(slots=True, eq=False, repr=False)
class _Left:
    """One bounded finding."""

    finding: Finding
    strategy: str
    nodeid: str | None
    alive: list[weakref.ref[Any]]
    """Functions and classes of the generations that it kept."""
    modules: dict[str, _Stamp | None]
    """Their modules with their files. If a file was edited or replaced, the finding is forgotten."""

    def is_still_there(self, unit: Unit) -> bool:
        """Whether it concerns a unit, its files are unchanged, and an object that it kept is alive."""
        return (
            any(map(unit.owns, self.modules))
            and all(_is_same(name, stamp) for name, stamp in self.modules.items())
            and any(reference() is not None for reference in self.alive)
        )


_left: list[_Left] = []


def remember(
    findings: Iterable[Finding], ledger: Ledger, kept: int | None, strategy: str, nodeid: str | None
) -> None:
    """Remember the bounded findings of a check.

    Args:
        findings: all of them.
        ledger: records which generation created what.
        kept: the generation that comes back when the check ends, which is no remainder; `None` if there is none.
        strategy: the name of the strategy. Another strategy may leave nothing behind.
        nodeid: the node id of the test; `None` outside of pytest.
    """
    for finding in findings:
        if finding.growth != "bounded" or finding.known is not None:
            continue
        objects = list(_objects(ledger, set(finding.generations) - {kept}))
        if objects:
            modules = {name: _stamp(_file_of(name)) for name in map(_module_of, objects)}
            _left.append(_Left(finding, strategy, nodeid, list(map(weakref.ref, objects)), modules))


def still_there(unit: Unit, strategy: str, found: Iterable[Finding]) -> list[tuple[Finding, str | None]]:
    """The findings of earlier checks that concern a unit and were not found again, each with the test that found it."""
    if not _left:
        return []
    signatures = {finding.signature for finding in found}
    out = []
    for left in list(_left):
        if not any(reference() is not None for reference in left.alive):
            _left.remove(left)
        elif (
            left.strategy == strategy
            and left.finding.signature not in signatures
            and left.is_still_there(unit)
        ):
            signatures.add(left.finding.signature)
            out.append((left.finding, left.nodeid))
    return out


def _objects(ledger: Ledger, generations: set[int]) -> Iterator[Any]:
    """The live functions and classes that belong to some generations alone."""
    for birth in ledger.births:
        if birth.generation in generations:
            for reference in (*birth.functions.values(), *birth.classes.values()):
                o = reference()
                if o is not None and ledger.born(o) == birth.generation:
                    yield o


def _module_of(o: Any) -> str:
    return foreign.class_module(o) if foreign.is_class(o) else foreign.module_name(o.__globals__)


def _file_of(module: str) -> object:
    return foreign.namespace(module).get("__file__")


def _is_same(module: str, stamp: _Stamp | None) -> bool:
    """Whether a module's file is the same and unchanged. If the module is not loaded, only the file is compared."""
    file = _file_of(module)
    return _stamp(stamp[0] if file is None and stamp is not None else file) == stamp


def _stamp(file: object) -> _Stamp | None:
    """A source file as it is now; `None` if there is none."""
    try:
        found = _stat(file) if type(file) is str else None
    except OSError:
        return None
    return (str(file), found.st_mtime_ns, found.st_size) if found is not None else None
