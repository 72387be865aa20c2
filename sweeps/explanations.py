"""Why the tool and the oracle disagree, where they do and both are right: data."""

from __future__ import annotations

from comparing import Row


def unexplained(row: Row) -> list[str]:
    """The differences of a row that nothing here explains."""
    return row.differs
