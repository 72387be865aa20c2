"""Find patches that last for a test, and the originals that the patching tool will put back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pytest_reloadleak.heap import foreign

Place = tuple[object, str]
"""The object whose attribute or item was replaced, and that attribute or item as a trace spells it."""


def saved_by_monkeypatch(patch: Any) -> Iterator[object]:
    """The lists of the originals that `monkeypatch` will put back."""
    yield patch._setattr
    yield patch._setitem


def places_of_monkeypatch(patch: Any) -> Iterator[Place]:
    """The attributes and items that `monkeypatch` replaced."""
    yield from ((owner, f".{name}") for owner, name, _ in patch._setattr)
    yield from ((table, _item(key)) for table, key, _ in patch._setitem)


def saved_by_mocker(mocker: Any) -> Iterator[object]:
    """The list and the patches that pytest-mock will stop."""
    yield mocker._mock_cache.cache
    yield from (entry.patch for entry in mocker._mock_cache.cache if entry.patch is not None)


def places_of_mocker(mocker: Any) -> Iterator[Place]:
    """The attributes and items that pytest-mock replaced."""
    for entry in mocker._mock_cache.cache:
        if entry.patch is not None:
            yield from places_of_mock(entry.patch)


def saved_by_mock(patch: Any) -> Iterator[object]:
    """An active patch of `unittest.mock`, which keeps the original and the object that it patches."""
    if any(True for _ in places_of_mock(patch)):
        yield patch


def places_of_mock(patch: Any) -> Iterator[Place]:
    """The attributes or items that an active patch of `unittest.mock` replaced."""
    state = vars(patch)
    if "temp_original" in state:
        yield state["target"], f".{state['attribute']}"
        for other in state["additional_patchers"]:
            yield from places_of_mock(other)
    elif state.get("_original") is not None:
        yield from ((state["in_dict"], _item(key)) for key in state["values"])


def saved_by_freezegun(frozen: Any) -> Iterator[object]:
    """The modules to which freezegun gave a fake clock, with the originals."""
    yield frozen.undo_changes


def _item(key: object) -> str:
    return f"[{foreign.key_text(key)}]"
