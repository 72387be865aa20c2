"""What the tool and the oracle said of one module, as one row, and whether they agree."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

_TOOL = "pytest_reloadleak"


@dataclass
class Row:
    """One module under one strategy."""

    module: str
    strategy: str
    outcome: str
    """The tool's outcome, with `growing` or `bounded` for `leaking`."""
    oracle: str
    """The oracle's verdict: `clean`, `bounded`, `growing` or `error`."""
    differs: list[str] = field(default_factory=list)
    """How they disagree; empty if they agree."""
    findings: list[list[str]] = field(default_factory=list)
    """Kind, growth, root, path of the holder, what is held, and what the oracle saw at that path."""
    count: int = 0
    """Findings in all, where not all of them are kept."""
    error: str = ""
    """What the tool said when the check could not be done."""
    details: dict[str, Any] = field(default_factory=dict)
    """What the oracle saw, where it matters."""
    text: str = ""
    """The tool's report in its own words; not part of a result file."""
    tool_s: float = 0.0
    oracle_s: float = 0.0


def compared(module: str, strategy: str, said: dict[str, Any], truth: dict[str, Any]) -> Row:
    """The row of a check."""
    row = Row(module, strategy, outcome_of(said), truth.get("verdict", "error"), text=said.get("text", ""))
    if row.outcome in {"error", "inconclusive"}:
        # Without paths of this machine.
        row.error = re.sub(r" \(/.*", "", str(said.get("error") or said.get("reason")))[:300]
    claims = truth.get("claims", [])
    for at, finding in enumerate(said.get("findings", ())):
        holder, held = finding["holder"] or {}, finding["held"] or {}
        row.findings.append(
            [
                finding["kind"],
                finding["growth"],
                holder.get("root", ""),
                holder.get("path", ""),
                held.get("name", ""),
                claims[at] if at < len(claims) else "",
            ]
        )
    if "error" in truth:
        row.details["error"] = truth["error"]
    else:
        row.details = {
            key: value for key, value in truth.items() if value and key not in {"verdict", "claims"}
        }
    row.differs = list(differences(row, said))
    return row


def outcome_of(said: dict[str, Any]) -> str:
    """The tool's verdict in one word."""
    outcome = str(said.get("outcome", "error"))
    if outcome == "leaking":
        grows = any(finding["growth"] == "growing" for finding in said["findings"])
        return "growing" if grows else "bounded"
    return outcome


def differences(row: Row, said: dict[str, Any]) -> list[str]:
    """How the two disagree."""
    if row.outcome == "error" and row.oracle == "error":
        kind = str(row.details["error"]).partition(":")[0]
        return [] if kind in row.error or kind.startswith("timeout") else ["errors of two kinds"]
    if row.outcome != row.oracle:
        return [f"{row.outcome} against {row.oracle}"]
    paths = {path for *_, path, _, _ in row.findings} | {
        text for finding in said.get("findings", ()) for text in finding["also_retains"]
    }
    seen = [*row.details.get("bindings", ()), *row.details.get("stale", ())]
    out = [f"not named: {names}" for names in seen if not any(_is_named(n, paths) for n in names.split("|"))]
    out += [
        f"the tool itself: {path}" for *_, path, held, _ in row.findings if _TOOL in path or _TOOL in held
    ]
    return out + [
        f"{path}: {seen}" for *_, path, _, seen in row.findings if seen in {"holds nothing old", "not there"}
    ]


def _is_named(name: str, paths: set[str]) -> bool:
    """Whether a finding names a holder; several that differ in numbers are one there, with `*` for these."""
    return name in paths or re.sub(r"\d+", "*", name) in paths
