"""Find the call that undoes a registration by the objects on the way, and by the calls that gave one to C code."""

from __future__ import annotations

import threading
import types
from collections.abc import Iterator, Sequence
from typing import Any

from pytest_reloadleak.cures import reading
from pytest_reloadleak.cures.effects.open_things import leads_to
from pytest_reloadleak.cures.knowledge import ENDED_BY, ENDS
from pytest_reloadleak.cures.methods.arguments import items_of
from pytest_reloadleak.cures.methods.offers import Owner, function_of
from pytest_reloadleak.cures.methods.pairs import by_mention, known
from pytest_reloadleak.cures.names import Names, Subject
from pytest_reloadleak.cures.reading import Mention
from pytest_reloadleak.heap import foreign


def ended_on_the_way(objects: Sequence[Any], names: Names) -> str | None:
    """The call by which an object of a library, on the way to the target's object, takes itself out of its tables.

    Args:
        objects: the objects on the way, the container's item first.
        names: the names in the target's module.
    """
    for one in objects:
        kinds = {foreign.class_name(cls) for cls in foreign.mro(type(one))}
        for end in ENDED_BY:
            name = names.counterpart(one) if end.type in kinds else None
            if name is not None:
                return f"{name}.{end.method}()"
    return None


def ended(item: Any, container: Any, names: Names) -> str | None:
    """The call by which an item of a container ends itself, if the target has a name for its newest item.

    Args:
        item: an item that leads to the target's object.
        container: the container.
        names: the names in the target's module.
    """
    if issubclass(type(item), threading.Timer) or foreign.type_name(item) == "asyncio.events.TimerHandle":
        return None  # cancel() takes a timer out of no container
    for one in items_of(container):
        name = names.bound(one) if type(one) is type(item) else None
        for method in ENDS if name is not None else ():
            function = function_of(one, method)
            is_method = type(function) is types.FunctionType and function.__code__.co_argcount == 1
            if is_method and leads_to([[one, *_globals_of(function)]], container):
                return f"{name}.{method}()"
    return None


def _globals_of(function: types.FunctionType) -> Iterator[Any]:
    """The globals that a function reads."""
    for name in function.__code__.co_names:
        if name in function.__globals__:
            yield function.__globals__[name]


def undone_in_c(path: Sequence[Any], names: Names) -> list[str] | None:
    """The lines that undo the calls which handed an object to C code; `None` where the source shows none.

    Args:
        path: objects from the topmost visible one to the target's object.
        names: the names in the target's module.
    """
    lines = []
    subject = names.subject(path[-1])
    taken = list(_receivers(subject, names))
    for mention, value in taken:
        line = known(mention, value, mention.receiver, subject, names)
        if line is None and len(taken) == 1:  # of several calls any may be the one
            owner = Owner(value, mention.receiver, frozenset())
            line = by_mention(mention, owner, subject, names, step=(value, "", path[-1]))
        if line is not None:
            lines.append(line)
    return list(dict.fromkeys(lines)) or None


def undone_on_the_way(objects: Sequence[Any], subject: Subject, names: Names) -> list[str] | None:
    """The same, where an object of a C type on the way to the target's object shows that it has it.

    Args:
        objects: the objects on the way.
        subject: the target's object.
        names: the names in the target's module.
    """
    kinds = {type(one) for one in objects if _is_of_library_in_c(type(one))}
    if not kinds:
        return None
    lines = [
        known(mention, value, mention.receiver, subject, names)
        for mention, value in _receivers(subject, names)
        if type(value) in kinds
    ]
    return list(dict.fromkeys(line for line in lines if line is not None)) or None


def _is_of_library_in_c(cls: type) -> bool:
    """Whether a class is a type of a library in C, such as `sqlite3.Connection`, or extends one."""
    base = next((base for base in foreign.mro(cls) if foreign.is_c_type(base)), cls)
    return foreign.is_c_type(base) and foreign.class_module(base) != "builtins"


def _receivers(subject: Subject, names: Names) -> Iterator[tuple[Mention, Any]]:
    """The calls that got an object, each with the value of the expression whose method was called."""
    for mention in reading.mentions(names.module, subject.word):
        first, *rest = mention.receiver.split(".")
        if first in mention.locals or first not in names.namespace:
            continue
        value = names.namespace[first]
        for part in rest:
            own = foreign.module_dict(value) if foreign.is_module(value) else foreign.instance_dict(value)
            value = dict.get(own or {}, part)
        if value is not None:
            yield mention, value
