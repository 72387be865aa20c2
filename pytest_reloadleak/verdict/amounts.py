"""Write amounts for people: numbers without exponents, and bytes with a unit."""

from __future__ import annotations

_GROUPED = 1000
"""From this value on, digits are grouped and fractions are dropped."""


def amount(value: float) -> str:
    """`1`, `1.5`, `5,000,000`."""
    return f"{value:,.0f}" if value >= _GROUPED else f"{value:g}"


def size(size_bytes: float) -> str:
    """Bytes with a unit: `1 byte`, `432 bytes`, `19.6 KiB`."""
    value = float(size_bytes)
    for unit in ("bytes", "KiB", "MiB"):
        if value < 1024 or unit == "MiB":
            text = f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
            return "1 byte" if text == "1 bytes" else text
        value /= 1024
    raise AssertionError("unreachable: the loop returns at its last unit")


def counted(value: float, noun: str) -> str:
    """`1 item`, `3,000 items`."""
    return f"{amount(value)} {noun}" if value == 1 else f"{amount(value)} {noun}s"
