"""Find the method that undoes a registration, by looking at the class of the object that took it."""

from __future__ import annotations

import builtins
import collections
import threading
import types
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from pytest_reloadleak.cures import reading
from pytest_reloadleak.cures.knowledge import ENDS, KEYS, PAIRS, UNDOS, undoing
from pytest_reloadleak.cures.names import Names, Subject, is_name
from pytest_reloadleak.cures.reading import Mention
from pytest_reloadleak.cures.steps import Step, access, condition
from pytest_reloadleak.heap import foreign


class _Owner(NamedTuple):
    """An object on the way to the container that has methods, and how it is spelled."""

    value: Any
    text: str
    attributes: frozenset[str]
    """Names on the way from it to the container."""


class _Parameters(NamedTuple):
    """The parameters of a method, without the one for its object."""

    required: tuple[str, ...]
    optional: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, in order."""
        return (*self.required, *self.optional)


def paired(
    steps: Sequence[Step], at: int, container: str, subject: Subject, names: Names
) -> list[str] | None:
    """The lines that call the method which undoes the registration; `None` if none is found.

    Args:
        steps: the steps to the target's object.
        at: which of them each generation has for itself.
        container: how the container is spelled.
        subject: the target's object.
        names: the names in the target's module.
    """
    owners = list(_owners(steps, at, container))
    mentioned = reading.mentions(names.module, subject.word)
    for mention in mentioned:
        for owner in owners:
            line = _by_mention(mention, owner, subject, names)
            if line is not None:
                return [line]
    methods = {mention.method for mention in mentioned}
    for owner in owners:
        for adding, removing in _pairs_of(owner):
            if methods and adding not in methods:
                continue
            found = _by_item(owner, adding, removing, steps, at, container, subject, names)
            if found is not None:
                return found
    return None


def _owners(steps: Sequence[Step], at: int, container: str) -> Iterator[_Owner]:
    """The objects whose attributes lead to the container, the nearest first."""
    text = container
    attributes: list[str] = []
    for parent, name, child in reversed(steps[:at]):
        found = access(parent, name, child)
        suffix = f".{found.name}" if found.kind == "attribute" else f"[{found.name}]"
        if found.kind not in {"attribute", "key", "position"} or not text.endswith(suffix):
            return
        text = text.removesuffix(suffix)
        if not text:
            return
        if found.kind == "attribute":
            attributes.append(found.name)
            yield _Owner(parent, text, frozenset(attributes))


def ended(item: Any, container: Any, names: Names) -> str | None:
    """The call by which an item of a container ends itself, if the target has a name for its newest item.

    Args:
        item: an item that leads to the target's object.
        container: the container.
        names: the names in the target's module.
    """
    if issubclass(type(item), threading.Timer) or foreign.type_name(item) == "asyncio.events.TimerHandle":
        return None  # cancel() takes a timer out of no container
    kinds = (list, tuple, set, frozenset, collections.deque)
    items: Any = container
    if issubclass(type(container), dict):
        items = list(dict.values(container))
    elif not any(issubclass(type(container), kind) for kind in kinds):
        return None
    for one in list(items):
        name = names.bound(one) if type(one) is type(item) else None
        for method in ENDS if name is not None else ():
            function = function_of(one, method)
            if type(function) is types.FunctionType and function.__code__.co_argcount == 1:
                return f"{name}.{method}()"
    return None


def function_of(owner: Any, name: str) -> Any:
    """The function that an object has under a name, read without running its code; `None` if there is none."""
    namespace = foreign.module_dict(owner)
    if namespace is not None:
        return namespace.get(name)
    for cls in foreign.mro(owner if foreign.is_class(owner) else type(owner)):
        found = foreign.class_dict(cls).get(name)
        if found is not None:
            return found.__func__ if foreign.is_exactly(found, _WRAPPED) else found
    return None


_WRAPPED = foreign.type_ids(staticmethod, classmethod)


def _parameters(owner: Any, function: Any) -> _Parameters | None:
    """The parameters of a method; `None` where they cannot be read, such as those of one written in C."""
    code = foreign.own_code(function)
    if code is None:
        return None
    names = [foreign.text(name) for name in code.co_varnames[: code.co_argcount]]
    if not (foreign.is_module(owner) or _is_static(owner, function)):
        names = names[1:]
    count = len(function.__defaults__ or ())
    return _Parameters(
        tuple(names[: len(names) - count]), tuple(names[len(names) - count :] if count else ())
    )


def _is_static(owner: Any, function: Any) -> bool:
    classes = foreign.mro(owner if foreign.is_class(owner) else type(owner))
    values = (value for cls in classes for value in foreign.class_dict(cls).values())
    return any(foreign.is_exactly(v, _STATIC) and v.__func__ is function for v in values)


_STATIC = foreign.type_ids(staticmethod)


# -- by what the target's source says ---------------------------------------------------------------------------------


def _by_mention(mention: Mention, owner: _Owner, subject: Subject, names: Names) -> str | None:
    adding = function_of(owner.value, mention.method)
    if adding is None:
        return None
    receiver = _receiver(mention, owner, names)
    known = _known(mention, foreign.class_name(type(owner.value)), receiver, subject, names)
    if known is not None:
        return known
    for name in undoing(mention.method):
        removing = function_of(owner.value, name)
        if type(removing) is types.FunctionType:
            arguments = _arguments(mention, owner.value, adding, removing, subject, names)
            if arguments is not None:
                return f"{receiver}.{name}({', '.join(arguments)})"
    return None


def _receiver(mention: Mention, owner: _Owner, names: Names) -> str:
    """The receiver in the words of the source where they mean the same in the hook, else as a path."""
    read = reading.names_in(mention.receiver) if mention.receiver else None
    is_global = read is not None and not read & mention.locals and read <= names.namespace.keys()
    is_simple = (
        is_global and mention.receiver.isidentifier() and names.namespace[mention.receiver] is owner.value
    )
    return mention.receiver if is_simple else owner.text


def _known(mention: Mention, kind: str, receiver: str, subject: Subject, names: Names) -> str | None:
    """The undoing call that the table knows for a class."""
    for undo in UNDOS:
        if undo.method == mention.method and _is_kind(kind, undo.type):
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
                return found
    return None


_UNKNOWN = "\0"
"""In the place of an argument that the hook does not know."""


def _is_kind(kind: str, wanted: str) -> bool:
    return kind == wanted or kind.partition(".")[0] == wanted.partition(".")[0]


def _arguments(  # noqa: PLR0913 - what the caller knows
    mention: Mention, owner: Any, adding: Any, removing: Any, subject: Subject, names: Names
) -> list[str] | None:
    """The arguments of the undoing call; `None` where one of them is not known in the hook."""
    takes, wants = _parameters(owner, adding), _parameters(owner, removing)
    if wants is None or not wants.names:
        return None
    given = _given(mention, takes)
    texts: list[str] = []
    used = False
    for parameter in wants.names:
        at = given.get(parameter)
        if at is None and parameter in wants.required and not used and parameter not in KEYS:
            at = mention.subject  # named otherwise here: `callback` where it was added, `function` here
        if at is None:
            if parameter in wants.required:
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


def _given(mention: Mention, takes: _Parameters | None) -> dict[str, int]:
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


# -- by what the holder's class offers --------------------------------------------------------------------------------


def _pairs_of(owner: _Owner) -> Iterator[tuple[str, str]]:
    """The methods of an object that add to the container and those that undo them."""
    for adding in _method_names(owner.value):
        if not any(adding.startswith(verb) or adding.endswith(f"_{verb}") for verb in PAIRS):
            continue
        for removing in undoing(adding):
            function = function_of(owner.value, removing)
            if type(function) is types.FunctionType and _reads(owner.value, function) & owner.attributes:
                yield adding, removing


def _method_names(owner: Any) -> list[str]:
    if foreign.is_module(owner):
        return [name for name in foreign.module_dict(owner) or {} if is_name(name)]
    classes = foreign.mro(owner if foreign.is_class(owner) else type(owner))
    return [name for cls in classes for name in foreign.class_dict(cls) if is_name(name)]


def _reads(owner: Any, function: types.FunctionType, depth: int = 2) -> set[str]:
    """Names that a function reads, and those read by the methods of the same object that it calls."""
    names = set(map(foreign.text, function.__code__.co_names))
    for name in list(names) if depth else ():
        inner = function_of(owner, name)
        if type(inner) is types.FunctionType:
            names |= _reads(owner, inner, depth - 1)
    return names


def _by_item(  # noqa: PLR0913 - what the caller knows
    owner: _Owner,
    adding: str,
    removing: str,
    steps: Sequence[Step],
    at: int,
    container: str,
    subject: Subject,
    names: Names,
) -> list[str] | None:
    """The undoing call for each item that leads to the target's object."""
    wants = _parameters(owner.value, function_of(owner.value, removing))
    if wants is None or len(wants.required) > 1 or not wants.names or _returns_other(owner.value, adding):
        return None
    first = wants.names[0]
    kind = access(*steps[at]).kind
    after = steps[at + 1 :]
    item, key = names.variable("item"), names.variable("key")
    test = condition(names, item, after, subject)
    if test is None:
        return None
    is_key = first in KEYS or first.endswith(("_id", "_name", "_key"))
    call = f"{owner.text}.{removing}"
    if is_key and kind in {"value", "key"}:
        return [
            f"for {key} in [{key} for {key}, {item} in {container}.items() if {test}]:",
            f"    {call}({key})",
        ]
    if is_key or (len(wants.names) > 1 and not wants.required):
        return None
    if not after and subject.name is not None:
        return [f"{call}({subject.name})"]
    if kind in {"item", "dict-key"} and not after:
        return [f"for {item} in [{item} for {item} in {container} if {test}]:", f"    {call}({item})"]
    return None


def _returns_other(owner: Any, adding: str) -> bool:
    """Whether the registering method takes no single object, so that the undoing one may want something else."""
    takes = _parameters(owner, function_of(owner, adding))
    return takes is not None and len(takes.names) == 0
