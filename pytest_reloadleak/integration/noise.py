"""What pytest itself keeps of a program's objects, and how it lets go (reload facts 4 and 7).

Log capture keeps every record with its arguments, and the warning recorder every warning instance, until the test is
over; a class of an old generation among them would keep that generation alive. Both keep text just as well.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterable
from typing import Any


def release(test_modules: Iterable[dict[str, Any]]) -> None:
    """Turn what pytest's recorders keep into text, and drop the interpreter's last exception.

    Args:
        test_modules: globals of the test modules. Each has a registry of the warnings that were issued from it, whose
            keys hold the warnings' classes; pytest lets every test issue them anew.
    """
    for namespace in test_modules:
        registry = namespace.get("__warningregistry__")
        if isinstance(registry, dict):
            registry.clear()
    for reference in list(logging._handlerList):  # type: ignore[attr-defined]  # every handler alive, weakly listed
        handler = reference()
        records = vars(handler).get("records") if handler is not None else None
        if isinstance(records, list) and type(handler).__module__ == "_pytest.logging":
            for record in records:
                _flatten(record)
    for entry in _recorded_warnings():
        if isinstance(entry, warnings.WarningMessage):
            _flatten_warning(entry)
    for name in ("last_exc", "last_type", "last_value", "last_traceback"):
        if hasattr(sys, name):
            delattr(sys, name)


def _flatten(record: Any) -> None:
    if not isinstance(record, logging.LogRecord) or not (
        record.args or record.exc_info or type(record.msg) is not str
    ):
        return
    try:
        text = record.getMessage()
    except Exception:  # noqa: BLE001 - a record whose arguments do not fit is reported by logging itself
        text = str(type(record.msg))
    record.msg, record.args, record.exc_info = text, None, None


def _recorded_warnings() -> list[object]:
    """The list that `warnings.catch_warnings(record=True)` fills at present, if one does."""
    sink = vars(warnings).get("_showwarnmsg_impl")
    entries = getattr(sink, "__self__", None)
    if isinstance(entries, list):
        return entries
    context = getattr(warnings, "_get_context", None)  # since 3.14 the recorder may live in a context
    entries = getattr(context(), "log", None) if context is not None else None
    return entries if isinstance(entries, list) else []


def _flatten_warning(entry: Any) -> None:
    category = entry.category
    foreign = next((cls for cls in category.__mro__ if cls.__module__ == "builtins"), Warning)
    if category is foreign:
        return
    text = f"{category.__module__}.{category.__qualname__}: {entry.message}"
    entry.message, entry.category, entry.source = foreign(text), foreign, None
    entry._category_name = foreign.__name__
