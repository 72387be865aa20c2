"""Write the arguments of an undoing call: from what the registering call in the source was given."""

from __future__ import annotations

import builtins
import collections
from typing import Any

from pytest_reloadleak.cures import reading
from pytest_reloadleak.cures.knowledge import KEYS
from pytest_reloadleak.cures.methods.offers import Parameters, parameters_of
from pytest_reloadleak.cures.names import Names, Subject
from pytest_reloadleak.cures.reading import Mention
from pytest_reloadleak.cures.steps import Step
from pytest_reloadleak.heap import foreign


def arguments(  # noqa: PLR0913 - what the caller knows
    mention: Mention, owner: Any, adding: Any, removing: Any, subject: Subject, names: Names, *, step: Step
) -> list[str] | None:
    """The arguments of the undoing call; `None` where one of them is not known in the hook.

    Args:
        mention: the call that registers.
        owner: the object whose method it calls.
        adding: the method that registers.
        removing: the method that undoes it.
        subject: the target's object.
        names: the names in the target's module.
        step: the step from the container to its item.
    """
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
        text = usable(mention.arguments[at][1], at == mention.subject, mention, subject, names)
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


def usable(text: str, is_subject: bool, mention: Mention, subject: Subject, names: Names) -> str | None:
    """An argument's source, if it means the same in the hook.

    Args:
        text: the source.
        is_subject: whether it is the target's object.
        mention: the call that has it.
        subject: the target's object.
        names: the names in the target's module.
    """
    if is_subject and not _is_of(subject, text):
        return subject.name
    read = reading.names_in(text)
    if read is None or read & mention.locals:
        return None
    return text if all(name in names.namespace or name in vars(builtins) for name in read) else None


def _is_of(subject: Subject, text: str) -> bool:
    """Whether the target's object is a method of what was passed: the registering call found it there."""
    return subject.name is not None and subject.name.startswith(f"{text}.")
