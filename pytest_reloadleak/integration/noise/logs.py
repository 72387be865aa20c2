"""Turn captured log records into text: pytest keeps each record with its arguments, for `caplog` and the report."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_reloadleak.integration.noise.text import is_text, safe_str

_STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", None, None))) | {
    "message",
    "asctime",
    "taskName",
}
"""Attributes of every record. All others come from `extra=`, formatters or filters."""


def release(item: pytest.Item) -> None:
    """Turn the message of records, and the values of `extra=`, into text. The item keeps the records of its setup."""
    for record in _caplog_records(item):
        _flatten(record)
    for reference in list(logging._handlerList):  # type: ignore[attr-defined]  # weak references to all handlers
        handler = reference()
        records = vars(handler).get("records") if handler is not None else None
        if isinstance(records, list) and type(handler).__module__ == "_pytest.logging":
            for record in records:
                _flatten(record)


def _caplog_records(item: pytest.Item) -> Iterator[object]:
    """The records of `caplog.get_records`. The handlers no longer have those of earlier phases."""
    key = getattr(sys.modules.get("_pytest.logging"), "caplog_records_key", None)
    phases: dict[str, list[object]] = item.stash.get(key, {}) if key is not None else {}
    for records in list(phases.values()):
        yield from records


def _flatten(record: Any) -> None:
    if not isinstance(record, logging.LogRecord):
        return
    if record.args or record.exc_info or type(record.msg) is not str:
        record.msg = _text(record)
        record.args = record.exc_info = None
    for name, value in list(vars(record).items()):
        if name not in _STANDARD and not is_text(value):
            setattr(record, name, safe_str(value))


def _text(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - logging itself reports a record whose arguments do not fit
        return str(type(record.msg))
