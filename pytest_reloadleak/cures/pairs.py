"""Find the method that undoes a registration, by the calls in the target's source and the class that took it."""

from __future__ import annotations

import builtins
import collections
import re
import threading
import types
from collections.abc import Iterator, Sequence
from typing import Any

from pytest_reloadleak.cures import reading
from pytest_reloadleak.cures.knowledge import ENDED_BY, ENDS, KEYS, UNDOS, Undo, undoing
from pytest_reloadleak.cures.names import Names, Subject
from pytest_reloadleak.cures.offers import Owner, Parameters, by_item, function_of, pairs_of, parameters_of
from pytest_reloadleak.cures.open_things import leads_to
from pytest_reloadleak.cures.reading import Mention
from pytest_reloadleak.cures.steps import Step, access, spelled
from pytest_reloadleak.heap import foreign


def paired(
    steps: Sequence[Step], at: int, base: tuple[str, int], subject: Subject, names: Names
) -> list[str] | None:
    """The lines that call the method which undoes the registration; `None` if none is found.

    Args:
        steps: the steps to the target's object.
        at: which of them each generation has for itself.
        base: the expression from which the container is reached, and the number of the step that begins there.
        subject: the target's object.
        names: the names in the target's module.
    """
    owners = list(_owners(steps, at, base))
    container = spelled(base[0], steps[base[1] : at])
    mentioned = reading.mentions(names.module, subject.word)
    # What is known for certain comes before what the nearest object's methods are called.
    for mention in mentioned:
        for owner in owners:
            receiver = _receiver(mention, owner, names)
            line = known(mention, owner.value, receiver, subject, names, is_exact=True)
            if line is not None:
                return [line]
    for mention in mentioned:
        for owner in owners:
            line = by_mention(mention, owner, subject, names, step=steps[at])
            if line is not None:
                return [line]
    methods = {mention.method for mention in mentioned}
    for owner in owners:
        for adding, removing in pairs_of(owner) if container is not None else ():
            if methods and adding not in methods:
                continue
            found = by_item(owner, adding, removing, steps, at, container or "", subject, names)
            if found is not None:
                return found
    return None


def _owners(steps: Sequence[Step], at: int, base: tuple[str, int]) -> Iterator[Owner]:
    """The objects whose attributes lead to the container, the nearest first."""
    text, start = base
    attributes: list[str] = []
    for n in range(at - 1, start - 1, -1):
        parent, name, child = steps[n]
        found = access(parent, name, child)
        owner = spelled(text, steps[start:n])
        if found.kind == "attribute":
            attributes.append(found.name)
            if owner:
                yield Owner(parent, owner, frozenset(attributes))


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


# -- by what the target's source says ---------------------------------------------------------------------------------


def by_mention(mention: Mention, owner: Owner, subject: Subject, names: Names, *, step: Step) -> str | None:
    """The call that undoes one in the target's source.

    Args:
        mention: the call that registers.
        owner: the object whose method it calls.
        subject: the target's object.
        names: the names in the target's module.
        step: the step from the container to its item.
    """
    adding = function_of(owner.value, mention.method)
    if adding is None:
        return None
    receiver = _receiver(mention, owner, names)
    undone = known(mention, owner.value, receiver, subject, names)
    if undone is not None:
        return undone
    for name in undoing(mention.method):
        removing = function_of(owner.value, name)
        if type(removing) is types.FunctionType:
            arguments = _arguments(mention, owner.value, adding, removing, subject, names, step=step)
            if arguments is not None:
                return f"{receiver}.{name}({', '.join(arguments)})"
    return None


def _receiver(mention: Mention, owner: Owner, names: Names) -> str:
    """The receiver in the words of the source where they mean the same in the hook, else as a path."""
    read = reading.names_in(mention.receiver) if mention.receiver else None
    is_global = read is not None and not read & mention.locals and read <= names.namespace.keys()
    is_simple = (
        is_global and mention.receiver.isidentifier() and names.namespace[mention.receiver] is owner.value
    )
    return mention.receiver if is_simple else owner.text


def known(  # noqa: PLR0913 - what the callers know
    mention: Mention, owner: Any, receiver: str, subject: Subject, names: Names, *, is_exact: bool = False
) -> str | None:
    """The undoing call that the table knows for the class of an object, or for a module."""
    for undo in UNDOS:
        if undo.method == mention.method and undo.is_exact == is_exact and _is_kind(owner, undo):
            texts = [
                _usable(text, at == mention.subject, mention, subject, names)
                for at, (_, text) in enumerate(mention.arguments)
            ]
            try:
                found = undo.undo.format(
                    *(_UNKNOWN if text is None else text for text in texts), self=receiver
                )
            except (IndexError, LookupError):
                continue
            if _UNKNOWN not in found:
                return _TESTS.sub(lambda one: subject.test.of(one[1]), found)
    return None


