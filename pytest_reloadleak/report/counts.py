"""Count a session's outcomes in one line that a search finds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any


def line(checks: Iterable[Mapping[str, Any]]) -> str:
    """`reload-leak: 12 checked, 1 leaking, 1 known, 0 errors, 0 inconclusive`.

    Args:
        checks: entries of the JSON report's `checks`.
    """
    outcomes = Counter(check["outcome"] for check in checks)
    parts = (
        f"{sum(outcomes.values())} checked",
        f"{outcomes['leaking']} leaking",
        f"{outcomes['known']} known",
        f"{outcomes['error']} errors",
        f"{outcomes['inconclusive']} inconclusive",
    )
    return f"reload-leak: {', '.join(parts)}"
