"""Patches for the length of a test: who made them has the originals, and will put them back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pytest_reloadleak.heap import foreign

Place = tuple[object, str]
"""Whose attribute or item was replaced, and which, as a trace spells it."""


def saved_by_monkeypatch(patch: Any) -> Iterator[object]:
    """The lists of what `monkeypatch` will put back."""
    yield patch._setattr
    yield patch._setitem


def places_of_monkeypatch(patch: Any) -> Iterator[Place]:
    """Where `monkeypatch` put something."""
    yield from ((owner, f".{name}") for owner, name, _ in patch._setattr)
    yield from ((table, _item(key)) for table, key, _ in patch._setitem)


def saved_by_mocker(mocker: Any) -> Iterator[object]:
    """What pytest-mock keeps in order to stop its patches."""
    yield mocker._mock_cache.cache
    yield from (entry.patch for entry in mocker._mock_cache.cache if entry.patch is not None)


def places_of_mocker(mocker: Any) -> Iterator[Place]:
    """Where pytest-mock put something."""
    for entry in mocker._mock_cache.cache:
        if entry.patch is not None:
            yield from places_of_mock(entry.patch)


def saved_by_mock(patch: Any) -> Iterator[object]:
    """A patch of `unittest.mock` that is in force, which has the original and what it is an attribute of."""
    if any(True for _ in places_of_mock(patch)):
        yield patch


def places_of_mock(patch: Any) -> Iterator[Place]:
    """Where it put something."""
    state = vars(patch)
    if "temp_original" in state:
        yield state["target"], f".{state['attribute']}"
        for other in state["additional_patchers"]:
            yield from places_of_mock(other)
    elif state.get("_original") is not None:
        yield from ((state["in_dict"], _item(key)) for key in state["values"])


def saved_by_freezegun(frozen: Any) -> Iterator[object]:
    """The modules that freezegun gave a fake clock, with what they had before."""
    yield frozen.undo_changes


def _item(key: object) -> str:
    return f"[{foreign.key_text(key)}]"
