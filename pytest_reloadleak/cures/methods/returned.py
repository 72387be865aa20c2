"""Find the function that a registration returned and that undoes it, as in `unsubscribe = bus.listen("x", on_x)`.

Such a function refers to what it removes. A wrapper of the target's function does so as well, and calling that would
run the handler. So the name of the function, or its code, must say that it removes something.
"""

from __future__ import annotations

import functools
import inspect
import re
import types
from collections.abc import Iterator
from typing import Any, NamedTuple

from pytest_reloadleak.cures.knowledge import ENDS, PAIRS, STOPS
from pytest_reloadleak.cures.methods.arguments import items_of
from pytest_reloadleak.cures.names import Names, Subject, is_name
from pytest_reloadleak.heap import foreign

_WORD = re.compile(r"[A-Z]?[a-z]+")
_UNDOING = frozenset(
    word.lower() for names in (ENDS, STOPS, *PAIRS.values()) for name in names for word in _WORD.findall(name)
) - {"end", "listener", "listening", "observer", "request", "route", "un"}
"""Words of names that undo something."""
_ASYNC = inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


class _Callable(NamedTuple):
    """A function with what is bound to it."""

    function: Any  # a function; mypy would take one for a method of this class
    arguments: tuple[Any, ...]
    keywords: frozenset[str]


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
        if found is None or names.is_own(found.function) or not _needs_nothing(found) or not _removes(found):
            continue
        if any(id(part) in newest for part in _parts(found)):
            return f"{name}()"
    return None


def _callable(o: Any) -> _Callable | None:
    """The function behind a function, bound method or partial; `None` for anything else."""
    if type(o) is types.FunctionType:
        return _Callable(o, (), frozenset())
    if type(o) is types.MethodType and type(o.__func__) is types.FunctionType:
        return _Callable(o.__func__, (o.__self__,), frozenset())
    if type(o) is functools.partial:
        inner = _callable(o.func)
        if inner is not None:
            keywords = [key for key in dict.keys(o.keywords) if type(key) is str]
            values = (*o.args, *dict.values(o.keywords))
            # What a keyword binds comes last here: only the number of the others counts.
            return _Callable(inner.function, (*inner.arguments, *values), inner.keywords.union(keywords))
    return None


def _needs_nothing(found: _Callable) -> bool:
    """Whether it can be called as it is, and runs at once."""
    function, code = found.function, found.function.__code__
    if code.co_flags & _ASYNC:
        return False
    bound = len(found.arguments) - len(found.keywords)
    positional = code.co_varnames[bound : code.co_argcount - len(function.__defaults__ or ())]
    by_keyword = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    missing = {*positional, *by_keyword} - found.keywords - (function.__kwdefaults__ or {}).keys()
    return not missing


def _removes(found: _Callable) -> bool:
    """Whether the names that it has and uses say that it removes something."""
    code = found.function.__code__
    used = {foreign.function_name(found.function).rpartition(".")[2], *code.co_names}
    words = {word.lower() for name in used for word in _WORD.findall(name)}
    return not _UNDOING.isdisjoint(words) or any(
        instruction.opname == "DELETE_SUBSCR" for instruction in _instructions(code)
    )


def _instructions(code: types.CodeType) -> Iterator[Any]:
    import dis  # few cures need it

    return dis.get_instructions(code)


def _parts(found: _Callable) -> Iterator[Any]:
    """What it refers to: its arguments, and the cells of its closure."""
    yield from found.arguments
    for cell in found.function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # noqa: PERF203 - an empty cell says so only like this
            continue