_UNKNOWN = "\0"
"""In the place of an argument that the hook does not know."""


_TESTS = re.compile(r"TEST\(([\w.]+)\)")


def _is_kind(owner: Any, undo: Undo) -> bool:
    if foreign.is_module(owner):
        return foreign.module_name(foreign.module_dict(owner) or {}) == undo.type
    kinds = [foreign.class_name(cls) for cls in foreign.mro(type(owner))]
    if undo.is_exact:
        return undo.type in kinds
    return any(kind.partition(".")[0] == undo.type.partition(".")[0] for kind in kinds)


def _arguments(  # noqa: PLR0913 - what the caller knows
    mention: Mention, owner: Any, adding: Any, removing: Any, subject: Subject, names: Names, *, step: Step
) -> list[str] | None:
    """The arguments of the undoing call; `None` where one of them is not known in the hook."""
    takes, wants = parameters_of(owner, adding), parameters_of(owner, removing)
    if wants is None or not wants.names:
        return None
    given = _given(mention, takes)
    texts: list[str] = []
    used = False
    for parameter in (*wants.names, *wants.by_keyword):
        at = given.get(parameter) if parameter not in _OF_REFERENCE else None
        if at is None and parameter in wants.required and not used and parameter not in KEYS:
            item = named_item(step, names)
            if item is not None and _means(parameter, item, step[2]):  # `job`, which registering returned
                texts.append(item)
                used = True
                continue
            at = mention.subject  # named otherwise here: `callback` where it was added, `function` here
        if at is None:
            is_needed = parameter in wants.by_keyword and parameter not in (removing.__kwdefaults__ or {})
            if parameter in wants.required or is_needed:
                return None
            continue
        text = _usable(mention.arguments[at][1], at == mention.subject, mention, subject, names)
        if text is None:
            return None
        used = used or at == mention.subject
        texts.append(
            text
            if parameter in wants.required and len(texts) == wants.names.index(parameter)
            else f"{parameter}={text}"
        )
    if used:
        return texts
    # The object itself goes to the first optional parameter, where the required ones took the rest.
    rest = [p for p in wants.optional if p not in given and p not in KEYS]
    if rest and subject.name is not None:
        return [*texts, f"{rest[0]}={subject.name}"]
    is_key = any(parameter in KEYS for parameter in wants.required)
    return texts if is_key and texts else None


def named_item(step: Step, names: Names) -> str | None:
    """What the target calls the newest item of a container, if it is a global; the step leads to such an item."""
    container, _, item = step
    own = [one for one in items_of(container) if type(one) is type(item)]
    found = {name for one in own if (name := names.bound(one)) is not None}
    return found.pop() if len(found) == 1 else None


def items_of(container: Any) -> list[Any]:
    """The values of a dict, or the items of a list, tuple, set or deque; empty for anything else."""
    if issubclass(type(container), dict):
        return list(dict.values(container))
    kinds: tuple[Any, ...] = (list, tuple, set, frozenset, collections.deque)
    kind = next((kind for kind in kinds if issubclass(type(container), kind)), None)
    return list(kind.__iter__(container)) if kind is not None else []


def _means(parameter: str, name: str, item: Any) -> bool:
    """Whether a parameter is for an item of a container, by what they are called."""
    kind = foreign.class_name(type(item)).rpartition(".")[2].lower()
    return parameter == name or parameter.lower() in kind or kind in parameter.lower()


_OF_REFERENCE = frozenset({"weak", "weakref"})
"""Parameters that say how an object is held: a method that undoes it takes them for older callers, or warns."""


def _given(mention: Mention, takes: Parameters | None) -> dict[str, int]:
    """Which argument each parameter of the registering method got."""
    out: dict[str, int] = {}
    for at, (keyword, _) in enumerate(mention.arguments):
        if keyword is not None:
            out[keyword] = at
        elif (
            takes is not None
            and at < len(takes.names)
            and not (mention.is_decorator and at == mention.subject)
        ):
            out[takes.names[at]] = at
    if mention.is_decorator and takes is not None:
        free = [p for p in takes.names if p not in out and p not in KEYS]
        if free and len(mention.arguments) - 1 < len(takes.names):
            out[free[0]] = mention.subject
    return out


def _usable(text: str, is_subject: bool, mention: Mention, subject: Subject, names: Names) -> str | None:
    """An argument's source, if it means the same in the hook."""
    if is_subject:
        return subject.name
    read = reading.names_in(text)
    if read is None or read & mention.locals:
        return None
    return text if all(name in names.namespace or name in vars(builtins) for name in read) else None


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
