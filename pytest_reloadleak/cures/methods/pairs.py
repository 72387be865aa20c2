"""Find the method that undoes a registration, by the calls in the target's source and the class that took it."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator, Sequence
from typing import Any

from pytest_reloadleak.cures import reading
from pytest_reloadleak.cures.knowledge import UNDOS, Undo, undoing
from pytest_reloadleak.cures.methods.arguments import arguments, usable
from pytest_reloadleak.cures.methods.offers import Owner, by_item, function_of, pairs_of
from pytest_reloadleak.cures.names import Names, Subject
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
            given = arguments(mention, owner.value, adding, removing, subject, names, step=step)
            if given is not None:
                return f"{receiver}.{name}({', '.join(given)})"
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
                usable(text, at == mention.subject, mention, subject, names)
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
