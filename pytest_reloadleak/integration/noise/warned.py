"""Warning recorders keep each warning's instance, its class and its source: as text from now on."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from pytest_reloadleak.integration.noise.text import is_text, said


def release(namespaces: Iterable[dict[str, Any]]) -> None:
    """Flatten what is recorded at present, and have warnings issued anew.

    Args:
        namespaces: globals of the test modules. Each has a registry of the warnings that were issued from it, whose
            keys hold the warnings' classes; pytest lets every test issue them anew.
    """
    for namespace in namespaces:
        registry = namespace.get("__warningregistry__")
        if isinstance(registry, dict):
            registry.clear()
    for entry in _recording():
        if isinstance(entry, warnings.WarningMessage):
            _flatten(entry)


def kept(context: Any) -> Iterator[object]:
    """The lists of recorders: its own, that of the one it stands before, and the one that is filled at present.

    Args:
        context: an instance of `warnings.catch_warnings`, of which pytest's recorders are derived.
    """
    state = vars(context)
    for entries in (state.get("_list"), getattr(state.get("_showwarnmsg_impl"), "__self__", None)):
        if isinstance(entries, list):
            yield entries
    yield _recording()


def reported(hook: Any) -> Iterator[object]:
    """The warnings of all tests so far: pytest tells plugins that come later of each.

    Args:
        hook: an instance of pluggy's `HookCaller`; few remember their calls.
    """
    if hook._call_history:
        yield hook._call_history


def _recording() -> list[object]:
    """The list that `warnings.catch_warnings(record=True)` fills at present, if one does."""
    sink = vars(warnings).get("_showwarnmsg_impl")
    entries = getattr(sink, "__self__", None)
    if isinstance(entries, list):
        return entries
    context = getattr(warnings, "_get_context", None)  # since 3.14 the recorder may live in a context
    entries = getattr(context(), "log", None) if context is not None else None
    return entries if isinstance(entries, list) else []


def _flatten(entry: Any) -> None:
    category, message = entry.category, entry.message
    foreign = next((cls for cls in category.__mro__ if cls.__module__ == "builtins"), Warning)
    if not is_text(entry.source):
        entry.source = None
    if category is not foreign:
        text = f"{category.__module__}.{category.__qualname__}: {message}"
        entry.category, entry._category_name = foreign, foreign.__name__
    elif isinstance(message, BaseException) and not (is_text(message.args) and is_text(vars(message))):
        text = said(message)
    else:
        return
    entry.message = foreign(text)
