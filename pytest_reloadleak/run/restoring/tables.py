"""Keep tables of the standard library whose entries are plain values: no finding names them, since nothing grows."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from operator import is_
from typing import Any, NamedTuple

from pytest_reloadleak.heap import foreign
from pytest_reloadleak.heap.own_objects import is_of_tool

_PLAIN = frozenset({str, int, bool, float, bytes, type(None)})
_Dict = dict[Any, Any]
_SILENT = ("_sysconfigdata", "objgraph", "psutil", "pympler")
"""Beginnings of the names of modules that checks themselves load and that add no entry."""


class _Table(NamedTuple):
    """One table: how its entries are read, set and removed."""

    name: str
    read: Callable[[], _Dict]
    put: Callable[[Any, Any], object]
    drop: Callable[[Any], object]


class Tables:
    """The entries of some tables at the start of a check.

    A library that the target is the first to load stays loaded after the check, and an entry does not show who added
    it. So if there is such a library, added entries stay.

    Args:
        is_targets: whether a module is the target's.
    """

    def __init__(self, is_targets: Callable[[str], bool]) -> None:
        self._is_targets = is_targets
        self._modules = frozenset(name for name, _ in foreign.loaded_modules())
        self._kept = [(table, table.read()) for table in _tables()]
        self._suffixes = [
            (lists, {key: (one, [*one]) for key, one in lists.items()}) for lists in _suffixes()
        ]

    def changed(self) -> Iterator[str]:
        """The tables to put back, as text for a note."""
        keeps_more = self._has_library()
        for table, before in self._kept:
            if _differing(table.read(), before, keeps_more=keeps_more):
                yield table.name

    def put_back(self) -> None:
        """Put back what differs. The tables stay the same objects, since others may refer to them."""
        keeps_more, has_changed = self._has_library(), False
        for table, before in self._kept:
            for key in _differing(table.read(), before, keeps_more=keeps_more):
                has_changed = True
                with contextlib.suppress(Exception):
                    table.put(key, before[key]) if key in before else table.drop(key)
        for lists, before in self._suffixes if has_changed and not keeps_more else ():
            lists.clear()
            for key, (one, items) in before.items():
                one[:] = items
                lists[key] = one
        self._kept.clear()
        self._suffixes.clear()

    def _has_library(self) -> bool:
        """Whether a module that was not loaded before stays loaded and is neither Python's nor the target's."""
        return any(
            name not in self._modules
            and name.partition(".")[0] not in sys.stdlib_module_names
            and not name.startswith(_SILENT)
            and not is_of_tool(name)
            and not self._is_targets(name)
            for name, _ in foreign.loaded_modules()
        )


def _differing(now: _Dict, before: _Dict, *, keeps_more: bool) -> list[Any]:
    """The keys of entries that were changed or removed, and unless `keeps_more` of those that were added."""
    if (
        len(now) == len(before)
        and all(map(is_, now, before))
        and all(map(is_, now.values(), before.values()))
    ):
        return []  # nearly always, and a table may have thousands of entries
    now, before = _plain(now), _plain(before)
    missing = [key for key in before if key not in now]
    return missing + [
        key for key, value in now.items() if (before[key] is not value if key in before else not keeps_more)
    ]


def _tables() -> Iterator[_Table]:
    for name, module, attributes in _NAMED:
        for attribute in attributes:
            yield from _of(name, foreign.namespace(module).get(attribute))
    space = foreign.namespace("mimetypes")
    if space.get("inited") is True:  # the first reader would make it read the files of the system
        for attribute in ("types_map", "common_types", "encodings_map", "suffix_map"):
            yield from _of("the MIME types", space.get(attribute))
    csv: Any = foreign.namespace("csv")  # its import creates its own dialects
    if csv:
        names, get = csv["list_dialects"], csv["get_dialect"]
        yield _Table(
            "the dialects of csv",
            lambda: {name: get(name) for name in names()},
            csv["register_dialect"],
            csv["unregister_dialect"],
        )


def _of(name: str, table: object) -> Iterator[_Table]:
    if type(table) is dict:
        yield _Table(name, lambda: dict(table), table.__setitem__, table.__delitem__)


def _plain(table: _Dict) -> _Dict:
    """The entries whose keys and values are plain. Other entries may hold objects that leak."""
    return {key: value for key, value in table.items() if _is_plain(key) and _is_plain(value)}


def _is_plain(value: object) -> bool:
    if type(value) is tuple:
        return all(type(part) in _PLAIN for part in value)
    return type(value) in _PLAIN or type(value) is foreign.namespace("_csv").get("Dialect")


def _suffixes() -> Iterator[_Dict]:
    """The way back from a MIME type to its suffixes."""
    space: Any = foreign.namespace("mimetypes")
    database = space.get("_db")
    if space.get("inited") is True and type(database) is space.get("MimeTypes"):
        yield from vars(database)["types_map_inv"]


_NAMED = (
    ("the names of log levels", "logging", ("_levelToName", "_nameToLevel")),
    ("the codes of copyreg", "copyreg", ("_extension_registry", "_inverted_registry")),
    ("the aliases of locales", "locale", ("locale_alias",)),
)
