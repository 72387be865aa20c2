"""Write reports as the JSON document of schema 1, which `schema-1.json` beside this file describes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from pytest_reloadleak.model import (
    Cost,
    Finding,
    Frame,
    Held,
    Holder,
    Report,
    Series,
    Site,
    TypeCost,
    TypeGrowth,
)

SCHEMA = 1


def to_dict(report: Report) -> dict[str, Any]:
    """The report as plain data: one entry of `checks`."""
    plain: dict[str, Any] = _plain(report)
    return plain


def _plain(value: Any) -> Any:
    """A result as plain data. Not `dataclasses.asdict`: a worker's target may have patched what that calls."""
    kind = type(value)
    if kind is tuple:
        return tuple([_plain(one) for one in value])
    fields = kind.__dict__.get("__dataclass_fields__")
    return value if fields is None else {name: _plain(getattr(value, name)) for name in fields}


def from_dict(data: Mapping[str, Any]) -> Report:
    """The inverse of `to_dict`, for reports from another process."""
    values = dict(data)
    values.pop("attempts", None)  # of the item, not of the check
    values["series"] = Series(**_tupled(values["series"]))
    values["growth_by_type"] = tuple(TypeGrowth(**one) for one in values.get("growth_by_type", ()))
    values["findings"] = tuple(_finding(f) for f in values["findings"])
    return Report(**_tupled(values))


def _finding(data: Mapping[str, Any]) -> Finding:
    values = _tupled(data)
    for name, cls in (("holder", Holder), ("held", Held)):
        if values[name] is not None:
            values[name] = cls(**values[name])
    values["site"] = _site(values["site"]) if values["site"] is not None else None
    values["sites"] = tuple(map(_site, values.get("sites", ())))
    cost = values["cost"]
    if cost is not None:
        values["cost"] = Cost(**{**cost, "by_type": tuple(TypeCost(**part) for part in cost["by_type"])})
    return Finding(**values)


def _site(data: Mapping[str, Any]) -> Site:
    stack = tuple(Frame(**frame) for frame in data.get("stack", ()))
    return Site(**{**_tupled(data), "stack": stack})


def _tupled(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}


def document(
    checks: Iterable[Mapping[str, Any]],
    audit: list[dict[str, Any]] | None = None,
    *,
    is_complete: bool = True,
    collected: int = 0,
    environment: Mapping[str, Any] | None = None,
) -> str:
    """The JSON document of one session.

    Args:
        checks: entries that `to_dict` returned, in the order of the tests.
        audit: rows that `report.audit.audit` returned, if all strategies were checked.
        is_complete: whether every collected item has an entry, so that a missing finding means that there is none.
        collected: number of items that were collected to check something.
        environment: options, plugins and versions.
    """
    import platform  # imported here since a worker never needs it
    from importlib.metadata import version  # as above; and what it imports could hold a target

    content: dict[str, Any] = {
        "schema": SCHEMA,
        "tool": {"name": "pytest-reloadleak", "version": version("pytest-reloadleak")},
        "python": platform.python_version(),
        "platform": sys.platform,
        "complete": is_complete,
        "collected": collected,
        "environment": dict(environment or {}),
        "checks": list(checks),
    }
    if audit is not None:
        content["audit"] = audit
    return json.dumps(content, indent=2) + "\n"
