"""What keeps nothing but itself, and what a value says of itself."""

from __future__ import annotations

from pytest_reloadleak.heap import foreign


def is_text(value: object) -> bool:
    """Whether a value keeps nothing else: a scalar, or a plain container of such."""
    if type(value) is list or type(value) is set or type(value) is tuple:
        return all(map(is_text, value))
    if type(value) is dict:
        return all(map(is_text, value)) and all(map(is_text, value.values()))
    return foreign.is_atom(value)


def said(value: object) -> str:
    """What a value says of itself, as it would have been printed."""
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - a value whose `__str__` raises would have raised where it is shown, too
        return str(type(value))
