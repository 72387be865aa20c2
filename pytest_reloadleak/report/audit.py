"""Build the reloadability audit, as data and as a table: which strategy is safe for which target."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pytest_reloadleak.model import PASSING
from pytest_reloadleak.report.text.layout import Span, plain, wrapped
from pytest_reloadleak.settings import STRATEGIES
from pytest_reloadleak.verdict.known import BY_DESIGN, is_by_design

Check = Mapping[str, Any]
"""One entry of the JSON report's `checks`."""

NOT_APPLICABLE = "not applicable"


def verdict(check: Check) -> str:
    """The check's cell: `clean`, `bounded`, `growing`, `error` or `inconclusive`."""
    if check["outcome"] in PASSING:
        return "growing" if any(_is_own(check, finding) for finding in check["findings"]) else "clean"
    if check["outcome"] != "leaking":
        return str(check["outcome"])
    return "growing" if any(f["growth"] == "growing" for f in check["findings"]) else "bounded"


def _is_own(check: Check, finding: Mapping[str, Any]) -> bool:
    """Whether the strategy `alias` causes the finding by design. A test accepts it; the strategy is not safe."""
    path = finding["holder"]["path"] if finding["holder"] else ""
    return is_by_design(check["strategy"], finding["registry"], path)


def reason(check: Check) -> str:
    """One line that explains the check's verdict; empty if it is clean."""
    word = verdict(check)
    if word == "clean":
        return ""
    if word not in {"growing", "bounded"}:
        return str(check["reason"]).splitlines()[0]
    others = [f for f in check["findings"] if f.get("known") is None and not _is_own(check, f)]
    if not others:
        return BY_DESIGN
    found = sorted(others, key=lambda f: f["growth"] != "growing")
    first = found[0]
    holder = first["holder"]["path"] if first["holder"] else first["kind"]
    held = f" holds {first['held']['name']}" if first["held"] else ""
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    return f"{first['kind']}: {holder}{held}{more}"


def audit(checks: Iterable[Check], inapplicable: Iterable[Mapping[str, str]] = ()) -> list[dict[str, Any]]:
    """One row per target.

    Args:
        checks: the checks of targets under several strategies.
        inapplicable: `target`, `strategy` and `reason` for each strategy that does not apply.

    Returns:
        For each target, in sorted order: `target`; `strategies`, for each its `verdict`, `reason` and `reload_s` (one
        reload, in seconds, or `None`); `safe`, the first strategy that is clean, or `None`; and `advice`.
    """
    rows: dict[str, dict[str, dict[str, Any]]] = {}
    for check in checks:
        reloads = check["rounds"] + check["warmup"]
        rows.setdefault(check["target"], {})[check["strategy"]] = {
            "verdict": verdict(check),
            "reason": reason(check),
            "reload_s": round(check["reload_s"] / reloads, 6) if reloads else None,
        }
    for entry in inapplicable:
        rows.setdefault(entry["target"], {})[entry["strategy"]] = {
            "verdict": NOT_APPLICABLE,
            "reason": entry["reason"],
            "reload_s": None,
        }
    return [_row(target, strategies) for target, strategies in sorted(rows.items())]


def _row(target: str, strategies: dict[str, dict[str, Any]]) -> dict[str, Any]:
    ordered = {name: strategies[name] for name in STRATEGIES if name in strategies}
    safe = next((name for name in STRATEGIES if ordered.get(name, {}).get("verdict") == "clean"), None)
    if safe is not None:
        # A process per generation hides what leaks, at a price; the leaks may be easy to cure.
        advice = "use worker, or fix what the others leak" if safe == "worker" else f"use {safe}"
    else:
        best = min((cell for cell in ordered.values()), key=_badness, default=None)
        obstacle = f": {best['reason']}" if best is not None and best["reason"] else ""
        advice = f"no strategy is safe; restart the process{obstacle}"
    return {"target": target, "strategies": ordered, "safe": safe, "advice": advice}


def _badness(cell: Mapping[str, Any]) -> int:
    order = ("bounded", "growing", "inconclusive", "error", NOT_APPLICABLE)
    return order.index(cell["verdict"])


def table(rows: Sequence[Mapping[str, Any]], width: int | None = None) -> Iterator[str]:
    """The audit as lines of text.

    Args:
        rows: one for each target.
        width: columns at which the reasons wrap; `None` for lines as long as they are.
    """
    names = [name for name in STRATEGIES if any(name in row["strategies"] for row in rows)]
    cells = [["target", *names]]
    cells += [
        [row["target"], *(row["strategies"].get(name, {}).get("verdict", "") for name in names)]
        for row in rows
    ]
    widths = [max(len(line[at]) for line in cells) for at in range(len(names) + 1)]
    texts = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in cells]
    yield texts[0].rstrip()
    for row, text in zip(rows, texts[1:], strict=True):
        yield text.rstrip()
        yield f"  {row['advice']}{_time(row)}"
        for why, strategies in reasons(row).items():
            yield from map(plain, wrapped(f"  {', '.join(strategies)}: ", [Span(why)], width, " " * 4))


def _time(row: Mapping[str, Any]) -> str:
    if row["safe"] is None:
        return ""
    return f" ({row['strategies'][row['safe']]['reload_s'] * 1000:.1f} ms per reload)"


def reasons(row: Mapping[str, Any]) -> dict[str, list[str]]:
    """The strategies that share a reason, by reason."""
    out: dict[str, list[str]] = {}
    for name, cell in row["strategies"].items():
        if cell["reason"]:
            out.setdefault(cell["reason"], []).append(name)
    return out
