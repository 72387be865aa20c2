"""Log capture keeps every record with its arguments, once for `caplog` and once for the report: as text from now on."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_reloadleak.integration.noise.text import is_text, said

_STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", None, None))) | {
    "message",
    "asctime",
    "taskName",
}
"""What each record has. The rest is `extra=`, and what formatters and filters added."""


def release(item: pytest.Item) -> None:
    """Turn records into text: their message, and what `extra=` gave them.

    Args:
        item: the test that is run, which has those of its setup.
    """
    for record in _of_phases(item):
        _flatten(record)
    for reference in list(logging._handlerList):  # type: ignore[attr-defined]  # every handler alive, weakly listed
        handler = reference()
        records = vars(handler).get("records") if handler is not None else None
        if isinstance(records, list) and type(handler).__module__ == "_pytest.logging":
            for record in records:
                _flatten(record)


def _of_phases(item: pytest.Item) -> Iterator[object]:
    """What `caplog.get_records` gives: a list for each phase, which the handlers have no more in the next one."""
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
            setattr(record, name, said(value))


def _text(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - a record whose arguments do not fit is reported by logging itself
        return str(type(record.msg))
