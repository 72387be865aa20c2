"""Turn recorded warnings into text: a recorder keeps each warning's instance, class and source."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from pytest_reloadleak.integration.noise.text import is_text, safe_str


def release(namespaces: Iterable[dict[str, Any]]) -> None:
    """Turn the warnings recorded so far into text, and empty the test modules' registries of issued warnings.

    Their keys hold the warnings' classes. pytest too lets every test issue each warning again.
    """
    for namespace in namespaces:
        registry = namespace.get("__warningregistry__")
        if isinstance(registry, dict):
            registry.clear()
    for entry in _recording():
        if isinstance(entry, warnings.WarningMessage):
            _flatten(entry)


def recorder_lists(context: Any) -> Iterator[object]:
    """The lists of a recorder (a `warnings.catch_warnings`), of the recorder that it replaced, and the active one."""
    state = vars(context)
    for entries in (state.get("_list"), getattr(state.get("_showwarnmsg_impl"), "__self__", None)):
        if isinstance(entries, list):
            yield entries
    yield _recording()


def reported_warnings(hook: Any) -> Iterator[object]:
    """The warnings so far, which a hook (a pluggy `HookCaller`) replays to later plugins. Few hooks record calls."""
    if hook._call_history:
        yield hook._call_history


def _recording() -> list[object]:
    """The list that an active `warnings.catch_warnings(record=True)` fills; empty without one."""
    sink = vars(warnings).get("_showwarnmsg_impl")
    entries = getattr(sink, "__self__", None)
    if isinstance(entries, list):
        return entries
    context = getattr(warnings, "_get_context", None)  # since 3.14 the recorder may live in a context
    entries = getattr(context(), "log", None) if context is not None else None
    return entries if isinstance(entries, list) else []


def _flatten(entry: Any) -> None:
    category, message = entry.category, entry.message
    builtin = next((cls for cls in category.__mro__ if cls.__module__ == "builtins"), Warning)
    if not is_text(entry.source):
        entry.source = None
    if category is not builtin:
        text = f"{category.__module__}.{category.__qualname__}: {message}"
        entry.category, entry._category_name = builtin, builtin.__name__
    elif isinstance(message, BaseException) and not (is_text(message.args) and is_text(vars(message))):
        text = safe_str(message)
    else:
        return
    entry.message = builtin(text)
