"""Distinguish plain data from values that keep other objects, and turn a value into text."""

from __future__ import annotations

from pytest_reloadleak.heap import foreign


def is_text(value: object) -> bool:
    """Whether a value is plain data: a scalar, or a plain container of plain data."""
    if type(value) is list or type(value) is set or type(value) is tuple:
        return all(map(is_text, value))
    if type(value) is dict:
        return all(map(is_text, value)) and all(map(is_text, value.values()))
    return foreign.is_atom(value)


def safe_str(value: object) -> str:
    """The text that printing a value shows, or its type if `__str__` raises."""
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - a `__str__` that raises would also raise where the value is shown
        return str(type(value))
