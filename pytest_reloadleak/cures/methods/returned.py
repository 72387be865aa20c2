"""Find the function that a registration returned and that undoes it, as in `unsubscribe = bus.listen("x", on_x)`.

Such a function refers to what it removes. A wrapper of the target's function does so as well, and calling that would
run the handler. So a function must remove something, by its name or by what its code calls, and must not call what the
container keeps.
"""

from __future__ import annotations

import functools
import re
import types
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from pytest_reloadleak.cures.knowledge import ENDS, PAIRS, STOPS
from pytest_reloadleak.cures.methods.arguments import items_of
from pytest_reloadleak.cures.methods.offers import needs_nothing
from pytest_reloadleak.cures.names import Names, Subject, is_name
from pytest_reloadleak.heap import foreign, sources

_WORD = re.compile(r"[A-Z]?[a-z]+")
_FIRST = {_WORD.findall(name)[0].lower() for names in (ENDS, STOPS, *PAIRS.values()) for name in names}
_VERBS = frozenset(_FIRST - {"end", "request"} | {"del", "pop"})
"""First words of names that undo something."""


class _Callable(NamedTuple):
    """A function with what is bound to it."""

    function: Any  # a function; mypy would take one for a method of this class
    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any]


def undone_by_returned(container: Any, subject: Subject, names: Names) -> str | None:
    """The call of a global of the target that removes the newest item of a container.

    Args:
        container: the container.
        subject: the target's object.
        names: the names in the target's module.
    """
    newest = {id(o) for o in items_of(container) if not foreign.is_atom(o)}
    own = names.namespace.get(subject.name) if subject.name is not None else None
    if own is not None:
        newest.add(id(own))
    for name, value in list(names.namespace.items()):
        found = _callable(value) if is_name(name) else None
        if found is None or names.is_own(found.function):
            continue
        if not needs_nothing(found.function, len(found.arguments), found.keywords.keys()):
            continue
        kept = {parameter: part for parameter, part in _bound(found) if id(part) in newest}
        if kept and _removes(found.function, kept):
            return f"{name}()"
    return None


def _callable(o: Any) -> _Callable | None:
    """The function behind a function, bound method or partial; `None` for anything else."""
    if type(o) is types.FunctionType:
        return _Callable(o, (), {})
    if type(o) is types.MethodType and type(o.__func__) is types.FunctionType:
        return _Callable(o.__func__, (o.__self__,), {})
    if type(o) is functools.partial:
        inner = _callable(o.func)
        if inner is not None:
            keywords = {key: value for key, value in dict.items(o.keywords) if type(key) is str}
            return _Callable(inner.function, (*inner.arguments, *o.args), {**inner.keywords, **keywords})
    return None


def _bound(found: _Callable) -> Iterator[tuple[str, Any]]:
    """What the function refers to, by the names in its code: its arguments and the cells of its closure."""
    code = found.function.__code__
    yield from zip(map(foreign.text, code.co_varnames), found.arguments, strict=False)
    yield from found.keywords.items()
    for name, cell in zip(code.co_freevars, found.function.__closure__ or (), strict=True):
        try:
            yield foreign.text(name), cell.cell_contents
        except ValueError:  # noqa: PERF203 - an empty cell says so only like this
            continue


def _removes(function: types.FunctionType, kept: Mapping[str, Any]) -> bool:
    """Whether a function removes something, and calls nothing of what the container keeps.

    Args:
        function: the function.
        kept: what it has of the container's items, by the names in its code.
    """
    code = function.__code__
    is_named = _says_so([foreign.code_text(code)])
    called = sources.calls(code)
    if called is None:
        return is_named
    if not called.functions.isdisjoint(kept) or any(
        _is_callback(kept.get(o), name) for o, name in called.methods
    ):
        return False
    return is_named or called.has_del or _says_so([*called.functions, *(name for _, name in called.methods)])


def _is_callback(item: Any, name: str) -> bool:
    """Whether an item has a callback in an attribute, which a call of that attribute runs."""
    return name in (foreign.instance_dict(item) or {})


def _says_so(names: Collection[str]) -> bool:
    """Whether one of some names has a word that says that something is removed."""
    return not _VERBS.isdisjoint(word.lower() for name in names for word in _WORD.findall(name))
